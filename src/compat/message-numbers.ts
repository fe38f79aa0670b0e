import type { Packet } from '../codec/packet.ts'
import type { Publications } from './publications.ts'

/** The program's numbers for packets on the wire, whose identifiers are the session's: the log shows the program's. */
export class MessageNumbers {
  readonly #publications: Publications
  /** Of the request or QoS 0 message that is being handed to the session. */
  #current = 0
  /** Of requests that the session has not sent yet. */
  #queued: number[] = []
  readonly #byPacketId = new Map<number, number>()

  constructor(publications: Publications) {
    this.#publications = publications
  }

  /**
   * While something is handed to the session, it may be sent.
   *
   * @param waits - it is a request, which is sent later when it was not sent at once
   */
  handOver<T>(mid: number, waits: boolean, work: () => T): T {
    this.#current = mid
    const result = work()
    if (waits && this.#current === mid) this.#queued.push(mid)
    this.#current = 0
    return result
  }

  /** Requests do not outlive their connection. */
  connectionLost(): void {
    this.#queued = []
  }

  of(packet: Packet): number {
    switch (packet.type) {
      case 'publish':
        if (packet.qos > 0) return this.#publications.midOfPacket(packet.packetId) || packet.packetId
        return this.#current || this.#publications.midOfNextWaiting(packet.topic)
      case 'subscribe':
      case 'unsubscribe': {
        const mid = this.#current || this.#queued.shift() || packet.packetId
        this.#current = 0
        this.#byPacketId.set(packet.packetId, mid)
        return mid
      }
      case 'unsuback':
        return this.#byPacketId.get(packet.packetId) ?? packet.packetId
      case 'puback':
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        return this.#publications.midOfPacket(packet.packetId) || packet.packetId
      default:
        return 0
    }
  }
}

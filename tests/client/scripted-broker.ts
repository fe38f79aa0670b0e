import { Client, type ClientOptions } from 'mqtt-await'
import {
  encode,
  type Packet,
  PacketDecoder,
  type ProtocolVersion,
  type SubscribePacket,
} from 'mqtt-await/codec'
import { onTestFinished } from 'vitest'
import { memoryTransport } from '../../src/transport/memory.ts'
import type { Transport } from '../../src/transport/transport.ts'

type PacketOf<T extends Packet['type']> = Packet & { readonly type: T }

export interface PublishFromServer {
  readonly payload?: string | Uint8Array
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
  readonly dup?: boolean
  readonly packetId?: number
  /** Subscription Identifiers. */
  readonly ids?: readonly number[]
  readonly properties?: PacketOf<'publish'>['properties']
}

/**
 * A server without a network whose every packet the test decides. By itself it only answers: CONNACK, SUBACK with what was asked for,
 * UNSUBACK, PUBACK and the QoS 2 handshakes. What came is kept in `received`.
 */
export class ScriptedBroker {
  readonly received: Packet[] = []
  readonly version: ProtocolVersion
  /** What CONNACK says; the next connections too. */
  connack: Partial<PacketOf<'connack'>> = {}
  /** SUBACK reason codes; `undefined` = none is sent. */
  suback: ((packet: SubscribePacket) => readonly number[] | undefined) | undefined
  /** Reason code of PUBACK. */
  puback: (packet: PacketOf<'publish'>) => number = () => 0
  #peer: Transport | undefined
  #nextId = 0
  readonly #waiting: {
    readonly matches: (packet: Packet) => boolean
    readonly resolve: (packet: Packet) => void
  }[] = []

  constructor(version: ProtocolVersion = 5) {
    this.version = version
  }

  /** A connected client of this server; it is closed with the test. */
  async client(options: ClientOptions = {}): Promise<Client> {
    const client = this.idleClient(options)
    await client.connect()
    return client
  }

  /** A client that has not been connected. */
  idleClient(options: ClientOptions = {}): Client {
    const client = new Client({
      clientId: 'scripted',
      protocolVersion: this.version,
      reconnect: { minDelayMs: 1, maxDelayMs: 5 },
      transport: memoryTransport((peer) => this.#accept(peer)),
      ...options,
    })
    onTestFinished(async () => {
      await client.close()
    })
    return client
  }

  send(...packets: Packet[]): void {
    const chunks = packets.map((packet) => encode(packet, { protocolVersion: this.version, from: 'server' }))
    // As one chunk, as a network would bring it.
    this.#peer?.write([new Uint8Array(Buffer.concat(chunks))])
  }

  /** Sends messages, all in one chunk. Gives their packet ids. */
  publish(...messages: readonly (readonly [topic: string, message?: PublishFromServer])[]): number[] {
    const packets = messages.map(([topic, message = {}]) => this.#toPacket(topic, message))
    this.send(...packets)
    return packets.map(({ packetId }) => packetId)
  }

  /** Cuts the connection. */
  drop(): void {
    this.#peer?.destroy()
    this.#peer = undefined
  }

  /** Packets of a type that have come so far. */
  all<T extends Packet['type']>(type: T): PacketOf<T>[] {
    return this.received.filter((packet): packet is PacketOf<T> => packet.type === type)
  }

  /** Subscription Identifier that a filter was last subscribed with; 0 = none. */
  idOf(filter: string): number {
    const packet = this.all('subscribe').findLast(({ filters }) =>
      filters.some((each) => each.filter === filter),
    )
    return packet?.properties?.subscriptionIdentifier ?? 0
  }

  /** Resolves with the next packet of a type, or with one that has come and fits. */
  next<T extends Packet['type']>(
    type: T,
    fits: (packet: PacketOf<T>) => boolean = () => true,
  ): Promise<PacketOf<T>> {
    const matches = (packet: Packet): boolean => packet.type === type && fits(packet as PacketOf<T>)
    const found = this.received.find(matches)
    if (found !== undefined) return Promise.resolve(found as PacketOf<T>)
    return new Promise((resolve) => {
      this.#waiting.push({ matches, resolve: (packet) => resolve(packet as PacketOf<T>) })
    })
  }

  #toPacket(topic: string, message: PublishFromServer): PacketOf<'publish'> {
    const { payload = '', qos = 0, retain = false, dup = false, ids, properties } = message
    const all = { ...properties, ...(ids === undefined ? {} : { subscriptionIdentifiers: ids }) }
    return {
      type: 'publish',
      topic,
      payload: typeof payload === 'string' ? new TextEncoder().encode(payload) : payload,
      qos,
      retain,
      dup,
      packetId: qos === 0 ? 0 : (message.packetId ?? ++this.#nextId),
      ...(this.version === 5 ? { properties: all } : {}),
    }
  }

  #accept(peer: Transport): { onBytes(chunk: Uint8Array): void; onDrain(): void; onClose(): void } {
    this.#peer = peer
    const decoder = new PacketDecoder({ from: 'client', protocolVersion: this.version })
    return {
      onBytes: (chunk) => {
        decoder.push(chunk)
        for (let packet = decoder.next(); packet !== undefined; packet = decoder.next())
          this.#take(packet as Packet)
      },
      onDrain: () => {},
      onClose: () => {},
    }
  }

  #take(packet: Packet): void {
    this.received.push(packet)
    this.#answer(packet)
    for (const waiting of [...this.#waiting]) {
      if (!waiting.matches(packet)) continue
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      waiting.resolve(packet)
    }
  }

  #answer(packet: Packet): void {
    switch (packet.type) {
      case 'connect':
        this.send({ type: 'connack', sessionPresent: false, reasonCode: 0, ...this.connack })
        return
      case 'subscribe': {
        const reasonCodes =
          this.suback === undefined ? packet.filters.map(({ qos }) => qos) : this.suback(packet)
        if (reasonCodes !== undefined) this.send({ type: 'suback', packetId: packet.packetId, reasonCodes })
        return
      }
      case 'unsubscribe':
        this.send({
          type: 'unsuback',
          packetId: packet.packetId,
          reasonCodes: this.version === 5 ? packet.filters.map(() => 0) : [],
        })
        return
      case 'publish':
        if (packet.qos === 1) {
          this.send({ type: 'puback', packetId: packet.packetId, reasonCode: this.puback(packet) })
        }
        if (packet.qos === 2) this.send({ type: 'pubrec', packetId: packet.packetId, reasonCode: 0 })
        return
      case 'pubrec':
        this.send({ type: 'pubrel', packetId: packet.packetId, reasonCode: 0 })
        return
      case 'pubrel':
        this.send({ type: 'pubcomp', packetId: packet.packetId, reasonCode: 0 })
        return
      default:
    }
  }
}

// What the client loads when it is first needed: `settled()` counts turns, and reading a file takes any number of them.
await import('../../src/client/on-demand.ts')

/** Resolves when everything that is on its way over a memory transport has arrived and been worked on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

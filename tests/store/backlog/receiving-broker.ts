import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { encode, type Packet, PacketDecoder } from 'mqtt-await/codec'

/**
 * A server that takes publications whose payloads begin with a number, and checks that they come in order and once: faster than a
 * broker, since nobody is subscribed.
 */
export class ReceivingBroker {
  readonly #server: Server
  readonly #sockets: Set<Socket> = new Set()
  /** How many have come. */
  received = 0
  /** What came in place of the next number. */
  readonly wrong: string[] = []

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(): Promise<ReceivingBroker> {
    const broker = new ReceivingBroker()
    broker.#server.listen(0, '127.0.0.1')
    await once(broker.#server, 'listening')
    return broker
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  dispose(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    const decoder = new PacketDecoder({ from: 'client' })
    socket.on('data', (chunk: Buffer) => {
      const answers: Uint8Array[] = []
      decoder.push(chunk)
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        const answer = this.#answer(packet as Packet)
        if (answer !== undefined) answers.push(encode(answer, { protocolVersion: 5, from: 'server' }))
      }
      if (answers.length > 0) socket.write(Buffer.concat(answers))
    })
  }

  #answer(packet: Packet): Packet | undefined {
    switch (packet.type) {
      case 'connect':
        return { type: 'connack', sessionPresent: false, reasonCode: 0, properties: { receiveMaximum: 500 } }
      case 'publish': {
        const found = Number.parseInt(new TextDecoder().decode(packet.payload), 10)
        if (found !== this.received && this.wrong.length < 10)
          this.wrong.push(`${found} instead of ${this.received}`)
        this.received++
        const type = packet.qos === 1 ? 'puback' : 'pubrec'
        return { type, packetId: packet.packetId, reasonCode: 0 }
      }
      case 'pubrel':
        return { type: 'pubcomp', packetId: packet.packetId, reasonCode: 0 }
      case 'pingreq':
        return { type: 'pingresp' }
      default:
        return undefined
    }
  }
}

import { encode, type Packet, PacketDecoder, type ProtocolVersion } from 'mqtt-await/codec'
import { type Clock, systemClock, type Timer } from '../../src/client/clock.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import type { OpenContext, Transport } from '../../src/transport/transport.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

// What the client loads when it is first needed: virtual time does not wait for a file.
await Promise.all([
  import('../../src/client/authentication/exchange.ts'),
  import('../../src/client/connect-options.ts'),
  import('../../src/transport/adopt.ts'),
  import('../../src/client/on-demand.ts'),
  import('../../src/client/stored-session.ts'),
])

/** Answers a packet of the client: with packets, with bytes, by closing, or not at all. */
export type Answer = (packet: Packet, connection: ScriptedConnection) => void

/** One connection at the server's end. */
export class ScriptedConnection {
  readonly packets: Packet[] = []
  readonly version: () => ProtocolVersion
  closed = false
  readonly transport: Transport

  constructor(transport: Transport, version: () => ProtocolVersion) {
    this.transport = transport
    this.version = version
  }

  send(...packets: Packet[]): void {
    const chunks = packets.map((packet) =>
      encode(packet, { protocolVersion: this.version(), from: 'server' }),
    )
    this.transport.write(chunks)
  }

  bytes(...values: number[]): void {
    this.transport.write([Uint8Array.from(values)])
  }

  /** Names of what has come so far. */
  get types(): string[] {
    return this.packets.map(({ type }) => type)
  }

  last<T extends Packet['type']>(type: T): Extract<Packet, { type: T }> | undefined {
    return this.packets.findLast((packet) => packet.type === type) as Extract<Packet, { type: T }> | undefined
  }

  end(): void {
    this.transport.end()
  }

  cut(): void {
    this.transport.destroy()
  }
}

/** A server that does what the test says, over in-memory transports. */
export class ScriptedServer {
  readonly connections: ScriptedConnection[] = []
  /** Attempts to open a transport so far. */
  opened = 0
  /** Set: opening fails with it. Or a promise: opening waits for it. */
  refuse: Error | undefined = undefined
  hang = false
  answer: Answer

  constructor(answer: Answer = acceptAll) {
    this.answer = answer
  }

  /** The option `transport` of a client. */
  readonly transport = async (context: OpenContext): Promise<Transport> => {
    this.opened++
    if (this.hang) {
      return new Promise((_, reject) => {
        context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true })
      })
    }
    if (this.refuse !== undefined) throw this.refuse
    return memoryTransport((peer) => {
      const decoder = new PacketDecoder({ from: 'client' })
      let version: ProtocolVersion = 5
      const connection = new ScriptedConnection(peer, () => version)
      this.connections.push(connection)
      return {
        onBytes: (chunk) => {
          decoder.push(chunk)
          for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
            if (packet.type === 'connect') version = packet.protocolVersion
            connection.packets.push(packet as Packet)
            this.answer(packet as Packet, connection)
          }
        },
        onDrain: () => {},
        onClose: () => {
          connection.closed = true
        },
      }
    })(context)
  }

  get last(): ScriptedConnection {
    const connection = this.connections.at(-1)
    if (connection === undefined) throw new Error('nobody has connected')
    return connection
  }
}

/** What a broker without surprises answers. */
export const acceptAll: Answer = (packet, connection) => {
  switch (packet.type) {
    case 'connect':
      connection.send({ type: 'connack', sessionPresent: false, reasonCode: 0 })
      break
    case 'publish':
      if (packet.qos === 1) connection.send({ type: 'puback', packetId: packet.packetId, reasonCode: 0 })
      if (packet.qos === 2) connection.send({ type: 'pubrec', packetId: packet.packetId, reasonCode: 0 })
      break
    case 'pubrel':
      connection.send({ type: 'pubcomp', packetId: packet.packetId, reasonCode: 0 })
      break
    case 'subscribe':
      connection.send({
        type: 'suback',
        packetId: packet.packetId,
        reasonCodes: packet.filters.map(({ qos }) => qos),
      })
      break
    case 'unsubscribe':
      connection.send({
        type: 'unsuback',
        packetId: packet.packetId,
        reasonCodes: packet.filters.map(() => 0),
      })
      break
    case 'pingreq':
      connection.send({ type: 'pingresp' })
      break
    default:
  }
}

/** Timers that fire when the test says so; turns of the event loop are the real ones. */
export class TestClock implements Clock {
  readonly virtual: VirtualClock
  constructor(random: () => number = () => 0.5) {
    this.virtual = new VirtualClock(1_700_000_000_000, random)
  }
  now(): number {
    return this.virtual.now()
  }
  setTimer(callback: () => void, delayMs: number): Timer {
    return this.virtual.setTimer(callback, delayMs)
  }
  soon(callback: () => void): void {
    systemClock.soon(callback)
  }
  later(callback: () => void): void {
    systemClock.later(callback)
  }
  random(): number {
    return this.virtual.random()
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Lets time pass, timer by timer. */
  async pass(milliseconds: number): Promise<void> {
    await this.settle()
    const end = this.now() + milliseconds
    while (this.virtual.nextAt <= end) {
      this.virtual.advance(this.virtual.nextAt - this.now())
      await this.settle()
    }
    this.virtual.advance(end - this.now())
    await this.settle()
  }
}

/** How a promise stands, without waiting for it. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<T | Error | 'pending'> {
  let outcome: T | Error | 'pending' = 'pending'
  promise.then(
    (value) => {
      outcome = value
    },
    (error: Error) => {
      outcome = error
    },
  )
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  return outcome
}

import {
  encode,
  type Packet,
  PacketDecoder,
  type ProtocolVersion,
  type PublishProperties,
} from 'mqtt-await/codec'
import {
  type ConnectRequest,
  InboundMessage,
  type Journal,
  type MessageExpiry,
  OutboundMessage,
  Session,
  type SessionConfig,
  type SessionSink,
  type SubscribeOutcome,
} from 'mqtt-await/session'

/** Writes down what the session says, in order. */
export class Recorder implements SessionSink {
  readonly calls: [name: string, ...args: unknown[]][] = []
  onConnected(...args: unknown[]): void {
    this.calls.push(['connected', ...args])
  }
  onDisconnected(...args: unknown[]): void {
    this.calls.push(['disconnected', ...args])
  }
  onMessage(...args: unknown[]): void {
    this.calls.push(['message', ...args])
  }
  onSettled(...args: unknown[]): void {
    this.calls.push(['settled', ...args])
  }
  onSent(...args: unknown[]): void {
    this.calls.push(['sent', ...args])
  }
  onResubscribed(...args: unknown[]): void {
    this.calls.push(['resubscribed', ...args])
  }
  onSessionLost(): void {
    this.calls.push(['session lost'])
  }
  onAuthenticate(...args: unknown[]): void {
    this.calls.push(['authenticate', ...args])
  }
  onReauthenticated(...args: unknown[]): void {
    this.calls.push(['reauthenticated', ...args])
  }
  onPong(): void {
    this.calls.push(['pong'])
  }
  names(): string[] {
    return this.calls.splice(0).map(([name]) => name)
  }
  /** The first argument of each call of this name. */
  all<T>(name: string): T[] {
    return this.calls.filter((call) => call[0] === name).map((call) => call[1] as T)
  }
}

export interface PublishAs {
  readonly topic?: string
  readonly payload?: string
  readonly retain?: boolean
  readonly properties?: PublishProperties
  readonly expiry?: MessageExpiry
  readonly topicAlias?: number
}

export type ConnackAs = Partial<Extract<Packet, { type: 'connack' }>>
export type ConnectAs = Partial<Omit<ConnectRequest, 'type' | 'protocolVersion'>>

/** A session with a scripted server at its other end: packets or bytes in, packets or bytes out, and a clock that is set by hand. */
export class Peer {
  readonly sink = new Recorder()
  readonly session: Session
  readonly version: ProtocolVersion
  now = 1_000

  constructor(version: ProtocolVersion = 5, config: Partial<SessionConfig> = {}, journal?: Journal) {
    this.version = version
    this.session = new Session(
      {
        onSessionLost: 'reject',
        resubscribe: true,
        autoTopicAlias: true,
        publishClass: InboundMessage,
        ...config,
      },
      this.sink,
      journal,
    )
  }

  /** The bytes the session has written since the last call. */
  bytes(): Buffer {
    const bytes = Buffer.concat(this.session.output.take())
    this.session.flushed(this.now)
    return bytes
  }

  hex(): string {
    return this.bytes().toString('hex')
  }

  /** The packets the session has written since the last call. */
  sent(): Packet[] {
    const decoder = new PacketDecoder({ from: 'client', protocolVersion: this.version })
    decoder.push(this.bytes())
    const packets: Packet[] = []
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next())
      packets.push(packet as Packet)
    return packets
  }

  /** The same in short: `publish 7 dup`. */
  sentTypes(): string[] {
    return this.sent().map((packet) => {
      const id = 'packetId' in packet && packet.packetId > 0 ? ` ${packet.packetId}` : ''
      return `${packet.type}${id}${'dup' in packet && packet.dup === true ? ' dup' : ''}`
    })
  }

  says(...packets: Packet[]): void {
    for (const packet of packets)
      this.saysBytes(encode(packet, { protocolVersion: this.version, from: 'server' }))
  }

  saysBytes(bytes: Uint8Array): void {
    this.session.receive(bytes, this.now)
  }

  saysHex(hex: string): void {
    this.saysBytes(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  }

  /** CONNECT without its answer. */
  begin(connect: ConnectAs = {}): void {
    this.session.connect(
      {
        type: 'connect',
        protocolVersion: this.version,
        cleanStart: true,
        keepAlive: 60,
        clientId: 'c1',
        ...(this.version === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
        ...connect,
      },
      this.now,
    )
  }

  connect(connack: ConnackAs = {}, connect: ConnectAs = {}): this {
    this.begin(connect)
    this.says({ type: 'connack', sessionPresent: false, reasonCode: 0, ...connack })
    return this
  }

  /** Connected, with everything written so far read: on a session that outlives the connection. */
  online(connack: ConnackAs = {}, connect: ConnectAs = {}): this {
    this.connect(connack, { cleanStart: false, ...connect })
    this.sent()
    this.sink.calls.length = 0
    return this
  }

  cut(): this {
    this.session.transportClosed(undefined, this.now)
    return this
  }

  /** Connects again; gives what is sent after CONNACK. */
  resume(sessionPresent = true, connack: ConnackAs = {}): Packet[] {
    this.begin({ cleanStart: false })
    this.sent()
    this.says({ type: 'connack', sessionPresent, reasonCode: 0, ...connack })
    return this.sent()
  }

  publish(qos: 0 | 1 | 2, as: PublishAs | string = {}): OutboundMessage {
    const {
      topic = 'a/b',
      payload = 'x',
      retain = false,
      properties,
      expiry,
      topicAlias = 0,
    } = typeof as === 'string' ? { topic: as } : as
    const message = new OutboundMessage(
      topic,
      Buffer.from(payload),
      qos,
      retain,
      properties,
      expiry,
      topicAlias,
    )
    this.session.publish(message, this.now)
    return message
  }

  /** Subscribes; the outcome is in the array when it has come. */
  subscribe(...filters: string[]): (SubscribeOutcome | Error)[] {
    const outcomes: (SubscribeOutcome | Error)[] = []
    this.session.subscribe({
      filters: filters.map((filter) => ({ filter, qos: 1 })),
      subscriptionIdentifier: 0,
      settle: (outcome) => outcomes.push(outcome),
    })
    return outcomes
  }

  unsubscribe(...filters: string[]): (SubscribeOutcome | Error)[] {
    const outcomes: (SubscribeOutcome | Error)[] = []
    this.session.unsubscribe({ filters, settle: (outcome) => outcomes.push(outcome) })
    return outcomes
  }

  /** Messages delivered to the application so far. */
  get messages(): InboundMessage[] {
    return this.sink.all<InboundMessage>('message')
  }

  /** Why the connection ended; undefined while it has not, or by DISCONNECT of our own. */
  get failure(): (Error & { reasonCode?: number }) | undefined {
    return this.sink.all<Error>('disconnected')[0]
  }

  acknowledge(...messages: (InboundMessage | undefined)[]): void {
    for (const message of messages) if (message !== undefined) this.session.acknowledge(message)
  }
}

export function ack(
  type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
  packetId: number,
  reasonCode = 0,
): Packet {
  return { type, packetId, reasonCode }
}

export function incoming(
  qos: 0 | 1 | 2,
  packetId: number,
  as: { dup?: boolean; topic?: string; retain?: boolean; properties?: PublishProperties } = {},
): Packet {
  const { dup = false, topic = 't', retain = false, properties } = as
  return { type: 'publish', topic, payload: new Uint8Array([1]), qos, retain, dup, packetId, properties }
}

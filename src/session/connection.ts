import { LARGEST_PACKET } from '../codec/byte-writer.ts'
import type { Allocate } from '../codec/bytes.ts'
import { PacketDecoder } from '../codec/decoder.ts'
import type { ConnackPacket, ConnectPacket, ConnectProperties, ProtocolVersion } from '../codec/packet.ts'
import type { PublishClass } from '../codec/publish.ts'
import type { Millis } from './command.ts'
import type { InboundMessage } from './inbound-message.ts'
import { KeepAlive } from './keep-alive.ts'
import { type Limits, negotiateLimits } from './limits.ts'
import type { Phase } from './phase.ts'
import { InboundAliases, OutboundAliases } from './topic-aliases.ts'

interface Asked {
  readonly connect: ConnectPacket
  readonly at: Millis
}

/** Of all connections on which there was none. */
const NO_PINGS: readonly boolean[] = []

/**
 * Everything that lives as long as one network connection. Reconnecting is making a new one: nothing has
 * to be reset, and nothing of the old connection can leak into the new.
 */
export class Connection {
  readonly protocolVersion: ProtocolVersion
  readonly cleanStart: boolean
  /** Those of CONNECT. */
  readonly properties: ConnectProperties | undefined
  /** CONNECT, and when it was written, until it is answered: it may hold a password and a will. */
  #asked: Asked | undefined
  /** What errors call it. */
  readonly server: string
  readonly decoder: PacketDecoder<InboundMessage>
  phase: Exclude<Phase, 'offline'> = 'connecting'
  /** Set by CONNACK, as the next two are. */
  limits: Limits | undefined = undefined
  outboundAliases: OutboundAliases | undefined = undefined
  keepAlive: KeepAlive | undefined = undefined
  /** A re-authentication is under way. */
  reauthenticating: boolean = false
  /** PINGREQs without an answer, oldest first: whether the caller asked for it. */
  pings: readonly boolean[] = NO_PINGS
  #inboundAliases: InboundAliases | undefined = undefined

  constructor(
    connect: ConnectPacket,
    publishClass: PublishClass<InboundMessage>,
    allocate: Allocate | undefined,
    now: Millis,
    server: string,
  ) {
    this.server = server
    this.protocolVersion = connect.protocolVersion
    this.cleanStart = connect.cleanStart
    this.properties = connect.properties
    this.#asked = { connect, at: now }
    this.decoder = new PacketDecoder({
      protocolVersion: connect.protocolVersion,
      from: 'server',
      maximumPacketSize: connect.properties?.maximumPacketSize ?? LARGEST_PACKET,
      publishClass,
      allocate,
    })
  }

  /** How many QoS 1 and 2 messages the server may leave unacknowledged: a server of MQTT 3 is told of no limit, and has none. */
  get receiveMaximum(): number {
    return this.protocolVersion === 5 ? (this.properties?.receiveMaximum ?? 65_535) : 65_535
  }

  /** Aliases that the server gives. */
  get inboundAliases(): InboundAliases {
    this.#inboundAliases ??= new InboundAliases(this.properties?.topicAliasMaximum ?? 0)
    return this.#inboundAliases
  }

  get authenticationMethod(): string | undefined {
    return this.properties?.authenticationMethod
  }

  accept(connack: ConnackPacket, maxInflight: number, now: Millis): Limits {
    const { connect, at } = this.#asked as Asked
    this.#asked = undefined
    const limits = negotiateLimits(connect, connack, maxInflight)
    this.phase = 'online'
    this.limits = limits
    if (limits.topicAliasMaximum > 0) this.outboundAliases = new OutboundAliases(limits.topicAliasMaximum)
    this.keepAlive = new KeepAlive(limits.keepAlive, at, now)
    return limits
  }
}

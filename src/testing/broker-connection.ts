import { ByteWriter, LARGEST_PACKET } from '../codec/byte-writer.ts'
import { PacketDecoder } from '../codec/decoder.ts'
import { encodePacket } from '../codec/encode.ts'
import type {
  AckPacket,
  AuthPacket,
  ConnackProperties,
  ConnectPacket,
  DisconnectPacket,
  DisconnectProperties,
  Packet,
  ProtocolVersion,
  PublishProperties,
  SubscribePacket,
  UnsubscribePacket,
} from '../codec/packet.ts'
import type { PublishPacket } from '../codec/publish.ts'
import { ProtocolError } from '../errors.ts'
import { isSharedFilter } from '../topic/topic-filter.ts'
import { type BrokerMessage, BrokerSession, type Delivery } from './broker-session.ts'
import type { ModelBroker } from './model-broker.ts'

const NEVER = Number.POSITIVE_INFINITY
const NEVER_EXPIRES = 0xffff_ffff

/** An acknowledgement that is written later. */
interface Reply {
  readonly at: number
  readonly write: () => void
}

/** A breach of the protocol by the client. Ends the connection. */
class Breach extends Error {
  readonly reasonCode: number
  readonly statement: string

  constructor(reasonCode: number, statement: string, message: string) {
    super(message)
    this.reasonCode = reasonCode
    this.statement = statement
  }
}

/**
 * One network connection of the model broker: what dies with it (aliases, quotas, the order of acknowledgements) and
 * the server's side of each exchange. See `ModelBroker` for how it is driven.
 */
export class BrokerConnection {
  /** Packets received, as they were decoded; for whoever wants to look on. */
  onPacket: ((packet: Packet) => void) | undefined = undefined
  readonly #broker: ModelBroker
  readonly #decoder = new PacketDecoder({ from: 'client' })
  readonly #output = new ByteWriter('server')
  #phase: 'connect' | 'authenticating' | 'open' | 'closing' | 'closed' = 'connect'
  #connect: ConnectPacket | undefined
  #session: BrokerSession | undefined
  #clientId = ''
  /** Seconds. */
  #keepAlive = 0
  #receivedAt: number
  #now: number

  // From client to broker.
  /** QoS 1 and 2 PUBLISHes of this connection that are not finished; true = its final answer is owed to PUBREL. */
  readonly #receiving: Map<number, 'qos 1' | 'qos 2'> = new Map()
  readonly #inboundAliases: Map<number, string> = new Map()
  readonly #replies: Reply[] = []
  #authenticationStep = 0
  #reauthenticating = false

  // From broker to client.
  /** PUBLISHes of this connection that wait for PUBACK or PUBREC, in the order they were sent, by QoS. */
  readonly #unacknowledged: readonly [qos1: Delivery[], qos2: Delivery[]] = [[], []]
  /** Everything that counts against the client's Receive Maximum. */
  readonly #counted: Set<Delivery> = new Set()
  /** To be sent again, in order. */
  #resend: Delivery[] = []
  readonly #outboundAliases: Map<string, number> = new Map()

  constructor(broker: ModelBroker, now: number) {
    this.#broker = broker
    this.#receivedAt = now
    this.#now = now
  }

  /** CONNACK with success was sent, and nothing has ended the connection since. */
  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /** The broker is done with the connection: write what `take` gives, then close the transport. */
  get isClosing(): boolean {
    return this.#phase === 'closing' || this.#phase === 'closed'
  }

  /** Empty before CONNECT. */
  get clientId(): string {
    return this.#clientId
  }

  get version(): ProtocolVersion {
    return this.#connect?.protocolVersion ?? 5
  }

  /** What is to be written to the client. */
  take(): Uint8Array[] {
    return this.#output.isEmpty ? [] : this.#output.take()
  }

  nextDeadline(): number {
    const silence = this.#keepAlive === 0 ? NEVER : this.#receivedAt + this.#keepAlive * 1500
    return Math.min(this.#replies[0]?.at ?? NEVER, this.#phase === 'open' ? silence : NEVER)
  }

  expire(now: number): void {
    this.#now = now
    for (let reply = this.#replies[0]; reply !== undefined && reply.at <= now; reply = this.#replies[0]) {
      this.#replies.shift()
      reply.write()
    }
    if (this.#phase === 'open' && this.nextDeadline() <= now) this.disconnect(0x8d, now)
  }

  /** Bytes from the client. */
  receive(chunk: Uint8Array, now: number): void {
    if (this.isClosing) return
    this.#now = now
    this.#receivedAt = now
    try {
      this.#decoder.push(chunk)
      while (!this.isClosing) {
        const packet = this.#decoder.next()
        if (packet === undefined) return
        this.onPacket?.(packet)
        this.#onPacket(packet)
      }
      // [MQTT-3.14.4-1]
      if (this.#decoder.bufferedBytes > 0) this.#record('MQTT-3.14.4-1', 'bytes after DISCONNECT')
    } catch (error) {
      this.#onFault(error)
    }
  }

  /** The transport has ended: without DISCONNECT that is a loss, and the will is sent. [MQTT-3.1.2-8] */
  transportClosed(now: number): void {
    this.#now = now
    if (this.#phase === 'closed') return
    if (this.#phase === 'open') this.#leave(true)
    this.#phase = 'closed'
    this.#broker.connections.delete(this)
  }

  /** The process ends: no DISCONNECT, and no will. */
  abort(now: number): void {
    this.#now = now
    if (this.#phase === 'open') this.#leave(false)
    this.#output.take()
    this.#phase = 'closed'
    this.#broker.connections.delete(this)
  }

  /** Sends DISCONNECT (MQTT 5.0) and ends the connection. The will is sent. */
  disconnect(reasonCode: number, now: number, properties?: DisconnectProperties): void {
    this.#now = now
    if (this.isClosing) return
    if (this.version === 5 && this.#phase !== 'connect') {
      const packet: DisconnectPacket = { type: 'disconnect', reasonCode }
      this.#write(properties === undefined ? packet : { ...packet, properties })
    }
    this.#close(true)
  }

  // --------------------------------------------------------------------------------------------- towards the client

  /** Sends what may be sent now: first what is owed from before, then what waits. */
  pump(now: number): void {
    this.#now = now
    const session = this.#session
    if (this.#phase !== 'open' || session === undefined) return
    while (this.#counted.size < this.#window) {
      const delivery = this.#resend[0] ?? session.queue[0]
      if (delivery === undefined) return
      if (delivery === this.#resend[0]) this.#resend.shift()
      else {
        if (delivery.message.expiresAt <= now) {
          session.queue.shift()
          continue
        }
        delivery.packetId = session.takePacketId()
        if (delivery.packetId === 0) return
        session.queue.shift()
        session.inFlight.set(delivery.packetId, delivery)
      }
      if (!this.#writePublish(delivery)) {
        // Too large for this client: as if it had been delivered. [MQTT-3.1.2-25]
        session.inFlight.delete(delivery.packetId)
        continue
      }
      delivery.isSent = true
      this.#counted.add(delivery)
      this.#unacknowledged[delivery.qos === 1 ? 0 : 1].push(delivery)
    }
  }

  sendQoS0(delivery: Delivery, now: number): void {
    this.#now = now
    if (this.#phase === 'open') this.#writePublish(delivery)
  }

  get #window(): number {
    if (this.version < 5) return this.#broker.options.window ?? 20
    return this.#connect?.properties?.receiveMaximum ?? 65_535
  }

  #writePublish(delivery: Delivery): boolean {
    const { message } = delivery
    const five = this.version === 5
    let topic = message.topic
    const properties: { -readonly [Key in keyof PublishProperties]: PublishProperties[Key] } = {
      ...message.properties,
    }
    if (message.expiresAt !== NEVER) {
      // What is left of it. [MQTT-3.3.2-6]
      properties.messageExpiryInterval = Math.max(0, Math.ceil((message.expiresAt - this.#now) / 1000))
    }
    if (delivery.subscriptionIdentifiers.length > 0) {
      properties.subscriptionIdentifiers = delivery.subscriptionIdentifiers
    }
    const alias = five ? this.#aliasFor(topic) : undefined
    if (alias !== undefined) {
      properties.topicAlias = alias.value
      if (alias.isKnown) topic = ''
    }
    const written = this.#write({
      type: 'publish',
      topic,
      payload: message.payload,
      qos: delivery.qos,
      retain: delivery.retain,
      dup: delivery.isSent,
      packetId: delivery.packetId,
      properties: five ? properties : undefined,
    })
    if (written > 0 && alias?.isKnown === false) {
      if (alias.instead !== undefined) this.#outboundAliases.delete(alias.instead)
      this.#outboundAliases.set(message.topic, alias.value)
    }
    return written > 0
  }

  /** Aliases are given in turn, each new topic taking that of the oldest, if it is written. [MQTT-3.1.2-26] */
  #aliasFor(
    topic: string,
  ): { readonly value: number; readonly isKnown: boolean; readonly instead?: string } | undefined {
    const maximum = this.#connect?.properties?.topicAliasMaximum ?? 0
    if (maximum === 0 || this.#broker.options.useTopicAlias?.() === false) return undefined
    const known = this.#outboundAliases.get(topic)
    if (known !== undefined) return { value: known, isKnown: true }
    if (this.#outboundAliases.size < maximum) return { value: this.#outboundAliases.size + 1, isKnown: false }
    const [oldest, value] = this.#outboundAliases.entries().next().value as [string, number]
    return { value, isKnown: false, instead: oldest }
  }

  #write(packet: Packet): number {
    return encodePacket(this.#output, this.version, packet)
  }

  /** Writes an acknowledgement now, or after the delay that the options ask for; never before an earlier one. */
  #reply(write: () => void): void {
    const delay = this.#broker.options.replyDelayMs?.() ?? 0
    const last = this.#replies.at(-1)
    if (delay <= 0 && last === undefined) write()
    else this.#replies.push({ at: Math.max(last?.at ?? 0, this.#now + Math.max(delay, 0)), write })
  }

  // --------------------------------------------------------------------------------------------- from the client

  #onPacket(packet: Packet | PublishPacket): void {
    if (this.#phase === 'connect') {
      if (packet.type !== 'connect') throw new Breach(0x82, 'MQTT-3.1.0-1', `${packet.type} before CONNECT`)
      this.#onConnect(packet)
      return
    }
    if (this.#phase === 'authenticating' && packet.type !== 'auth' && packet.type !== 'disconnect') {
      throw new Breach(0x82, 'MQTT-3.1.2-30', `${packet.type} before the authentication is complete`)
    }
    switch (packet.type) {
      case 'connect':
        throw new Breach(0x82, 'MQTT-3.1.0-2', 'a second CONNECT')
      case 'publish':
        this.#onPublish(packet as PublishPacket)
        return
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.#onAck(packet)
        return
      case 'pubrel':
        this.#onPubrel(packet)
        return
      case 'subscribe':
        this.#onSubscribe(packet)
        return
      case 'unsubscribe':
        this.#onUnsubscribe(packet)
        return
      case 'pingreq':
        this.#write({ type: 'pingresp' })
        return
      case 'disconnect':
        this.#onDisconnect(packet)
        return
      case 'auth':
        this.#onAuth(packet)
        return
      default:
        throw new Breach(0x82, 'MQTT 5.0 §4.13.1', `a client must not send ${packet.type}`)
    }
  }

  #onConnect(packet: ConnectPacket): void {
    this.#connect = packet
    const { options } = this.#broker
    const version = packet.protocolVersion
    if (options.versions !== undefined && !options.versions.includes(version)) {
      // A server of MQTT 3.1.1 answers in its own form. [MQTT-3.1.2-1]
      const form = options.versions.includes(version)
        ? version
        : (Math.max(...options.versions) as ProtocolVersion)
      encodePacket(this.#output, form, { type: 'connack', sessionPresent: false, reasonCode: 0x84 })
      this.#phase = 'closing'
      return
    }
    const { maximumPacketSize, authenticationMethod } = packet.properties ?? {}
    this.#output.maximumPacketSize = maximumPacketSize ?? LARGEST_PACKET
    this.#decoder.maximumPacketSize = options.maximumPacketSize ?? LARGEST_PACKET
    const refusal = this.#refusalOf(packet)
    if (refusal !== 0) {
      this.#refuse(refusal)
      return
    }
    this.#clientId = packet.clientId === '' ? this.#broker.assignClientId() : packet.clientId
    if (authenticationMethod === undefined) this.#accept(undefined)
    else this.#authenticate(packet.properties?.authenticationData)
  }

  #refusalOf(packet: ConnectPacket): number {
    const { options } = this.#broker
    const { clientId, protocolVersion, cleanStart, will } = packet
    if (clientId === '' && protocolVersion === 4 && !cleanStart) return 0x85 // [MQTT-3.1.3-8]
    if (protocolVersion === 3 && (clientId.length === 0 || clientId.length > 23)) return 0x85
    if (will !== undefined && will.qos > (options.maximumQoS ?? 2)) return 0x9b
    if (will?.retain === true && options.retainAvailable === false) return 0x9a
    const method = packet.properties?.authenticationMethod
    if (method !== undefined && method !== options.authenticationMethod) return 0x8c
    return options.authenticate?.(packet) ?? 0
  }

  #refuse(reasonCode: number): void {
    const extra = this.#broker.options.connackProperties?.(this.#connect as ConnectPacket, reasonCode)
    const properties = this.version === 5 && extra !== undefined ? { properties: extra } : {}
    this.#write({ type: 'connack', sessionPresent: false, reasonCode, ...properties })
    this.#phase = 'closing'
  }

  #accept(authenticationData: Uint8Array | undefined): void {
    const broker = this.#broker
    const connect = this.#connect as ConnectPacket
    // [MQTT-3.1.4-3]
    broker.connectionOf(this.#clientId)?.disconnect(0x8e, this.#now)
    const present = this.#openSession(connect)
    this.#phase = 'open'
    const session = this.#session as BrokerSession
    this.#keepAlive = (this.version === 5 ? broker.options.serverKeepAlive : undefined) ?? connect.keepAlive
    this.#write({
      type: 'connack',
      sessionPresent: present,
      reasonCode: 0,
      ...(this.version === 5 ? { properties: this.#grants(connect, session, authenticationData) } : {}),
    })
    for (const delivery of session.released) {
      // They count to PUBCOMP, and so do not come on top of what the client can take.
      this.#counted.add(delivery)
      this.#write({ type: 'pubrel', packetId: delivery.packetId, reasonCode: 0 })
    }
    this.#resend = [...session.inFlight.values()].filter((delivery) => !delivery.isReleased)
    this.pump(this.#now)
  }

  /** Takes up the session or makes a new one; true when there was one. [MQTT-3.1.2-4] [MQTT-3.1.2-5] */
  #openSession(connect: ConnectPacket): boolean {
    const broker = this.#broker
    let session = broker.sessions.get(this.#clientId)
    if (session !== undefined && (connect.cleanStart || session.version !== connect.protocolVersion)) {
      broker.endSession(session, this.#now)
      session = undefined
    }
    const present = session !== undefined
    session ??= new BrokerSession(this.#clientId, connect.protocolVersion)
    broker.sessions.set(this.#clientId, session)
    this.#session = session
    const asked =
      connect.protocolVersion === 5
        ? (connect.properties?.sessionExpiryInterval ?? 0)
        : connect.cleanStart
          ? 0
          : NEVER_EXPIRES
    session.expiryInterval = Math.min(asked, broker.options.maximumSessionExpiry ?? NEVER_EXPIRES)
    session.endsAt = NEVER
    session.willAt = NEVER
    session.will = connect.will
    return present
  }

  #grants(
    connect: ConnectPacket,
    session: BrokerSession,
    authenticationData: Uint8Array | undefined,
  ): ConnackProperties {
    const { options } = this.#broker
    const asked = connect.properties?.sessionExpiryInterval ?? 0
    const { maximumQoS, receiveMaximum, maximumPacketSize, topicAliasMaximum, serverKeepAlive } = options
    const method = connect.properties?.authenticationMethod
    return {
      ...(session.expiryInterval === asked ? {} : { sessionExpiryInterval: session.expiryInterval }),
      ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
      ...(maximumQoS === undefined || maximumQoS === 2 ? {} : { maximumQoS }),
      ...(options.retainAvailable === false ? { retainAvailable: false } : {}),
      ...(maximumPacketSize === undefined ? {} : { maximumPacketSize }),
      ...(connect.clientId === '' ? { assignedClientIdentifier: this.#clientId } : {}),
      ...(topicAliasMaximum === undefined ? {} : { topicAliasMaximum }),
      ...(options.wildcardSubscriptionAvailable === false ? { wildcardSubscriptionAvailable: false } : {}),
      ...(options.subscriptionIdentifiersAvailable === false
        ? { subscriptionIdentifiersAvailable: false }
        : {}),
      ...(options.sharedSubscriptionAvailable === false ? { sharedSubscriptionAvailable: false } : {}),
      ...(serverKeepAlive === undefined ? {} : { serverKeepAlive }),
      ...(method === undefined ? {} : { authenticationMethod: method }),
      ...(authenticationData === undefined ? {} : { authenticationData }),
      ...options.connackProperties?.(connect, 0),
    }
  }

  // MQTT 5.0 §4.12
  #authenticate(data: Uint8Array | undefined): void {
    const step = this.#broker.options.authenticationStep?.(this.#authenticationStep++, data) ?? {
      reasonCode: 0,
    }
    const authenticationMethod = this.#connect?.properties?.authenticationMethod as string
    const properties = {
      authenticationMethod,
      ...(step.data === undefined ? {} : { authenticationData: step.data }),
    }
    if (step.reasonCode === 0x18) {
      if (!this.#reauthenticating) this.#phase = 'authenticating'
      this.#write({ type: 'auth', reasonCode: 0x18, properties })
    } else if (step.reasonCode >= 0x80) {
      if (this.#reauthenticating) this.disconnect(step.reasonCode, this.#now)
      else this.#refuse(step.reasonCode)
    } else if (this.#reauthenticating) {
      this.#reauthenticating = false
      this.#write({ type: 'auth', reasonCode: 0, properties })
    } else this.#accept(step.data)
  }

  #onAuth(packet: AuthPacket): void {
    const method = this.#connect?.properties?.authenticationMethod
    if (method === undefined || packet.properties?.authenticationMethod !== method) {
      throw new Breach(0x82, 'MQTT-4.12.0-5', 'AUTH with a method that CONNECT did not name')
    }
    const isOpen = this.#phase === 'open'
    if (packet.reasonCode === 0x19) {
      if (!isOpen || this.#reauthenticating) throw new Breach(0x82, 'MQTT-4.12.1-1', 'AUTH 0x19 out of place')
      this.#reauthenticating = true
      this.#authenticationStep = 0
    } else if (packet.reasonCode !== 0x18 || (isOpen && !this.#reauthenticating)) {
      throw new Breach(0x82, 'MQTT-4.12.0-3', `AUTH 0x${packet.reasonCode.toString(16)} out of place`)
    }
    this.#authenticate(packet.properties.authenticationData)
  }

  #onPublish(packet: PublishPacket): void {
    const { options } = this.#broker
    const { packetId, qos } = packet
    const topic = this.#topicOf(packet)
    if (qos > (options.maximumQoS ?? 2))
      throw new Breach(0x9b, 'MQTT-3.2.2-11', `QoS ${qos} above Maximum QoS`)
    if (packet.retain && options.retainAvailable === false) {
      throw new Breach(0x9a, 'MQTT-3.2.2-14', 'a retained message although Retain Available is 0')
    }
    const message = this.#messageOf(packet, topic)
    const name = `PUBLISH ${packetId}`
    if (qos > 0) {
      if (this.#receiving.has(packetId)) {
        throw new Breach(0x82, 'MQTT-2.2.1-3', `${name}: its identifier is in use on this connection`)
      }
      if (this.version === 5 && this.#receiving.size >= (options.receiveMaximum ?? 65_535)) {
        throw new Breach(
          0x93,
          'MQTT-3.3.4-7',
          `${name} exceeds our Receive Maximum of ${options.receiveMaximum}`,
        )
      }
    }
    if (qos === 0) this.#take(message)
    else if (qos === 1) this.#onQoS1(packetId, message)
    else this.#onQoS2(packet, message)
  }

  #onQoS1(packetId: number, message: BrokerMessage): void {
    if (this.#session?.received.has(packetId) === true) {
      throw new Breach(
        0x82,
        'MQTT-2.2.1-3',
        `PUBLISH ${packetId}: QoS 1 with the identifier of an open QoS 2 message`,
      )
    }
    const reasonCode = this.#authorize(message)
    if (reasonCode < 0x80) this.#take(message)
    this.#receiving.set(packetId, 'qos 1')
    this.#reply(() => {
      this.#receiving.delete(packetId)
      this.#write({ type: 'puback', packetId, reasonCode })
    })
  }

  #onQoS2(packet: PublishPacket, message: BrokerMessage): void {
    const { packetId } = packet
    const session = this.#session as BrokerSession
    const known = session.received.get(packetId)
    let reasonCode = 0
    if (known === undefined) {
      reasonCode = this.#authorize(message)
      if (reasonCode < 0x80) {
        // Taken at once and its identifier kept: method A of MQTT 5.0 §4.3.3, figure 4-3.
        session.received.set(packetId, message)
        this.#take(message)
      }
    } else if (!packet.dup) {
      throw new Breach(
        0x82,
        'MQTT-3.3.1-1',
        `PUBLISH ${packetId}: sent again without DUP, or its identifier reused`,
      )
    } else if (!isSame(known, message)) {
      throw new Breach(
        0x82,
        'MQTT-2.2.1-3',
        `PUBLISH ${packetId}: another message under the identifier of an open one`,
      )
    }
    this.#receiving.set(packetId, 'qos 2')
    this.#reply(() => {
      if (reasonCode >= 0x80) this.#receiving.delete(packetId)
      this.#write({ type: 'pubrec', packetId, reasonCode })
    })
  }

  #onPubrel({ packetId }: AckPacket): void {
    const session = this.#session as BrokerSession
    if (this.#receiving.get(packetId) === 'qos 1') {
      throw new Breach(0x82, 'MQTT-4.3.3-2', `PUBREL ${packetId} for a QoS 1 message`)
    }
    const known = session.received.delete(packetId)
    this.#reply(() => {
      this.#receiving.delete(packetId)
      this.#write({ type: 'pubcomp', packetId, reasonCode: known || this.version < 5 ? 0 : 0x92 })
    })
  }

  /** Reason code for a message; 3.x has no way to refuse one. */
  #authorize(message: BrokerMessage): number {
    return this.version === 5 ? (this.#broker.options.authorizePublish?.(message) ?? 0) : 0
  }

  #take(message: BrokerMessage): void {
    this.#broker.options.onAccepted?.(message)
    this.#broker.route(message, this.#now)
  }

  #topicOf(packet: PublishPacket): string {
    const alias = packet.topicAlias
    if (alias === 0) return packet.topic
    if (alias > (this.#broker.options.topicAliasMaximum ?? 0)) {
      throw new Breach(0x94, 'MQTT-3.3.2-9', `Topic Alias ${alias} above our maximum`)
    }
    if (packet.topic !== '') this.#inboundAliases.set(alias, packet.topic)
    const topic = this.#inboundAliases.get(alias)
    if (topic === undefined) throw new Breach(0x82, 'MQTT-3.3.2-7', `Topic Alias ${alias} has no topic`)
    return topic
  }

  #messageOf(packet: PublishPacket, topic: string): BrokerMessage {
    const { topicAlias: _alias, subscriptionIdentifiers: _ids, ...properties } = packet.properties
    const expiry = properties.messageExpiryInterval
    return {
      topic,
      payload: packet.payload.slice(),
      qos: packet.qos,
      retain: packet.retain,
      properties,
      expiresAt: expiry === undefined ? NEVER : this.#now + expiry * 1000,
      from: this.#clientId,
    }
  }

  #onAck({ type, packetId, reasonCode }: AckPacket): void {
    const session = this.#session as BrokerSession
    const name = `${type.toUpperCase()} ${packetId}`
    const delivery = session.inFlight.get(packetId)
    if (type === 'pubcomp') {
      if (delivery === undefined || !delivery.isReleased) {
        throw new Breach(0x82, 'MQTT-4.3.3-11', `${name} although no PUBREL waits for it`)
      }
      this.#finish(session, delivery)
      return
    }
    const [qos1, qos2] = this.#unacknowledged
    const expected = type === 'puback' ? qos1 : qos2
    if (delivery === undefined || !expected.includes(delivery)) {
      throw new Breach(0x82, type === 'puback' ? 'MQTT-4.3.2-4' : 'MQTT-4.3.3-8', `${name} answers nothing`)
    }
    if (expected[0] !== delivery) {
      const statement = type === 'puback' ? 'MQTT-4.6.0-2' : 'MQTT-4.6.0-3'
      throw new Breach(
        0x82,
        statement,
        `${name} before that of ${expected[0]?.packetId}, which was sent earlier`,
      )
    }
    expected.shift()
    if (type === 'puback' || reasonCode >= 0x80) {
      this.#finish(session, delivery)
      return
    }
    delivery.isReleased = true
    session.released.add(delivery)
    this.#write({ type: 'pubrel', packetId, reasonCode: 0 })
  }

  #finish(session: BrokerSession, delivery: Delivery): void {
    session.inFlight.delete(delivery.packetId)
    session.released.delete(delivery)
    this.#counted.delete(delivery)
    this.pump(this.#now)
  }

  #onSubscribe(packet: SubscribePacket): void {
    const session = this.#session as BrokerSession
    const { options } = this.#broker
    const { packetId, properties } = packet
    const subscriptionIdentifier = properties?.subscriptionIdentifier ?? 0
    if (this.#receiving.has(packetId)) {
      throw new Breach(0x82, 'MQTT-2.2.1-3', `SUBSCRIBE ${packetId}: its identifier is in use`)
    }
    if (subscriptionIdentifier > 0 && options.subscriptionIdentifiersAvailable === false) {
      throw new Breach(
        0xa1,
        'MQTT 5.0 §3.2.2.3.12',
        'Subscription Identifier although they are not available',
      )
    }
    const fresh: { readonly filter: string; readonly isNew: boolean; readonly retainHandling: number }[] = []
    const reasonCodes = packet.filters.map((request) => {
      const { filter } = request
      this.#checkFilter(filter)
      const allowed = options.authorizeSubscribe?.(filter, request.qos) ?? 2
      if (allowed >= 0x80) return this.version === 5 ? allowed : 0x80
      const qos = Math.min(request.qos, allowed, options.maximumQoS ?? 2) as 0 | 1 | 2
      const { retainHandling = 0 } = request
      fresh.push({ filter, isNew: !session.subscriptions.has(filter), retainHandling })
      session.subscriptions.set(filter, {
        filter,
        qos,
        noLocal: request.noLocal ?? false,
        retainAsPublished: request.retainAsPublished ?? false,
        subscriptionIdentifier,
      })
      return qos
    })
    this.#reply(() => this.#write({ type: 'suback', packetId, reasonCodes }))
    for (const { filter, isNew, retainHandling } of fresh) {
      const subscription = session.subscriptions.get(filter)
      if (subscription === undefined || isSharedFilter(filter)) continue
      if (retainHandling === 0 || (retainHandling === 1 && isNew)) {
        this.#broker.sendRetained(session, subscription, this.#now)
      }
    }
  }

  #checkFilter(filter: string): void {
    const { options } = this.#broker
    if (options.sharedSubscriptionAvailable === false && isSharedFilter(filter)) {
      throw new Breach(0x9e, 'MQTT 5.0 §3.2.2.3.13', `${filter}: shared subscriptions are not available`)
    }
    if (options.wildcardSubscriptionAvailable === false && /[+#]/.test(filter)) {
      throw new Breach(0xa2, 'MQTT 5.0 §3.2.2.3.11', `${filter}: wildcards are not available`)
    }
  }

  #onUnsubscribe({ packetId, filters }: UnsubscribePacket): void {
    const session = this.#session as BrokerSession
    if (this.#receiving.has(packetId)) {
      throw new Breach(0x82, 'MQTT-2.2.1-3', `UNSUBSCRIBE ${packetId}: its identifier is in use`)
    }
    const codes = filters.map((filter) => (session.subscriptions.delete(filter) ? 0 : 0x11))
    this.#reply(() =>
      this.#write({ type: 'unsuback', packetId, reasonCodes: this.version === 5 ? codes : [] }),
    )
  }

  #onDisconnect({ reasonCode, properties }: DisconnectPacket): void {
    const session = this.#session
    const expiry = properties?.sessionExpiryInterval
    if (session !== undefined && expiry !== undefined) {
      if (expiry > 0 && (this.#connect?.properties?.sessionExpiryInterval ?? 0) === 0) {
        throw new Breach(0x82, 'MQTT 5.0 §3.14.2.2.2', 'Session Expiry Interval raised from 0 by DISCONNECT')
      }
      session.expiryInterval = expiry
    }
    this.#close(reasonCode === 0x04)
  }

  // --------------------------------------------------------------------------------------------- the end

  #onFault(error: unknown): void {
    if (error instanceof Breach) {
      this.#record(error.statement, error.message)
      this.disconnect(error.reasonCode, this.#now)
    } else if (error instanceof ProtocolError) {
      this.#record(error.statement ?? 'MQTT 5.0 §4.13', error.message)
      this.disconnect(error.reasonCode ?? 0x81, this.#now)
    } else throw error
  }

  #record(statement: string, message: string): void {
    this.#broker.violation({ clientId: this.#clientId, statement, message })
  }

  /** The broker ends the connection; what has been written still leaves. */
  #close(withWill: boolean): void {
    if (this.#phase === 'open') this.#leave(withWill)
    this.#phase = 'closing'
  }

  /** The session goes on without a connection, or ends. */
  #leave(withWill: boolean): void {
    const session = this.#session as BrokerSession
    // `disconnect` in the calls below must find the connection left already.
    this.#phase = 'closing'
    this.#session = undefined
    this.#replies.length = 0
    if (!withWill) session.will = undefined
    const delay = session.will?.properties?.willDelayInterval ?? 0
    const lifetime = session.expiryInterval
    session.endsAt = lifetime === NEVER_EXPIRES ? NEVER : this.#now + lifetime * 1000
    if (lifetime === 0) this.#broker.endSession(session, this.#now)
    else if (session.will !== undefined) {
      if (delay === 0) this.#broker.publishWill(session, this.#now)
      else session.willAt = this.#now + delay * 1000
    }
  }
}

function isSame(left: BrokerMessage, right: BrokerMessage): boolean {
  return (
    left.topic === right.topic &&
    left.payload.length === right.payload.length &&
    left.payload.every((byte, at) => byte === right.payload[at])
  )
}

import { encodeAuth } from '../codec/auth.ts'
import { type ByteWriter, LARGEST_PACKET } from '../codec/byte-writer.ts'
import type { Allocate } from '../codec/bytes.ts'
import { encodeConnect } from '../codec/connect.ts'
import type { DecodedPacket } from '../codec/decoder.ts'
import { encodeDisconnect } from '../codec/disconnect.ts'
import type {
  AckPacket,
  AckProperties,
  AuthPacket,
  ConnackPacket,
  ConnectPacket,
  DisconnectPacket,
  QoS,
} from '../codec/packet.ts'
import { encodePingreq } from '../codec/ping.ts'
import type { PublishClass } from '../codec/publish.ts'
import { type MqttError, OptionsError, ProtocolError } from '../errors.ts'
import type {
  ConnectRequest,
  DisconnectRequest,
  Millis,
  SubscribeCommand,
  UnsubscribeCommand,
} from './command.ts'
import { Connection } from './connection.ts'
import {
  checkAuth,
  checkConnack,
  checkProblemInformation,
  checkSessionExpiry,
  withoutSecrets,
} from './handshake.ts'
import { Arrival, InboundFlow, Release } from './inbound-flow.ts'
import { AckState, type InboundMessage } from './inbound-message.ts'
import type { Journal, RestoredSession } from './journal.ts'
import type { Limits } from './limits.ts'
import type { OutboundMessage } from './outbound-message.ts'
import { PacketIds } from './packet-ids.ts'
import type { Phase } from './phase.ts'
import { PublishFlow, type PublishPolicy } from './publish-flow.ts'
import { connectionRefused, disconnectedByServer, keepAliveTimedOut, transportLost } from './refusals.ts'
import type { RequestPart } from './requests.ts'
import type { PacketTrace, SessionSink } from './sink.ts'
import { SubscriptionFlow } from './subscription-flow.ts'
import { violation } from './violation.ts'
import { Wire } from './wire.ts'

export interface SessionConfig extends PublishPolicy {
  /**
   * QoS 1 and 2 publications in flight at most, below the server's Receive Maximum.
   * @default 65535 on MQTT 5.0, whose server says what it takes; 20 on 3.x, where Mosquitto acknowledges what exceeds
   * its own limit of 20 and delivers none of it
   */
  readonly maxInflight?: number | undefined
  /** Subscribe again to what is wanted when the server has no session. */
  readonly resubscribe: boolean
  /**
   * Send Clean Start as each request has it, also where the server may still hold a session to come back to.
   * @default false
   */
  readonly exactCleanStart?: boolean | undefined
  /**
   * When QoS 2 is delivered. With `InboundFlow` when PUBLISH comes, and PUBREC is held back until the application has
   * finished: the server still has the message, should the process die. With `ReleaseFlow` PUBREC leaves at once, the
   * application gets the message when PUBREL comes, and PUBCOMP is held back: a message is recorded whole before its PUBREC leaves,
   * and lost with the process without a journal. The compat layer's: no entry exports the classes.
   * @default InboundFlow
   */
  readonly inboundClass?: (new () => InboundFlow) | undefined
  /** The class of received messages: InboundMessage or one derived from it, with the same constructor. */
  readonly publishClass: PublishClass<InboundMessage>
  /** Gives memory for a received packet that came in pieces. @default `new Uint8Array` */
  readonly allocate?: Allocate | undefined
}

const MAX_INFLIGHT_3 = 20
const MAX_INFLIGHT_5 = 65_535
const NEVER: Millis = Number.POSITIVE_INFINITY

/**
 * The MQTT session of a client: every rule of MQTT 3.1, 3.1.1 and 5.0 that binds one, without I/O, clock or promise.
 *
 * Inputs are method calls; facts come out as calls of the sink, bytes wait in `output`, and time is one number,
 * `nextDeadline()`. Whoever drives it does, after each input: take and send `output` (then tell `flushed`), close
 * the transport if `onDisconnected` was called, arm a timer for `nextDeadline()` (then call `expire`), and only
 * then run user code.
 *
 * An instance outlives its connections: what MQTT calls Session State [MQTT 5.0 §4.1] is here, what dies with the network is in
 * `Connection`. It speaks MQTT 5 inside; 3.1.1 and 3.1 are dialects of the codec.
 */
export class Session {
  readonly #config: SessionConfig
  readonly #sink: SessionSink
  readonly #journal: Journal | undefined
  readonly #wire = new Wire()
  readonly #ids = new PacketIds<OutboundMessage | RequestPart>()
  // Most clients use one or two of these three ways of MQTT; thousands of them may be in one process.
  /** Made when something of QoS 1 or 2 is received. */
  #received: InboundFlow | undefined = undefined
  /** Made when something is subscribed to. */
  #requests: SubscriptionFlow | undefined = undefined
  readonly #publications: PublishFlow
  #connection: Connection | undefined = undefined
  /** A CONNACK with success has been received (by this session or the one that was restored). */
  #established = false
  /** The server may still have our session when we come back. */
  #mayResume = false
  #clientId = ''
  /** MQTT 5: an acknowledgement may say no. */
  #mayRefuse = false
  #now: Millis = 0
  #gap = false

  constructor(config: SessionConfig, sink: SessionSink, journal?: Journal) {
    this.#config = config
    this.#sink = sink
    this.#journal = journal
    this.#publications = new PublishFlow(config, this.#wire, this.#ids, sink, journal)
  }

  /** What has been written and is to be sent. */
  get output(): ByteWriter {
    return this.#wire.output
  }

  /** Sees every packet while it is set. */
  set trace(trace: PacketTrace | undefined) {
    this.#wire.trace = trace
  }

  get phase(): Phase {
    return this.#connection?.phase ?? 'offline'
  }

  /** What the server granted; undefined while not online. */
  get limits(): Limits | undefined {
    return this.#connection?.limits
  }

  /** The identifier in use, the server's Assigned Client Identifier included. Empty before the first CONNECT. */
  get clientId(): string {
    return this.#clientId
  }

  /** Whether the server may still hold this session, so that coming back to it makes sense. */
  get mayResume(): boolean {
    return this.#mayResume
  }

  /** Publications that have not been sent yet. */
  get queuedMessages(): number {
    return this.#publications.queuedMessages
  }

  /** Payload bytes of `queuedMessages`. */
  get queuedBytes(): number {
    return this.#publications.queuedBytes
  }

  /** Sequence number of the latest publication; 0 = there was none. */
  get lastSequence(): number {
    return this.#publications.lastSequence
  }

  /** The lowest sequence number that is not settled; Infinity when all are. */
  get oldestUnsettled(): number {
    return this.#publications.oldestUnsettled
  }

  /** QoS 1 and 2 exchanges that count against the server's Receive Maximum. */
  get inFlight(): number {
    return this.#publications.inFlight
  }

  /** Received QoS 1 and 2 messages that count against our own Receive Maximum. */
  get unacknowledged(): number {
    return this.#received?.counted ?? 0
  }

  /** Publications, SUBSCRIBEs or UNSUBSCRIBEs that are not settled. */
  get hasUnfinishedWork(): boolean {
    return !this.#publications.isEmpty || this.#requests?.isIdle === false
  }

  /** The oldest publication that waits to be sent, of the given QoS class; for queue limits that drop the oldest. */
  oldestQueued(): OutboundMessage | undefined {
    return this.#publications.oldestQueued()
  }

  // ------------------------------------------------------------------------------------------------ connecting

  /**
   * Begins a connection: writes CONNECT. Clean Start is set only where asked for and no session is to be resumed;
   * an empty Client Identifier becomes the assigned one.
   *
   * @param server - what errors call it
   */
  connect(request: ConnectRequest, now: Millis, server: string = 'the server'): void {
    if (this.#connection !== undefined) throw new Error('connect() while a connection exists')
    this.#now = now
    this.#wire.discard()
    const packet: ConnectPacket = {
      ...request,
      clientId: request.clientId === '' && this.#mayResume ? this.#clientId : request.clientId,
      cleanStart: request.cleanStart && (!this.#mayResume || this.#config.exactCleanStart === true),
    }
    // The server's limits are those of its CONNACK. Before it, only MQTT's own holds.
    this.#wire.output.maximumPacketSize = LARGEST_PACKET
    const { publishClass, allocate } = this.#config
    const connection = new Connection(packet, publishClass, allocate, now, server)
    this.#mayRefuse = packet.protocolVersion === 5
    encodeConnect(this.#wire.output, packet.protocolVersion, packet)
    this.#connection = connection
    this.#clientId = packet.clientId
    if (this.#wire.trace !== undefined) this.#wire.sent(withoutSecrets(packet))
  }

  /** The application's answer to `onAuthenticate`: AUTH 0x18 with the next data. [MQTT-4.12.0-3] */
  authenticate(data: Uint8Array | undefined): void {
    this.#writeAuth(0x18, data)
  }

  /** Starts a re-authentication: AUTH 0x19. [MQTT-4.12.1-1] */
  reauthenticate(data: Uint8Array | undefined): void {
    const connection = this.#connection
    if (connection?.phase !== 'online' || connection.authenticationMethod === undefined) {
      // [MQTT-4.12.0-7]
      throw new OptionsError(
        'Cannot re-authenticate: the connection was not made with an authentication method',
        {
          path: 'authenticator',
          expected: 'a connected MQTT 5 client with an authenticator',
        },
      )
    }
    connection.reauthenticating = true
    this.#writeAuth(0x19, data)
  }

  /**
   * Ends the connection with DISCONNECT; nothing is written after it. [MQTT-3.14.4-1]
   * @throws OptionsError when it would raise a Session Expiry Interval that was 0 in CONNECT. [MQTT 5.0 §3.14.2.2.2]
   */
  disconnect(request: DisconnectRequest): void {
    const connection = this.#connection
    if (connection === undefined) return
    const five = connection.protocolVersion === 5
    const expiry = five ? request.properties?.sessionExpiryInterval : undefined
    checkSessionExpiry(expiry, connection.properties)
    this.#writeDisconnect(connection, { type: 'disconnect', ...request })
    if (expiry !== undefined) this.#mayResume = expiry > 0
    this.#goOffline(expiry)
    this.#sink.onDisconnected(undefined, undefined)
  }

  /** The transport is gone. Does nothing when the session has ended the connection itself. */
  transportClosed(cause: Error | undefined, now: Millis): void {
    const connection = this.#connection
    if (connection === undefined) return
    this.#now = now
    this.#goOffline(undefined)
    this.#sink.onDisconnected(transportLost(connection, cause), undefined)
  }

  /** The client has ended: everything that is pending gets this error. What a store holds stays there. */
  fail(error: MqttError): void {
    this.#requests?.fail(error)
    this.#publications.fail(error)
  }

  /** Takes up the session of an earlier process. Before the first `connect`. */
  restore(state: RestoredSession, now: Millis): void {
    this.#now = now
    const { session } = state
    if (session !== undefined) {
      this.#established = true
      this.#clientId = session.clientId
      // A process that died while connected has not left word of when: the server knows.
      this.#mayResume =
        session.sessionExpiryInterval === 0xffff_ffff ||
        (session.connected
          ? session.sessionExpiryInterval > 0
          : now < session.at + session.sessionExpiryInterval * 1000)
    }
    this.#publications.restore(state)
    this.#received = state.inbound?.(this.#config.publishClass)
    this.#inbound.restore(state.received)
  }

  // ------------------------------------------------------------------------------------------------ publishing

  /** Publications that the journal's backlog has fetched: the next ones in order. */
  recall(messages: readonly OutboundMessage[], now: Millis): void {
    this.#now = now
    this.#publications.recall(messages, now)
  }

  /** Publications of the backlog that have expired there. */
  expireRecalled(messages: readonly OutboundMessage[]): void {
    this.#publications.expireRecalled(messages)
  }

  /** A publication of the backlog, of so many payload bytes, could not be read. */
  forgetSpilled(bytes: number): void {
    this.#publications.forgetSpilled(bytes)
  }

  /**
   * Takes a publication in: writes it at once when it may be sent now, else keeps it until it may.
   * The arguments were checked before (`checkPublish`), unless it `writesAtOnce`: then the encoder refuses what MQTT forbids,
   * and it is as if nothing had been published. The server's limits are checked here, when it is sent.
   * QoS 0 written at once is settled on return, with no call of the sink.
   */
  publish(message: OutboundMessage, now: Millis = this.#now): void {
    this.#now = now
    this.#publications.publish(message, now)
  }

  /** A publication would be encoded before `publish` returns. */
  writesAtOnce(qos: QoS): boolean {
    return this.#publications.writesAtOnce(qos)
  }

  /** Takes a publication back that was never on the wire. False when it was, or is settled. The caller settles it. */
  cancel(message: OutboundMessage): boolean {
    return this.#publications.cancel(message)
  }

  /**
   * The transport buffers more than it should (true), or has drained (false). Publications wait meanwhile;
   * acknowledgements, pings and requests do not.
   */
  setCongested(congested: boolean, now: Millis): void {
    this.#now = now
    this.#publications.setCongested(congested, now)
  }

  /** The output was handed to the transport at `now`. */
  flushed(now: Millis): void {
    this.#now = now
    this.#connection?.keepAlive?.sent(now)
    this.#publications.pump(now)
  }

  // ------------------------------------------------------------------------------------------------ subscribing

  /** Makes the filters wanted and asks for them: now, or after the next CONNACK. */
  subscribe(command: SubscribeCommand): void {
    this.#subscriptions.subscribe(command)
    this.#pumpRequests()
  }

  /**
   * Makes the filters unwanted. Offline the command is settled at once (0x11, No subscription existed) and the
   * server is told after the next CONNACK if it still has the session.
   */
  unsubscribe(command: UnsubscribeCommand): void {
    this.#subscriptions.unsubscribe(command, this.phase === 'online', this.#mayResume)
    this.#pumpRequests()
  }

  // ------------------------------------------------------------------------------------------------ receiving

  /**
   * The application has finished with a message: acknowledges it, in the order of arrival. [MQTT-4.6.0-2]
   * Harmless when nothing is owed: QoS 0, acknowledged before, or lost with its session.
   * @param reasonCode - 0, or 0x80 and up to refuse it (MQTT 5; 3.x knows no refusal and gets a plain acknowledgement)
   */
  acknowledge(message: InboundMessage, reasonCode: number = 0, properties?: AckProperties): void {
    if (message.ackState !== AckState.owed) return
    message.ackState = AckState.ready
    message.ackReasonCode = this.#mayRefuse ? reasonCode : 0
    message.ackProperties = properties
    const finished = this.#inbound.finish(message)
    if (finished !== undefined) {
      this.#journal?.completed(message.packetId)
      // It knows no refusal.
      if (finished) this.#writeAck('pubcomp', message.packetId, 0)
      return
    }
    // At once, not when PUBREC leaves: the application is done with it, and must not get it again from the next process.
    if (message.qos === 2 && message.ackReasonCode < 0x80) this.#journal?.received(message.packetId)
    if (this.#connection?.phase === 'online') this.#payAcknowledgements(message.qos as 1 | 2)
  }

  /**
   * The application has failed on a message and will not acknowledge it: it stays unacknowledged without holding up those
   * that came after it, and is a new message when the server sends it again. One that was delivered at its PUBREL is not sent again:
   * it counts as finished, without PUBCOMP on this connection.
   */
  disown(message: InboundMessage): void {
    if (message.ackState !== AckState.owed) return
    if (message.qos === 2) this.#journal?.completed(message.packetId)
    this.#inbound.disown(message)
    if (this.#connection?.phase === 'online') this.#payAcknowledgements(message.qos as 1 | 2)
  }

  /**
   * The message has not reached the application, since its connection has ended first: it is given out again when the server
   * sends it, or its PUBREL, again.
   */
  takeBack(message: InboundMessage): void {
    if (message.ackState === AckState.owed) this.#inbound.takeBack(message)
  }

  /** Bytes from the server. Never throws for what they say: a violation ends the connection. */
  receive(chunk: Uint8Array, now: Millis): void {
    const connection = this.#connection
    if (connection === undefined) return
    this.#now = now
    connection.keepAlive?.received(now)
    try {
      connection.decoder.push(chunk)
      while (this.#connection === connection) {
        const packet = connection.decoder.next()
        if (packet === undefined) return
        this.#wire.trace?.onPacketReceived(packet)
        this.#onPacket(connection, packet)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#violated(connection, error)
    }
  }

  // ------------------------------------------------------------------------------------------------ time

  /** Writes PINGREQ; `onPong` follows its answer. Does nothing unless online. */
  ping(now: Millis): void {
    this.#now = now
    this.#writePing(true)
  }

  /** When `expire` is to be called at the latest; Infinity: nothing is armed. */
  nextDeadline(): Millis {
    return Math.min(this.#connection?.keepAlive?.deadline ?? NEVER, this.#publications.expiryDue)
  }

  expire(now: Millis): void {
    this.#now = now
    if (now >= this.#publications.expiryDue) this.#publications.dropExpired(now)
    const connection = this.#connection
    switch (connection?.keepAlive?.due(now)) {
      case 'ping':
        this.#writePing(false)
        break
      case 'dead':
        this.#wire.discard()
        this.#goOffline(undefined)
        this.#sink.onDisconnected(keepAliveTimedOut(connection.server), undefined)
        break
      default:
    }
  }

  // ------------------------------------------------------------------------------------------------ packets from the server

  #onPacket(connection: Connection, packet: DecodedPacket<InboundMessage>): void {
    if (connection.phase !== 'online') {
      this.#onHandshake(connection, packet)
      return
    }
    switch (packet.type) {
      case 'publish':
        this.#onPublish(connection, packet)
        return
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        checkProblemInformation(connection, packet)
        if (this.#publications.onAck(connection, packet, this.#ids.holder(packet.packetId)))
          this.#pumpRequests()
        return
      case 'pubrel':
        checkProblemInformation(connection, packet)
        this.#onPubrel(packet)
        return
      case 'suback':
      case 'unsuback':
        checkProblemInformation(connection, packet)
        this.#requests?.answered(connection, packet, this.#ids.holder(packet.packetId))
        this.#publications.pump(this.#now)
        return
      case 'pingresp': {
        const [asked, ...unanswered] = connection.pings
        connection.pings = unanswered
        if (asked === true) this.#sink.onPong()
        return
      }
      case 'disconnect':
        this.#onDisconnect(connection, packet)
        return
      case 'auth':
        this.#onAuth(connection, packet)
        return
      case 'connack':
        throw violation(packet.type, 'a second CONNACK', 'MQTT 5.0 §3.2')
      default: {
        const what = `a server must not send ${packet.type.toUpperCase()}`
        throw violation(packet.type, what, 'MQTT 5.0 §4.13.1')
      }
    }
  }

  /** Until CONNACK: that, and AUTH where it was asked for. [MQTT-3.2.0-1] */
  #onHandshake(connection: Connection, packet: DecodedPacket<InboundMessage>): void {
    if (packet.type === 'connack') {
      this.#onConnack(connection, packet)
      return
    }
    if (packet.type === 'auth') {
      this.#onAuth(connection, packet)
      return
    }
    if (packet.type === 'disconnect') {
      // Seen from servers that are shutting down; MQTT 5 expects CONNACK with the code instead.
      if (connection.protocolVersion === 5 && packet.reasonCode >= 0x80) {
        this.#goOffline(undefined)
        this.#sink.onDisconnected(connectionRefused(connection.server, packet), packet)
        return
      }
    }
    throw violation(packet.type, `${packet.type.toUpperCase()} before CONNACK`, 'MQTT-3.2.0-1')
  }

  #onConnack(connection: Connection, packet: ConnackPacket): void {
    if (packet.reasonCode >= 0x80) {
      this.#goOffline(undefined)
      this.#sink.onDisconnected(connectionRefused(connection.server, packet), undefined)
      return
    }
    checkConnack(connection, packet, this.#established)
    const maxInflight =
      this.#config.maxInflight ?? (connection.protocolVersion === 5 ? MAX_INFLIGHT_5 : MAX_INFLIGHT_3)
    const limits = connection.accept(packet, maxInflight, this.#now)
    this.#wire.output.maximumPacketSize = limits.maximumPacketSize
    // CONNACK of MQTT 3.1 does not say whether there is a session. What a lost one would need does no harm to one
    // that is there, and the other way round it would: so it is taken as present, and subscribed to again. One that
    // ended with its connection is not there, though.
    const mayBePresent = connection.protocolVersion === 3 && this.#mayResume && !connection.cleanStart
    const sessionLost = this.#established && !limits.sessionPresent && !mayBePresent
    this.#established = true
    this.#mayResume = limits.sessionExpiryInterval > 0
    this.#clientId = limits.clientId
    this.#recordSession(limits)

    if (mayBePresent) this.#resubscribe()
    else if (!limits.sessionPresent) this.#startNewSession(sessionLost)
    // Subscriptions first, so that nothing published from here on is missed by them.
    this.#pumpRequests()
    this.#publications.begin(connection, this.#now)
    if (sessionLost) {
      this.#gap = true
      this.#sink.onSessionLost()
    }
    this.#sink.onConnected(limits, packet)
  }

  /** The server has no session: what it knew of ours is void. [MQTT-3.2.2-5] */
  #startNewSession(lost: boolean): void {
    this.#received?.sessionLost()
    if (lost) this.#journal?.sessionLost()
    this.#publications.startNewSession()
    this.#resubscribe()
  }

  #resubscribe(): void {
    this.#requests?.startNewSession(this.#config.resubscribe, (results) => this.#sink.onResubscribed(results))
  }

  #onAuth(connection: Connection, packet: AuthPacket): void {
    checkAuth(connection, packet)
    const data = packet.properties?.authenticationData
    if (packet.reasonCode === 0) {
      connection.reauthenticating = false
      this.#sink.onReauthenticated(data)
      return
    }
    if (connection.phase !== 'online') connection.phase = 'authenticating'
    this.#sink.onAuthenticate(data)
  }

  #onDisconnect(connection: Connection, packet: DisconnectPacket): void {
    if (connection.protocolVersion < 5) {
      throw violation(packet.type, 'in MQTT 3 a server must not send DISCONNECT', 'MQTT 3.1.1 §3.14')
    }
    this.#wire.discard()
    this.#goOffline(undefined)
    this.#sink.onDisconnected(disconnectedByServer(connection.server, packet), packet)
  }

  #onPublish(connection: Connection, message: InboundMessage): void {
    const alias = message.topicAlias
    if (alias !== 0) this.#resolveAlias(connection, message, alias)
    else if (message.topic.length === 0) {
      throw violation('publish', 'PUBLISH with neither Topic Name nor Topic Alias', 'MQTT-4.7.3-1', {
        field: 'Topic Name',
      })
    }
    if (message.qos > 0) {
      const inbound = this.#inbound
      inbound.isPresenceUnknown = connection.protocolVersion === 3
      const arrival = inbound.onPublish(message)
      if (inbound.counted > connection.receiveMaximum + inbound.allowance) {
        const what = 'more unacknowledged messages than our Receive Maximum allows'
        throw violation('publish', what, 'MQTT-3.3.4-9', { reasonCode: 0x93 })
      }
      if (arrival !== Arrival.deliver) {
        if (arrival === Arrival.held) {
          this.#journal?.held(message)
          // It is kept longer than the bytes that it came with.
          message.detach()
        }
        this.#payAcknowledgements(message.qos as 1 | 2)
        return
      }
    }
    this.#deliver(message)
  }

  #deliver(message: InboundMessage): void {
    if (this.#gap) {
      message.afterGap = true
      this.#gap = false
    }
    this.#sink.onMessage(message)
  }

  #resolveAlias(connection: Connection, message: InboundMessage, alias: number): void {
    const aliases = connection.inboundAliases
    if (alias > aliases.maximum) {
      const what = `Topic Alias ${alias} above our maximum of ${aliases.maximum}`
      throw violation('publish', what, 'MQTT-3.3.2-9', { field: 'Topic Alias', reasonCode: 0x94 })
    }
    if (message.topic.length > 0) {
      aliases.set(alias, message.topic)
      return
    }
    const topic = aliases.get(alias)
    if (topic === undefined) {
      const what = `Topic Alias ${alias} has no topic on this connection`
      throw violation('publish', what, 'MQTT 5.0 §3.3.4', { field: 'Topic Alias' })
    }
    message.topic = topic
  }

  #onPubrel(packet: AckPacket): void {
    const { packetId } = packet
    const release = this.#inbound.onPubrel(packetId)
    switch (release) {
      case Release.complete:
        this.#journal?.completed(packetId)
        this.#writeAck('pubcomp', packetId, 0)
        return
      case Release.unknown:
        this.#writeAck('pubcomp', packetId, 0x92)
        return
      case Release.premature: {
        const what = `PUBREL for packet ${packetId}, which has not been received completely`
        throw violation('pubrel', what, 'MQTT-4.3.3-5', { field: 'Packet Identifier' })
      }
      case Release.pending:
        return
      default:
        this.#deliver(release)
    }
  }

  // ------------------------------------------------------------------------------------------------ sending

  #pumpRequests(): void {
    if (this.#connection !== undefined) this.#requests?.pump(this.#connection)
  }

  #payAcknowledgements(qos: 1 | 2): void {
    const inbound = this.#inbound
    for (;;) {
      const message = inbound.nextPayable(qos)
      if (message === undefined) return
      const { packetId, ackReasonCode, ackProperties } = message
      this.#writeAck(qos === 1 ? 'puback' : 'pubrec', packetId, ackReasonCode, ackProperties)
    }
  }

  #writeAck(type: AckPacket['type'], packetId: number, reasonCode: number, properties?: AckProperties): void {
    this.#wire.ack((this.#connection as Connection).protocolVersion, type, packetId, reasonCode, properties)
  }

  #writePing(asked: boolean): void {
    const connection = this.#connection
    if (connection?.phase !== 'online') return
    connection.pings = [...connection.pings, asked]
    connection.keepAlive?.pinged(this.#now)
    encodePingreq(this.#wire.output)
    this.#wire.sent({ type: 'pingreq' })
  }

  #writeAuth(reasonCode: number, authenticationData: Uint8Array | undefined): void {
    const connection = this.#connection
    const authenticationMethod = connection?.authenticationMethod
    if (connection === undefined || authenticationMethod === undefined) return
    const packet: AuthPacket = {
      type: 'auth',
      reasonCode,
      properties: {
        authenticationMethod,
        ...(authenticationData === undefined ? {} : { authenticationData }),
      },
    }
    encodeAuth(this.#wire.output, connection.protocolVersion, packet)
    this.#wire.sent({ ...packet, properties: { authenticationMethod } })
  }

  #writeDisconnect(connection: Connection, packet: DisconnectPacket): void {
    const version = connection.protocolVersion
    if (encodeDisconnect(this.#wire.output, version, packet) > 0) {
      this.#wire.sent(packet)
      return
    }
    // [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    const expiry = packet.properties?.sessionExpiryInterval
    const bare: DisconnectPacket = {
      type: 'disconnect',
      reasonCode: packet.reasonCode,
      ...(expiry === undefined ? {} : { properties: { sessionExpiryInterval: expiry } }),
    }
    encodeDisconnect(this.#wire.output, version, bare)
    this.#wire.sent(bare)
  }

  // ------------------------------------------------------------------------------------------------ ends

  /** MQTT 5.0 §4.13.1: DISCONNECT with the reason code, then close; 3.x just closes. */
  #violated(connection: Connection, error: ProtocolError): void {
    if (connection.protocolVersion === 5) {
      this.#writeDisconnect(connection, { type: 'disconnect', reasonCode: error.reasonCode ?? 0x82 })
    } else {
      this.#wire.discard()
    }
    this.#goOffline(undefined)
    this.#sink.onDisconnected(error, undefined)
  }

  /** The one way out of a connection. What is in `output` may still be written; nothing is added to it. */
  #goOffline(sessionExpiryInterval: number | undefined): void {
    const limits = this.#connection?.limits
    this.#connection = undefined
    this.#publications.connectionLost()
    this.#received?.connectionLost()
    this.#requests?.connectionLost()
    if (limits !== undefined) this.#recordSession(limits, sessionExpiryInterval)
  }

  get #inbound(): InboundFlow {
    this.#received ??= new (this.#config.inboundClass ?? InboundFlow)()
    return this.#received
  }

  get #subscriptions(): SubscriptionFlow {
    this.#requests ??= new SubscriptionFlow(this.#ids, this.#wire)
    return this.#requests
  }

  #recordSession(limits: Limits, sessionExpiryInterval: number = limits.sessionExpiryInterval): void {
    this.#journal?.session({
      clientId: limits.clientId,
      protocolVersion: limits.protocolVersion,
      sessionExpiryInterval,
      at: this.#now,
      connected: this.#connection !== undefined,
    })
  }
}

import { encodeAuth } from '../codec/auth.ts'
import { ByteWriter, LARGEST_PACKET } from '../codec/byte-writer.ts'
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
  Packet,
} from '../codec/packet.ts'
import { encodePingreq } from '../codec/ping.ts'
import { encodePublish, type PublishClass } from '../codec/publish.ts'
import { encodeAck } from '../codec/publish-acks.ts'
import { type MqttError, OptionsError, ProtocolError } from '../errors.ts'
import type {
  ConnectRequest,
  DisconnectRequest,
  Millis,
  SubscribeCommand,
  UnsubscribeCommand,
} from './command.ts'
import { Connection } from './connection.ts'
import { checkAuth, checkConnack, checkProblemInformation, withoutSecrets } from './handshake.ts'
import { Arrival, InboundFlow, Release } from './inbound-flow.ts'
import { AckState, type InboundMessage } from './inbound-message.ts'
import type { Journal, RestoredSession } from './journal.ts'
import type { Limits } from './limits.ts'
import { type OutboundMessage, Stage } from './outbound-message.ts'
import { Outbox } from './outbox.ts'
import { PacketIds } from './packet-ids.ts'
import type { Phase } from './phase.ts'
import {
  connectionRefused,
  disconnectedByServer,
  expired,
  isTakenByServer,
  keepAliveTimedOut,
  notTakenByServer,
  publicationRefused,
  sessionLostWith,
  transportLost,
} from './refusals.ts'
import type { RequestPart } from './requests.ts'
import type { PacketTrace, PublishOutcome, SessionSink } from './sink.ts'
import { SubscriptionFlow } from './subscription-flow.ts'

export interface SessionConfig {
  /**
   * QoS 1 and 2 publications in flight at most, below the server's Receive Maximum.
   * @default 65535 on MQTT 5.0, whose server says what it takes; 20 on 3.x, where Mosquitto acknowledges what exceeds
   * its own limit of 20 and delivers none of it
   */
  readonly maxInflight?: number | undefined
  /** What becomes of a QoS 2 message that the server may have received, when the server has lost the session. */
  readonly onSessionLost: 'reject' | 'republish'
  /** Subscribe again to what is wanted when the server has no session. */
  readonly resubscribe: boolean
  /** Use Topic Aliases within the server's Topic Alias Maximum without being asked. */
  readonly autoTopicAlias: boolean
  /**
   * Send Clean Start as each request has it, also where the server may still hold a session to come back to.
   * @default false
   */
  readonly exactCleanStart?: boolean | undefined
  /** The class of received messages: InboundMessage or one derived from it, with the same constructor. */
  readonly publishClass: PublishClass<InboundMessage>
}

/** Bytes of one output block above which publications wait for the next: a turn's output stays bounded. */
const BLOCK_MARK = 1_048_576
const MAX_INFLIGHT_3 = 20
const MAX_INFLIGHT_5 = 65_535
const NEVER: Millis = Number.POSITIVE_INFINITY
/** Waiting messages are looked through for expired ones at most this often: intervals are whole seconds. */
const EXPIRY_GRAIN_MS = 500

const SUCCESS: PublishOutcome = Object.freeze({ reasonCode: 0, properties: undefined })

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
  readonly output: ByteWriter = new ByteWriter()
  /** Sees every packet while it is set. */
  trace: PacketTrace | undefined = undefined

  readonly #config: SessionConfig
  readonly #sink: SessionSink
  readonly #journal: Journal | undefined
  readonly #outbox = new Outbox()
  readonly #inbound = new InboundFlow()
  readonly #ids = new PacketIds<OutboundMessage | RequestPart>()
  readonly #requests = new SubscriptionFlow(this.#ids, this.output, (packet) => this.#traceSent(packet))
  #connection: Connection | undefined
  /** A CONNACK with success has been received (by this session or the one that was restored). */
  #established = false
  /** The server may still have our session when we come back. */
  #mayResume = false
  #clientId = ''
  #sequence = 0
  #congested = false
  /** MQTT 5: an acknowledgement may say no. */
  #mayRefuse = false
  #now: Millis = 0
  /** Not after the expiry of any waiting message; NEVER when none of them expires. */
  #expiryDue: Millis = NEVER
  #gap = false
  /** The message that `publish` is taking in: the journal and the caller do not know of it yet. */
  #fresh: OutboundMessage | undefined

  constructor(config: SessionConfig, sink: SessionSink, journal?: Journal) {
    this.#config = config
    this.#sink = sink
    this.#journal = journal
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
    return this.#outbox.queuedMessages
  }

  /** Payload bytes of `queuedMessages`. */
  get queuedBytes(): number {
    return this.#outbox.queuedBytes
  }

  /** Sequence number of the latest publication; 0 = there was none. */
  get lastSequence(): number {
    return this.#sequence
  }

  /** The lowest sequence number that is not settled; Infinity when all are. */
  get oldestUnsettled(): number {
    return this.#outbox.oldest
  }

  /** QoS 1 and 2 exchanges that count against the server's Receive Maximum. */
  get inFlight(): number {
    return this.#outbox.inFlight
  }

  /** Received QoS 1 and 2 messages that count against our own Receive Maximum. */
  get unacknowledged(): number {
    return this.#inbound.counted
  }

  /** Publications, SUBSCRIBEs or UNSUBSCRIBEs that are not settled. */
  get hasUnfinishedWork(): boolean {
    return !this.#outbox.isEmpty || !this.#requests.isIdle
  }

  /** The oldest publication that waits to be sent, of the given QoS class; for queue limits that drop the oldest. */
  oldestQueued(): OutboundMessage | undefined {
    const reliable = this.#outbox.cursor
    const first = this.#outbox.waiting.head
    // What was sent and only waits to be resent is not queued.
    let queued = reliable
    while (queued !== undefined && queued.stage !== Stage.queued) queued = queued.next
    if (first === undefined || queued === undefined) return first ?? queued
    return first.sequence < queued.sequence ? first : queued
  }

  // ------------------------------------------------------------------------------------------------ connecting

  /**
   * Begins a connection: writes CONNECT. Clean Start is set only where asked for and no session is to be resumed;
   * an empty Client Identifier becomes the assigned one.
   */
  connect(request: ConnectRequest, now: Millis): void {
    if (this.#connection !== undefined) throw new Error('connect() while a connection exists')
    this.#now = now
    this.#discardOutput()
    const packet: ConnectPacket = {
      ...request,
      clientId: request.clientId === '' && this.#mayResume ? this.#clientId : request.clientId,
      cleanStart: request.cleanStart && (!this.#mayResume || this.#config.exactCleanStart === true),
    }
    // The server's limits are those of its CONNACK. Before it, only MQTT's own holds.
    this.output.maximumPacketSize = LARGEST_PACKET
    const connection = new Connection(packet, this.#config.publishClass, now)
    this.#inbound.isPresenceUnknown = packet.protocolVersion === 3
    this.#mayRefuse = packet.protocolVersion === 5
    encodeConnect(this.output, packet.protocolVersion, packet)
    this.#connection = connection
    this.#clientId = packet.clientId
    if (this.trace !== undefined) this.#traceSent(withoutSecrets(packet))
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
    const five = connection.connect.protocolVersion === 5
    const expiry = five ? request.properties?.sessionExpiryInterval : undefined
    if (
      expiry !== undefined &&
      expiry > 0 &&
      (connection.connect.properties?.sessionExpiryInterval ?? 0) === 0
    ) {
      throw new OptionsError(
        'sessionExpiryInterval cannot be raised at disconnect when it was 0 at connect; set it in the client options',
        { path: 'sessionExpiryInterval', expected: '0', received: String(expiry) },
      )
    }
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
    const online = connection.phase === 'online'
    this.#goOffline(undefined)
    this.#sink.onDisconnected(transportLost(cause, online), undefined)
  }

  /** The client has ended: everything that is pending gets this error. What a store holds stays there. */
  fail(error: MqttError): void {
    this.#requests.fail(error)
    for (const message of this.#outbox.takeAll()) {
      message.stage = Stage.settled
      this.#sink.onSettled(message, error)
    }
    this.#expiryDue = NEVER
  }

  /** Takes up the session of an earlier process. Before the first `connect`. */
  restore(state: RestoredSession, now: Millis): void {
    this.#now = now
    const { session } = state
    if (session !== undefined) {
      this.#established = true
      this.#clientId = session.clientId
      this.#mayResume =
        now < session.at + session.sessionExpiryInterval * 1000 ||
        session.sessionExpiryInterval === 0xffff_ffff
    }
    for (const message of state.publications) {
      this.#sequence = Math.max(this.#sequence, message.sequence)
      this.#outbox.restore(message)
      this.#watchExpiry(message)
    }
    for (const message of state.released) this.#outbox.release(message)
    this.#ids.claim(
      state.publications.flatMap((message) =>
        message.packetId === 0 ? [] : [[message.packetId, message] as const],
      ),
    )
    this.#inbound.restore(state.received)
    this.#outbox.rewind()
  }

  // ------------------------------------------------------------------------------------------------ publishing

  /**
   * Takes a publication in: writes it at once when it may be sent now, else keeps it until it may.
   * The arguments were checked before (`checkPublish`); the server's limits are checked here, when it is sent.
   * QoS 0 written at once is settled on return, with no call of the sink.
   */
  publish(message: OutboundMessage, now: Millis = this.#now): void {
    this.#now = now
    message.sequence = ++this.#sequence
    if (message.qos === 0) {
      if (this.#maySend && this.#outbox.waiting.size === 0) {
        if (this.#writeUnacknowledged(message)) {
          message.stage = Stage.settled
          return
        }
        this.#outbox.add(message)
        this.#refuseByLimits(message)
        return
      }
      this.#outbox.add(message)
      this.#watchExpiry(message)
      return
    }
    this.#outbox.add(message)
    this.#fresh = message
    this.#pumpFlow()
    this.#fresh = undefined
    if (message.stage !== Stage.settled) this.#journal?.published(message)
    if (message.stage === Stage.queued) this.#watchExpiry(message)
  }

  /** Takes a publication back that was never on the wire. False when it was, or is settled. The caller settles it. */
  cancel(message: OutboundMessage): boolean {
    if (message.stage !== Stage.queued || message.sequence === 0) return false
    this.#outbox.settle(message)
    if (message.qos > 0) this.#journal?.settled(message)
    return true
  }

  /**
   * The transport buffers more than it should (true), or has drained (false). Publications wait meanwhile;
   * acknowledgements, pings and requests do not.
   */
  setCongested(congested: boolean, now: Millis): void {
    this.#now = now
    this.#congested = congested
    if (!congested) this.#pump()
  }

  /** The output was handed to the transport at `now`. */
  flushed(now: Millis): void {
    this.#now = now
    this.#connection?.keepAlive?.sent(now)
    if (this.#outbox.queuedMessages > 0 || this.#outbox.cursor !== undefined) this.#pump()
  }

  // ------------------------------------------------------------------------------------------------ subscribing

  /** Makes the filters wanted and asks for them: now, or after the next CONNACK. */
  subscribe(command: SubscribeCommand): void {
    this.#requests.subscribe(command)
    this.#pumpRequests()
  }

  /**
   * Makes the filters unwanted. Offline the command is settled at once (0x11, No subscription existed) and the
   * server is told after the next CONNACK if it still has the session.
   */
  unsubscribe(command: UnsubscribeCommand): void {
    this.#requests.unsubscribe(command, this.phase === 'online', this.#mayResume)
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
    // At once, not when PUBREC leaves: the application is done with it, and must not get it again from the next process.
    if (message.qos === 2 && message.ackReasonCode < 0x80) this.#journal?.received(message.packetId)
    if (this.#connection?.phase === 'online') this.#payAcknowledgements(message.qos as 1 | 2)
  }

  /**
   * The application has failed on a message and will not acknowledge it: it stays unacknowledged without holding up those
   * that came after it, and is a new message when the server sends it again.
   */
  disown(message: InboundMessage): void {
    if (message.ackState !== AckState.owed) return
    this.#inbound.disown(message)
    if (this.#connection?.phase === 'online') this.#payAcknowledgements(message.qos as 1 | 2)
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
        this.trace?.onPacketReceived(packet)
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
    // Nothing waits: what was to expire has left or ended since.
    const expiry = this.#outbox.queuedMessages === 0 ? NEVER : this.#expiryDue
    return Math.min(this.#connection?.keepAlive?.deadline ?? NEVER, expiry)
  }

  expire(now: Millis): void {
    this.#now = now
    if (now >= this.#expiryDue) this.#dropExpired()
    const connection = this.#connection
    switch (connection?.keepAlive?.due(now)) {
      case 'ping':
        this.#writePing(false)
        break
      case 'dead':
        this.#discardOutput()
        this.#goOffline(undefined)
        this.#sink.onDisconnected(keepAliveTimedOut(), undefined)
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
        checkProblemInformation(connection.connect, packet)
        this.#onAck(packet)
        return
      case 'pubrel':
        checkProblemInformation(connection.connect, packet)
        this.#onPubrel(packet)
        return
      case 'suback':
      case 'unsuback':
        checkProblemInformation(connection.connect, packet)
        this.#requests.answered(connection, packet, this.#ids.holder(packet.packetId))
        this.#pumpFlow()
        return
      case 'pingresp':
        if (connection.pings.shift() === true) this.#sink.onPong()
        return
      case 'disconnect':
        this.#onDisconnect(connection, packet)
        return
      case 'auth':
        this.#onAuth(connection, packet)
        return
      case 'connack':
        throw new ProtocolError('Protocol violation: a second CONNACK', {
          packet: 'CONNACK',
          statement: 'MQTT 5.0 §3.2',
        })
      default:
        throw new ProtocolError(`Protocol violation: a server must not send ${packet.type.toUpperCase()}`, {
          packet: packet.type.toUpperCase(),
          statement: 'MQTT 5.0 §4.13.1',
        })
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
      if (connection.connect.protocolVersion === 5 && packet.reasonCode >= 0x80) {
        this.#goOffline(undefined)
        this.#sink.onDisconnected(connectionRefused(packet), packet)
        return
      }
    }
    throw new ProtocolError(`Protocol violation: ${packet.type.toUpperCase()} before CONNACK`, {
      packet: packet.type.toUpperCase(),
      statement: 'MQTT-3.2.0-1',
    })
  }

  #onConnack(connection: Connection, packet: ConnackPacket): void {
    if (packet.reasonCode >= 0x80) {
      this.#goOffline(undefined)
      this.#sink.onDisconnected(connectionRefused(packet), undefined)
      return
    }
    checkConnack(connection, packet, this.#established)
    const maxInflight =
      this.#config.maxInflight ?? (connection.connect.protocolVersion === 5 ? MAX_INFLIGHT_5 : MAX_INFLIGHT_3)
    const limits = connection.accept(packet, maxInflight, this.#now)
    this.output.maximumPacketSize = limits.maximumPacketSize
    // CONNACK of MQTT 3.1 does not say whether there is a session. What a lost one would need does no harm to one
    // that is there, and the other way round it would: so it is taken as present, and subscribed to again.
    const mayBePresent =
      connection.connect.protocolVersion === 3 && this.#established && !connection.connect.cleanStart
    const sessionLost = this.#established && !limits.sessionPresent && !mayBePresent
    this.#established = true
    this.#mayResume = limits.sessionExpiryInterval > 0
    this.#clientId = limits.clientId
    this.#recordSession(limits)

    if (mayBePresent) this.#resubscribe()
    else if (!limits.sessionPresent) this.#startNewSession(sessionLost)
    this.#outbox.rewind()
    // Subscriptions first, so that nothing published from here on is missed by them.
    this.#pumpRequests()
    for (let message = this.#outbox.released.head; message !== undefined; message = message.next) {
      this.#writeAck('pubrel', message.packetId, 0)
    }
    this.#pump()
    if (sessionLost) {
      this.#gap = true
      this.#sink.onSessionLost()
    }
    this.#sink.onConnected(limits, packet)
  }

  /** The server has no session: what it knew of ours is void. [MQTT-3.2.2-5] */
  #startNewSession(lost: boolean): void {
    this.#inbound.sessionLost()
    if (lost) this.#journal?.sessionLost()
    const sent = this.#outbox.takeSent()
    const again: OutboundMessage[] = []
    for (const message of sent) {
      this.#ids.release(message.packetId)
      message.packetId = 0
      message.dup = false
      if (message.qos === 1 || this.#config.onSessionLost === 'republish') again.push(message)
      else this.#settleTaken(message)
    }
    this.#outbox.prepend(again)
    this.#resubscribe()
  }

  #resubscribe(): void {
    this.#requests.startNewSession(this.#config.resubscribe, (results) => this.#sink.onResubscribed(results))
  }

  #settleTaken(message: OutboundMessage): void {
    message.stage = Stage.settled
    this.#journal?.settled(message)
    this.#sink.onSettled(message, sessionLostWith(message))
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
    if (connection.connect.protocolVersion < 5) {
      throw new ProtocolError('Protocol violation: in MQTT 3 a server must not send DISCONNECT', {
        packet: 'DISCONNECT',
        statement: 'MQTT 3.1.1 §3.14',
      })
    }
    this.#discardOutput()
    this.#goOffline(undefined)
    this.#sink.onDisconnected(disconnectedByServer(packet), packet)
  }

  #onPublish(connection: Connection, message: InboundMessage): void {
    const alias = message.topicAlias
    if (alias !== 0) this.#resolveAlias(connection, message, alias)
    else if (message.topic === '') {
      throw new ProtocolError('Protocol violation: PUBLISH with neither Topic Name nor Topic Alias', {
        packet: 'PUBLISH',
        field: 'Topic Name',
        statement: 'MQTT-4.7.3-1',
      })
    }
    if (message.qos > 0) {
      const arrival = this.#inbound.onPublish(message)
      if (this.#inbound.counted > connection.receiveMaximum) {
        throw new ProtocolError(
          'Protocol violation: more unacknowledged messages than our Receive Maximum allows',
          {
            packet: 'PUBLISH',
            reasonCode: 0x93,
            statement: 'MQTT-3.3.4-9',
          },
        )
      }
      if (arrival === Arrival.known) {
        this.#payAcknowledgements(message.qos as 1 | 2)
        return
      }
    }
    if (this.#gap) {
      message.afterGap = true
      this.#gap = false
    }
    this.#sink.onMessage(message)
  }

  #resolveAlias(connection: Connection, message: InboundMessage, alias: number): void {
    const aliases = connection.inboundAliases
    if (alias > aliases.maximum) {
      throw new ProtocolError(
        `Protocol violation: Topic Alias ${alias} above our maximum of ${aliases.maximum}`,
        {
          packet: 'PUBLISH',
          field: 'Topic Alias',
          reasonCode: 0x94,
          statement: 'MQTT-3.3.2-9',
        },
      )
    }
    if (message.topic !== '') {
      aliases.set(alias, message.topic)
      return
    }
    const topic = aliases.get(alias)
    if (topic === undefined) {
      throw new ProtocolError(`Protocol violation: Topic Alias ${alias} has no topic on this connection`, {
        packet: 'PUBLISH',
        field: 'Topic Alias',
        statement: 'MQTT 5.0 §3.3.4',
      })
    }
    message.topic = topic
  }

  #onAck(packet: AckPacket): void {
    const holder = this.#ids.holder(packet.packetId)
    const message = holder === undefined || 'kind' in holder ? undefined : holder
    const { type, packetId, reasonCode } = packet
    if (message === undefined || message.stage === Stage.queued) {
      // Nothing is known of it: an answer that came late, or twice. PUBREC alone asks for one back.
      if (type === 'pubrec' && reasonCode < 0x80) this.#writeAck('pubrel', packetId, 0x92)
      return
    }
    const expected =
      message.qos === 1
        ? type === 'puback'
        : message.stage === Stage.released
          ? type !== 'puback'
          : type === 'pubrec'
    if (!expected) {
      throw new ProtocolError(
        `Protocol violation: ${type.toUpperCase()} for packet ${packetId}, a QoS ${message.qos} publication` +
          `${message.stage === Stage.released ? ' that has been released' : ''}`,
        {
          packet: type.toUpperCase(),
          field: 'Packet Identifier',
          statement: message.qos === 1 ? 'MQTT-4.3.2-3' : 'MQTT-4.3.3-3',
        },
      )
    }
    if (type !== 'pubrec') {
      this.#settle(message, packet)
      return
    }
    if (reasonCode >= 0x80 && message.stage !== Stage.released) {
      // [MQTT-4.3.3-4]: a failing PUBREC ends the exchange; there is no PUBREL.
      this.#settle(message, packet)
      return
    }
    if (message.stage === Stage.sent) {
      this.#outbox.release(message)
      this.#journal?.released(message)
    }
    this.#writeAck('pubrel', packetId, 0)
  }

  /** The exchange is over: the id is free, the quota grows, and what waits may go. */
  #settle(message: OutboundMessage, packet: AckPacket): void {
    this.#outbox.settle(message)
    this.#ids.release(message.packetId)
    this.#journal?.settled(message)
    const { reasonCode } = packet
    // 0x92 in PUBCOMP is no failure: the server had finished with it before. [MQTT 5.0 §3.7.2.1]
    const failed = reasonCode >= 0x80 && packet.type !== 'pubcomp'
    if (this.#outbox.cursor !== undefined) this.#pumpFlow()
    if (this.#requests.hasWaiting) this.#pumpRequests()
    this.#sink.onSettled(message, failed ? publicationRefused(message, packet) : outcomeOf(packet))
  }

  #onPubrel(packet: AckPacket): void {
    const { packetId } = packet
    switch (this.#inbound.onPubrel(packetId)) {
      case Release.complete:
        this.#journal?.completed(packetId)
        this.#writeAck('pubcomp', packetId, 0)
        return
      case Release.unknown:
        this.#writeAck('pubcomp', packetId, 0x92)
        return
      case Release.premature:
        throw new ProtocolError(
          `Protocol violation: PUBREL for packet ${packetId}, which has not been received completely`,
          {
            packet: 'PUBREL',
            field: 'Packet Identifier',
            statement: 'MQTT-4.3.3-5',
          },
        )
    }
  }

  // ------------------------------------------------------------------------------------------------ sending

  get #maySend(): boolean {
    return this.#connection?.phase === 'online' && !this.#congested && this.output.length < BLOCK_MARK
  }

  #pump(): void {
    this.#pumpWaiting()
    this.#pumpFlow()
  }

  /** QoS 0 in its order. */
  #pumpWaiting(): void {
    const { waiting } = this.#outbox
    for (let message = waiting.head; message !== undefined && this.#maySend; message = waiting.head) {
      if (this.#isExpired(message)) {
        this.#settleExpired(message)
        continue
      }
      if (!this.#writeUnacknowledged(message)) {
        this.#refuseByLimits(message)
        continue
      }
      this.#outbox.settle(message)
      this.#sink.onSettled(message, SUCCESS)
    }
  }

  /** QoS 1 and 2 from the cursor on, as far as quota, ids and the transport allow. */
  #pumpFlow(): void {
    const outbox = this.#outbox
    const limits = this.#connection?.limits
    if (limits === undefined) return
    for (let message = outbox.cursor; message !== undefined; message = outbox.cursor) {
      if (outbox.inFlight >= limits.receiveMaximum || !this.#maySend) return
      const first = message.stage === Stage.queued
      if (first) {
        if (this.#isExpired(message)) {
          this.#settleExpired(message)
          continue
        }
        if (!isTakenByServer(message, limits)) {
          this.#refuseByLimits(message)
          continue
        }
        const id = this.#ids.allocate(message)
        if (id === 0) return
        message.packetId = id
      } else {
        message.dup = true
      }
      if (this.#writePublish(message, first) === 0) {
        this.#ids.release(message.packetId)
        message.packetId = 0
        this.#refuseByLimits(message)
        continue
      }
      outbox.advance(message)
      if (first && message !== this.#fresh) {
        this.#journal?.sent(message)
        this.#sink.onSent(message)
      }
    }
  }

  /** Writes a QoS 0 message; false when a limit of the server forbids it. */
  #writeUnacknowledged(message: OutboundMessage): boolean {
    const limits = this.#connection?.limits as Limits
    return isTakenByServer(message, limits) && this.#writePublish(message, true) > 0
  }

  /** Bytes written; 0 when it exceeds the server's Maximum Packet Size. */
  #writePublish(message: OutboundMessage, first: boolean): number {
    const connection = this.#connection as Connection
    const version = connection.connect.protocolVersion
    let alias = 0
    let omitTopic = false
    const aliases = connection.outboundAliases
    if (
      aliases !== undefined &&
      first &&
      (message.topicAlias > 0 || (message.topicAlias === 0 && this.#config.autoTopicAlias))
    ) {
      if (message.topicAlias > 0) {
        alias = message.topicAlias
        aliases.assignFixed(message.topic, alias)
      } else alias = aliases.assign(message.topic)
      omitTopic = aliases.isKnown
    }
    const interval = message.expiry === undefined ? -1 : this.#expiryInterval(message)
    let written = encodePublish(this.output, version, message, alias, omitTopic, interval)
    // A new alias makes the packet longer; without it the message may still fit. The server has not heard of the alias.
    if (written === 0 && alias !== 0 && !omitTopic) aliases?.forget(alias)
    if (written === 0 && alias !== 0)
      written = encodePublish(this.output, version, message, 0, false, interval)
    if (this.trace !== undefined && written > 0) this.#tracePublish(message, alias, omitTopic, interval)
    return written
  }

  /** What is left of the Message Expiry Interval at the first sending; from then on it is fixed. [MQTT-4.3.3-7] */
  #expiryInterval(message: OutboundMessage): number {
    const expiry = message.expiry
    if (expiry === undefined || expiry.endsAt === NEVER) return -1
    if (expiry.interval < 0) expiry.interval = Math.max(0, Math.ceil((expiry.endsAt - this.#now) / 1000))
    return expiry.interval
  }

  /** Settles a message that the server does not take, saying which limit stands against it. */
  #refuseByLimits(message: OutboundMessage): void {
    this.#settleUnsent(message, notTakenByServer(message, this.#connection?.limits as Limits))
  }

  #settleUnsent(message: OutboundMessage, error: MqttError): void {
    this.#outbox.settle(message)
    if (message.qos > 0 && message !== this.#fresh) this.#journal?.settled(message)
    this.#sink.onSettled(message, error)
  }

  #pumpRequests(): void {
    if (this.#connection !== undefined) this.#requests.pump(this.#connection)
  }

  #payAcknowledgements(qos: 1 | 2): void {
    for (;;) {
      const message = this.#inbound.nextPayable(qos)
      if (message === undefined) return
      const { packetId, ackReasonCode, ackProperties } = message
      this.#writeAck(qos === 1 ? 'puback' : 'pubrec', packetId, ackReasonCode, ackProperties)
    }
  }

  #writeAck(type: AckPacket['type'], packetId: number, reasonCode: number, properties?: AckProperties): void {
    const version = (this.#connection as Connection).connect.protocolVersion
    const written = encodeAck(this.output, version, type, packetId, reasonCode, properties)
    // Reason String and User Properties give way where they would not fit. [MQTT-3.4.2-2] [MQTT-3.4.2-3]
    if (written === 0) encodeAck(this.output, version, type, packetId, reasonCode)
    if (this.trace !== undefined) this.#traceSent({ type, packetId, reasonCode })
  }

  #writePing(asked: boolean): void {
    const connection = this.#connection
    if (connection?.phase !== 'online') return
    connection.pings.push(asked)
    connection.keepAlive?.pinged(this.#now)
    encodePingreq(this.output)
    this.#traceSent({ type: 'pingreq' })
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
    encodeAuth(this.output, connection.connect.protocolVersion, packet)
    this.#traceSent({ ...packet, properties: { authenticationMethod } })
  }

  #writeDisconnect(connection: Connection, packet: DisconnectPacket): void {
    const version = connection.connect.protocolVersion
    if (encodeDisconnect(this.output, version, packet) > 0) {
      this.#traceSent(packet)
      return
    }
    // [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    const expiry = packet.properties?.sessionExpiryInterval
    const bare: DisconnectPacket = {
      type: 'disconnect',
      reasonCode: packet.reasonCode,
      ...(expiry === undefined ? {} : { properties: { sessionExpiryInterval: expiry } }),
    }
    encodeDisconnect(this.output, version, bare)
    this.#traceSent(bare)
  }

  // ------------------------------------------------------------------------------------------------ ends

  /** MQTT 5.0 §4.13.1: DISCONNECT with the reason code, then close; 3.x just closes. */
  #violated(connection: Connection, error: ProtocolError): void {
    if (connection.connect.protocolVersion === 5) {
      this.#writeDisconnect(connection, { type: 'disconnect', reasonCode: error.reasonCode ?? 0x82 })
    } else {
      this.#discardOutput()
    }
    this.#goOffline(undefined)
    this.#sink.onDisconnected(error, undefined)
  }

  /** The one way out of a connection. What is in `output` may still be written; nothing is added to it. */
  #goOffline(sessionExpiryInterval: number | undefined): void {
    const limits = this.#connection?.limits
    this.#connection = undefined
    this.#congested = false
    this.#inbound.connectionLost()
    this.#requests.connectionLost()
    if (limits !== undefined) this.#recordSession(limits, sessionExpiryInterval)
  }

  #recordSession(limits: Limits, sessionExpiryInterval: number = limits.sessionExpiryInterval): void {
    this.#journal?.session({
      clientId: limits.clientId,
      protocolVersion: limits.protocolVersion,
      sessionExpiryInterval,
      at: this.#now,
    })
  }

  #discardOutput(): void {
    if (!this.output.isEmpty) this.output.take()
  }

  // ------------------------------------------------------------------------------------------------ expiry

  #isExpired(message: OutboundMessage): boolean {
    return message.expiry !== undefined && message.expiry.dropAt <= this.#now
  }

  #watchExpiry(message: OutboundMessage): void {
    const dropAt = message.expiry?.dropAt
    if (dropAt !== undefined && dropAt < this.#expiryDue) this.#expiryDue = dropAt
  }

  #dropExpired(): void {
    let next = NEVER
    const visit = (first: OutboundMessage | undefined) => {
      for (let message = first; message !== undefined; ) {
        const following: OutboundMessage | undefined = message.next
        if (message.stage === Stage.queued) {
          if (this.#isExpired(message)) this.#settleExpired(message)
          else next = Math.min(next, message.expiry?.dropAt ?? NEVER)
        }
        message = following
      }
    }
    visit(this.#outbox.waiting.head)
    visit(this.#outbox.cursor)
    this.#expiryDue = next === NEVER ? NEVER : Math.max(next, this.#now + EXPIRY_GRAIN_MS)
  }

  #settleExpired(message: OutboundMessage): void {
    this.#settleUnsent(message, expired(message))
  }

  // ------------------------------------------------------------------------------------------------ trace

  #traceSent(packet: Packet): void {
    this.trace?.onPacketSent(packet)
  }

  #tracePublish(message: OutboundMessage, alias: number, omitTopic: boolean, interval: number): void {
    this.trace?.onPacketSent({
      type: 'publish',
      topic: omitTopic ? '' : message.topic,
      payload: message.payload,
      qos: message.qos,
      retain: message.retain,
      dup: message.dup,
      packetId: message.packetId,
      properties: {
        ...message.properties,
        ...(alias === 0 ? {} : { topicAlias: alias }),
        ...(interval < 0 ? {} : { messageExpiryInterval: interval }),
      },
    })
  }
}

function outcomeOf(packet: AckPacket): PublishOutcome {
  if (packet.reasonCode === 0 && packet.properties === undefined) return SUCCESS
  return { reasonCode: packet.reasonCode, properties: packet.properties }
}

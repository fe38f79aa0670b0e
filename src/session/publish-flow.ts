import { LARGEST_PACKET } from '../codec/byte-writer.ts'
import type { AckPacket, QoS } from '../codec/packet.ts'
import { encodePublish, publishSize } from '../codec/publish.ts'
import type { MqttError } from '../errors.ts'
import type { Millis } from './command.ts'
import type { Connection } from './connection.ts'
import type { Journal, RestoredSession } from './journal.ts'
import type { Limits } from './limits.ts'
import { type OutboundMessage, Stage } from './outbound-message.ts'
import { Outbox } from './outbox.ts'
import type { PacketIds } from './packet-ids.ts'
import {
  expired,
  isTakenByServer,
  notTakenByServer,
  publicationRefused,
  sessionLostWith,
} from './refusals.ts'
import type { RequestPart } from './requests.ts'
import type { PublishOutcome, SessionSink } from './sink.ts'
import { violation } from './violation.ts'
import type { Wire } from './wire.ts'

/** Bytes of one output block above which publications wait for the next: a turn's output stays bounded. */
const BLOCK_MARK = 1_048_576
/** Waiting messages are looked through for expired ones at most this often: intervals are whole seconds. */
const EXPIRY_GRAIN_MS = 500
/** The property, and a byte by which the Property Length may grow. */
const MESSAGE_EXPIRY_BYTES = 6
const NEVER: Millis = Number.POSITIVE_INFINITY
/** The outbox of all sessions whose publications have never had to wait: nothing is put into it. */
const NO_OUTBOX = /* @__PURE__ */ new Outbox()
const SUCCESS: PublishOutcome = Object.freeze({ reasonCode: 0, properties: undefined })

export interface PublishPolicy {
  /**
   * What becomes of a QoS 2 message that the server may have received, when the server has lost the session.
   * QoS 1 is published anew, except with 'reject-all'.
   */
  readonly onSessionLost: 'reject' | 'republish' | 'reject-all'
  /** Use Topic Aliases within the server's Topic Alias Maximum without being asked. */
  readonly autoTopicAlias: boolean
}

/**
 * Publications, from the call to their outcome: when each may be sent, when it is sent again, and what the server's
 * answers mean. The order they are in is the outbox's affair; this is who moves them through it.
 */
export class PublishFlow {
  #outbox: Outbox = NO_OUTBOX
  readonly #policy: PublishPolicy
  readonly #wire: Wire
  readonly #ids: PacketIds<OutboundMessage | RequestPart>
  readonly #sink: SessionSink
  readonly #journal: Journal | undefined
  #connection: Connection | undefined
  #sequence = 0
  #congested = false
  #now: Millis = 0
  /** Not after the expiry of any waiting message; NEVER when none of them expires. */
  #expiryDue: Millis = NEVER
  /** The message that `publish` is taking in: the journal and the caller do not know of it yet. */
  #fresh: OutboundMessage | undefined

  constructor(
    policy: PublishPolicy,
    wire: Wire,
    ids: PacketIds<OutboundMessage | RequestPart>,
    sink: SessionSink,
    journal: Journal | undefined,
  ) {
    this.#policy = policy
    this.#wire = wire
    this.#ids = ids
    this.#sink = sink
    this.#journal = journal
  }

  get isEmpty(): boolean {
    return this.#outbox.isEmpty && (this.#journal?.backlog?.size ?? 0) === 0
  }

  get queuedMessages(): number {
    return this.#outbox.queuedMessages
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes
  }

  get inFlight(): number {
    return this.#outbox.inFlight
  }

  get lastSequence(): number {
    return this.#sequence
  }

  get oldestUnsettled(): number {
    return Math.min(this.#outbox.oldest, this.#journal?.backlog?.first ?? NEVER)
  }

  /** When `dropExpired` has something to do. */
  get expiryDue(): Millis {
    // Nothing waits: what was to expire has left or ended since.
    if (this.#outbox.queuedMessages === 0) return NEVER
    return Math.min(this.#expiryDue, this.#journal?.backlog?.expiryDue ?? NEVER)
  }

  oldestQueued(): OutboundMessage | undefined {
    const unreliable = this.#outbox.waiting.head
    // What was sent and only waits to be resent is not queued.
    let reliable = this.#outbox.cursor
    while (reliable !== undefined && reliable.stage !== Stage.queued) reliable = reliable.next
    if (unreliable === undefined || reliable === undefined) return unreliable ?? reliable
    return unreliable.sequence < reliable.sequence ? unreliable : reliable
  }

  // ---------------------------------------------------------------------------------------- the caller's side

  /** What is published now is encoded before `publish` returns. */
  writesAtOnce(qos: QoS): boolean {
    if (!this.#maySend) return false
    if (qos === 0) return this.#outbox.waiting.size === 0
    const { cursor, inFlight } = this.#outbox
    const maximum = this.#connection?.limits?.receiveMaximum ?? 0
    return cursor === undefined && inFlight < maximum && this.#ids.available > 0 && !this.#spills
  }

  publish(message: OutboundMessage, now: Millis): void {
    this.#now = now
    message.sequence = ++this.#sequence
    if (message.qos === 0) this.#publishUnacknowledged(message)
    else this.#publishReliably(message)
  }

  cancel(message: OutboundMessage): boolean {
    if (message.stage === Stage.spilled) return this.#cancelSpilled(message)
    if (message.stage !== Stage.queued || message.sequence === 0) return false
    this.#outbox.settle(message)
    if (message.qos > 0) this.#journal?.settled(message)
    this.#fetch()
    return true
  }

  fail(error: MqttError): void {
    for (const message of this.#outbox.takeAll()) {
      message.stage = Stage.settled
      this.#sink.onSettled(message, error)
    }
    this.#expiryDue = NEVER
    this.#journal?.backlog?.fail(error)
  }

  /** Messages from the backlog: the next ones in order. */
  recall(messages: readonly OutboundMessage[], now: Millis): void {
    this.#now = now
    for (const message of messages) {
      this.#outbox.recall(message)
      this.#watchExpiry(message)
    }
    this.#pumpFlow()
    this.#fetch()
  }

  /** Messages from the backlog whose time is over. */
  expireRecalled(messages: readonly OutboundMessage[]): void {
    for (const message of messages) {
      this.#leaveBacklog(message, message.payload.length)
      this.#sink.onSettled(message, expired(message))
    }
  }

  /** So many bytes of a message in the backlog could not be read: nothing more will be heard of it. */
  forgetSpilled(bytes: number): void {
    this.#outbox.removeSpilled(bytes)
  }

  restore(state: RestoredSession): void {
    this.#sequence = state.lastSequence
    const outbox = this.#ownOutbox
    for (const message of state.publications) {
      outbox.restore(message)
      this.#watchExpiry(message)
    }
    for (const message of state.released) outbox.release(message)
    this.#ids.claim(
      state.publications.flatMap((message) =>
        message.packetId === 0 ? [] : [[message.packetId, message] as const],
      ),
    )
    outbox.rewind()
    for (const bytes of state.spilled ?? []) outbox.addSpilled(bytes)
  }

  // ---------------------------------------------------------------------------------------- the connection's side

  /** The server has no session. [MQTT-3.2.2-5] What it may have received is settled by policy; the rest is new again. */
  startNewSession(): void {
    const again: OutboundMessage[] = []
    const { onSessionLost } = this.#policy
    for (const message of this.#outbox.takeSent()) {
      this.#ids.release(message.packetId)
      message.packetId = 0
      message.dup = false
      if (onSessionLost === 'republish' || (message.qos === 1 && onSessionLost === 'reject'))
        again.push(message)
      else {
        message.stage = Stage.settled
        this.#journal?.settled(message)
        this.#sink.onSettled(message, sessionLostWith(message))
      }
    }
    this.#outbox.prepend(again)
  }

  /** Online: PUBREL for what has been released, then everything else from the first on, as far as it may go. */
  begin(connection: Connection, now: Millis): void {
    this.#connection = connection
    this.#outbox.rewind()
    const version = connection.protocolVersion
    for (let message = this.#outbox.released.head; message !== undefined; message = message.next) {
      this.#wire.ack(version, 'pubrel', message.packetId, 0)
    }
    this.pump(now)
  }

  connectionLost(): void {
    this.#connection = undefined
    this.#congested = false
  }

  setCongested(congested: boolean, now: Millis): void {
    this.#congested = congested
    if (!congested) this.pump(now)
  }

  /** Sends what waits, as far as quota, identifiers and the transport allow. */
  pump(now: Millis): void {
    this.#now = now
    if (this.#outbox.waiting.size > 0) this.#pumpWaiting()
    if (this.#outbox.cursor !== undefined) this.#pumpFlow()
    this.#fetch()
  }

  /** PUBACK, PUBREC or PUBCOMP. True when an exchange has ended and its identifier is free. */
  onAck(
    connection: Connection,
    packet: AckPacket,
    holder: OutboundMessage | RequestPart | undefined,
  ): boolean {
    const message = holder === undefined || 'kind' in holder ? undefined : holder
    const { type, packetId, reasonCode } = packet
    const version = connection.protocolVersion
    if (message === undefined) {
      // Nothing is known of it: an answer that came late, or twice. PUBREC alone asks for one back.
      if (type === 'pubrec' && reasonCode < 0x80) this.#wire.ack(version, 'pubrel', packetId, 0x92)
      return false
    }
    checkAnswers(packet, message)
    const isReleased = message.stage === Stage.released
    // [MQTT-4.3.3-4]: a failing PUBREC ends the exchange; there is no PUBREL.
    if (type !== 'pubrec' || (reasonCode >= 0x80 && !isReleased)) {
      this.#settle(message, packet)
      return true
    }
    if (!isReleased) {
      this.#outbox.release(message)
      this.#journal?.released(message)
    }
    this.#wire.ack(version, 'pubrel', packetId, 0)
    return false
  }

  dropExpired(now: Millis): void {
    this.#now = now
    let next = NEVER
    for (const first of [this.#outbox.waiting.head, this.#outbox.cursor]) {
      for (let message = first; message !== undefined; ) {
        const following: OutboundMessage | undefined = message.next
        if (message.stage === Stage.queued) {
          if (this.#isExpired(message)) this.#settleUnsent(message, expired(message))
          else next = Math.min(next, message.expiry?.dropAt ?? NEVER)
        }
        message = following
      }
    }
    this.#expiryDue = next === NEVER ? NEVER : Math.max(next, now + EXPIRY_GRAIN_MS)
    const backlog = this.#journal?.backlog
    if (backlog !== undefined && backlog.expiryDue <= now) backlog.expire(now)
    this.#fetch()
  }

  // ---------------------------------------------------------------------------------------- inside

  #publishUnacknowledged(message: OutboundMessage): void {
    const waits = !this.#maySend || this.#outbox.waiting.size > 0
    if (!waits && this.#writeUnacknowledged(message)) {
      message.stage = Stage.settled
      return
    }
    this.#ownOutbox.add(message)
    if (waits) this.#watchExpiry(message)
    else this.#refuse(message)
  }

  /** The one to put something into: made when first asked for. */
  get #ownOutbox(): Outbox {
    if (this.#outbox === NO_OUTBOX) this.#outbox = new Outbox()
    return this.#outbox
  }

  /** What is published now waits in the store alone. */
  get #spills(): boolean {
    const { queuedMessages, queuedBytes } = this.#outbox
    return this.#journal?.backlog?.takes(queuedMessages, queuedBytes) === true
  }

  #publishReliably(message: OutboundMessage): void {
    const outbox = this.#ownOutbox
    if (this.#spills) {
      outbox.addSpilled(message.payload.length)
      message.stage = Stage.spilled
      this.#journal?.published(message)
      this.#journal?.backlog?.add(message)
      // Where memory may hold none, nothing else would have it fetched.
      if (this.#connection !== undefined) this.#fetch()
      return
    }
    outbox.add(message)
    this.#fresh = message
    try {
      this.#pumpFlow()
    } catch (error) {
      // MQTT forbids it, which was left to the encoder to find out: nothing was written, and nothing is to be left.
      this.#outbox.settle(message)
      if (message.packetId !== 0) this.#ids.release(message.packetId)
      throw error
    } finally {
      this.#fresh = undefined
    }
    if (message.stage !== Stage.settled) this.#journal?.published(message)
    if (message.stage === Stage.queued) this.#watchExpiry(message)
  }

  #cancelSpilled(message: OutboundMessage): boolean {
    const bytes = this.#journal?.backlog?.remove(message.sequence) ?? -1
    if (bytes < 0) return false
    this.#leaveBacklog(message, bytes)
    return true
  }

  #leaveBacklog(message: OutboundMessage, bytes: number): void {
    this.#outbox.removeSpilled(bytes)
    message.stage = Stage.settled
    this.#journal?.settled(message)
  }

  /** Has the backlog move up when little is left in memory. */
  #fetch(): void {
    const backlog = this.#journal?.backlog
    if (backlog === undefined || backlog.size === 0) return
    backlog.fetch(this.#outbox.queuedMessages, this.#outbox.queuedBytes)
  }

  get #maySend(): boolean {
    return this.#connection !== undefined && !this.#congested && this.#wire.output.length < BLOCK_MARK
  }

  /** QoS 0 in its order. */
  #pumpWaiting(): void {
    const { waiting } = this.#outbox
    for (let message = waiting.head; message !== undefined && this.#maySend; message = waiting.head) {
      if (this.#isExpired(message)) this.#settleUnsent(message, expired(message))
      else if (!this.#writeUnacknowledged(message)) this.#refuse(message)
      else {
        this.#outbox.settle(message)
        this.#sink.onSettled(message, SUCCESS)
      }
    }
  }

  /** QoS 1 and 2 from the cursor on. */
  #pumpFlow(): void {
    const outbox = this.#outbox
    const limits = this.#connection?.limits
    if (limits === undefined) return
    for (let message = outbox.cursor; message !== undefined; message = outbox.cursor) {
      if (outbox.inFlight >= limits.receiveMaximum || !this.#maySend) return
      const isFirst = message.stage === Stage.queued
      if (isFirst) {
        if (this.#isExpired(message)) {
          this.#settleUnsent(message, expired(message))
          continue
        }
        if (!isTakenByServer(message, limits)) {
          this.#refuse(message)
          continue
        }
        const id = this.#ids.allocate(message)
        if (id === 0) return
        message.packetId = id
      } else {
        message.dup = true
      }
      if (this.#write(message, isFirst) === 0) {
        this.#ids.release(message.packetId)
        message.packetId = 0
        this.#refuse(message)
        continue
      }
      outbox.advance(message)
      if (isFirst && message !== this.#fresh) {
        this.#journal?.sent(message)
        this.#sink.onSent(message)
      }
    }
  }

  /** False when a limit of the server forbids it. */
  #writeUnacknowledged(message: OutboundMessage): boolean {
    const limits = this.#connection?.limits as Limits
    return isTakenByServer(message, limits) && this.#write(message, true) > 0
  }

  /** Bytes written; 0 when it exceeds the server's Maximum Packet Size. */
  #write(message: OutboundMessage, isFirst: boolean): number {
    const connection = this.#connection as Connection
    const { output, trace } = this.#wire
    const version = connection.protocolVersion
    let alias = 0
    let omitTopic = false
    const aliases = connection.outboundAliases
    // A resend carries the full topic: the connection on which its alias was known is gone.
    if (aliases !== undefined && isFirst && (message.topicAlias !== 0 || this.#policy.autoTopicAlias)) {
      if (message.topicAlias > 0) {
        alias = message.topicAlias
        aliases.assignFixed(message.topic, alias)
      } else alias = aliases.assign(message.topic)
      omitTopic = aliases.isKnown
    }
    const interval = message.expiry === undefined ? -1 : this.#expiryInterval(message, isFirst)
    if (omitTopic && message.qos > 0 && !this.#mayBeResent(message)) return 0
    let written = encodePublish(output, version, message, alias, omitTopic, interval)
    // The server has not heard of the alias.
    if (written === 0 && alias > 0 && !omitTopic) aliases?.forget(alias)
    if (written === 0 && alias > 0 && message.topicAlias <= 0) {
      // A new alias makes the packet longer; without it the message may still fit.
      alias = 0
      omitTopic = false
      written = encodePublish(output, version, message, alias, omitTopic, interval)
    }
    if (trace !== undefined && written > 0) {
      trace.onPacketSent({
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
    return written
  }

  /**
   * Whether a message that is short enough thanks to its alias would be so without it, as a resend is: else a lost
   * connection would leave an exchange that cannot be finished.
   */
  #mayBeResent(message: OutboundMessage): boolean {
    const { maximumPacketSize } = this.#wire.output
    if (maximumPacketSize === LARGEST_PACKET) return true
    const expiryBytes = message.expiry === undefined ? 0 : MESSAGE_EXPIRY_BYTES
    return publishSize(5, message) + expiryBytes <= maximumPacketSize
  }

  /**
   * What is left of the Message Expiry Interval at the first sending; from then on it is fixed [MQTT-4.3.3-7], until a
   * lost session makes it a new message.
   */
  #expiryInterval(message: OutboundMessage, isFirst: boolean): number {
    const { expiry } = message
    if (expiry === undefined) return -1
    if (expiry.endsAt === NEVER) {
      // It only tells that the message has been sent.
      expiry.interval = 0
      return -1
    }
    if (isFirst || expiry.interval < 0) {
      expiry.interval = Math.max(0, Math.ceil((expiry.endsAt - this.#now) / 1000))
    }
    return expiry.interval
  }

  /** The exchange is over: the id is free, the quota grows, and what waits may go. */
  #settle(message: OutboundMessage, packet: AckPacket): void {
    this.#outbox.settle(message)
    this.#ids.release(message.packetId)
    this.#journal?.settled(message)
    if (this.#outbox.cursor !== undefined) this.#pumpFlow()
    this.#fetch()
    // 0x92 in PUBCOMP is no failure: the server had finished with it before. [MQTT 5.0 §3.7.2.1]
    const failed = packet.reasonCode >= 0x80 && packet.type !== 'pubcomp'
    this.#sink.onSettled(message, failed ? publicationRefused(message, packet) : outcomeOf(packet))
  }

  /** Settles a message that the server does not take, saying which limit stands against it. */
  #refuse(message: OutboundMessage): void {
    this.#settleUnsent(message, notTakenByServer(message, this.#connection?.limits as Limits))
  }

  #settleUnsent(message: OutboundMessage, error: MqttError): void {
    this.#outbox.settle(message)
    if (message.qos > 0 && message !== this.#fresh) this.#journal?.settled(message)
    this.#sink.onSettled(message, error)
  }

  #isExpired(message: OutboundMessage): boolean {
    return message.expiry !== undefined && message.expiry.dropAt <= this.#now
  }

  #watchExpiry(message: OutboundMessage): void {
    const dropAt = message.expiry?.dropAt
    if (dropAt !== undefined && dropAt < this.#expiryDue) this.#expiryDue = dropAt
  }
}

/** Whether this packet can answer this message where it stands. */
function checkAnswers({ type, packetId }: AckPacket, message: OutboundMessage): void {
  const isReleased = message.stage === Stage.released
  const fits = message.qos === 1 ? type === 'puback' : isReleased ? type !== 'puback' : type === 'pubrec'
  if (fits) return
  throw violation(
    type,
    `${type.toUpperCase()} for packet ${packetId}, a QoS ${message.qos} publication` +
      `${isReleased ? ' that has been released' : ''}`,
    message.qos === 1 ? 'MQTT-4.3.2-3' : 'MQTT-4.3.3-3',
    { field: 'Packet Identifier' },
  )
}

function outcomeOf(packet: AckPacket): PublishOutcome {
  if (packet.reasonCode === 0 && packet.properties === undefined) return SUCCESS
  return { reasonCode: packet.reasonCode, properties: packet.properties }
}

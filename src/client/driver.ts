import type { ByteWriter } from '../codec/byte-writer.ts'
import { giveBack } from '../codec/chunk-pool.ts'
import type { ConnackPacket, DisconnectPacket, QoS } from '../codec/packet.ts'
import { ClosedError, type MqttError, StoreError, TimeoutError } from '../errors.ts'
import type {
  ConnectRequest,
  DisconnectRequest,
  FilterResult,
  SubscribeCommand,
  UnsubscribeCommand,
} from '../session/command.ts'
import type { InboundMessage } from '../session/inbound-message.ts'
import type { RestoredSession } from '../session/journal.ts'
import { graceMs } from '../session/keep-alive.ts'
import type { Limits } from '../session/limits.ts'
import type { OutboundMessage } from '../session/outbound-message.ts'
import { Session } from '../session/session.ts'
import type { PacketTrace, PublishOutcome, SessionSink } from '../session/sink.ts'
import { CONGESTION_MARK } from '../transport/marks.ts'
import type { Transport, TransportHandler } from '../transport/transport.ts'
import type { Clock, Timer } from './clock.ts'
import { type DurableJournal, JournalGate } from './journal-gate.ts'
import type { AnyMessage } from './message.ts'
import type { ResolvedOptions } from './options.ts'
import { PromiseParts } from './promise-parts.ts'
import type { OutgoingPublication, PublicationHost } from './publication.ts'
import type { Counters } from './stats.ts'

/** Who is told, last in each turn: these calls may run user code, and may call the driver again. */
export interface DriverOwner {
  readonly clock: Clock
  readonly connections: ConnectionOwner
  /** In the order of arrival, and one at least. */
  onMessages(messages: AnyMessage[]): void
  onSessionLost(): void
  onResubscribed(results: readonly FilterResult[]): void
  onPublishFailed(publication: OutgoingPublication, error: unknown): void
  onStoreFailed(error: StoreError): void
  /** Something was published, and the store is not open yet. */
  onStoreNeeded(): void
  /** Bytes were sent or the queue became shorter. */
  onTurnEnd(): void
}

/** Who makes the connections. */
export interface ConnectionOwner {
  onConnected(limits: Limits, connack: ConnackPacket): void
  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void
  onAuthenticate(data: Uint8Array | undefined): void
  onReauthenticated(data: Uint8Array | undefined): void
}

/** A turn's output is written in pieces of this size, so that a long loop of publications keeps the network busy. */
const EAGER_FLUSH = 65_536
/**
 * The same with a store, where each piece is a write of its own, the next of which begins when the turn is over: about half
 * of a long turn is written while the other half is made.
 */
const EAGER_STORE = 196_608

const NEVER = Number.POSITIVE_INFINITY

// Of all drivers that have none: nothing is put into them.
const NO_LINKS: readonly Link[] = []
const NO_PONGS: readonly PromiseParts<number>[] = []
const NO_NEWS: (AnyMessage[] | (() => void))[] = []

/** One network connection, as the driver holds it: calls of one that was left behind reach nobody. */
class Link implements TransportHandler {
  transport: Transport | undefined = undefined
  readonly #driver: Driver

  constructor(driver: Driver) {
    this.#driver = driver
  }

  onBytes(chunk: Uint8Array): void {
    this.#driver.received(this, chunk)
  }

  onDrain(): void {
    this.#driver.linkDrained(this)
  }

  onClose(cause: Error | undefined): void {
    this.#driver.linkClosed(this, cause)
  }
}

/**
 * Where session, transport, clock and store meet. Every input ends in `#after`, so that there is one rhythm:
 * at the end of the turn the store is flushed, then the bytes of the turn are written as one block, then one timer is armed for the
 * session's next deadline, and only then, when everything is consistent, user code runs.
 */
export class Driver implements SessionSink, PublicationHost {
  readonly session: Session
  readonly #owner: DriverOwner
  readonly #counters: Counters
  readonly #ackTimeoutMs: number
  /** Undefined without a store. */
  readonly #gate: JournalGate | undefined
  // Lists and promises are made when there is something to be kept in them: most clients never have most of them.
  /** Publications from before the store was open: what is in it comes first. */
  #early: OutgoingPublication[] | undefined = undefined
  #earlyBytes = 0
  /** The connection in use. */
  #link: Link | undefined = undefined
  /** Connections that are left and have not said that they are closed. */
  #leaving: readonly Link[] = NO_LINKS
  /** The one of `#leaving` that still gets what is in the output: DISCONNECT. */
  #farewell: Link | undefined = undefined
  #now: number
  #turnScheduled = false
  /** A journal flush is under way; bytes of later turns wait for its end. */
  #storing = false
  #storeFailure: StoreError | undefined = undefined
  /** Settled when a flush has ended. */
  #flushed: PromiseParts<void> | undefined = undefined
  /** Settled after the next flush that begins. */
  #recorded: PromiseParts<void> | undefined = undefined
  #timer: Timer | undefined = undefined
  #armedFor: number = NEVER
  /** The timer was set while something was received, not by a timer. */
  #armedByNetwork = false
  #progressAt = 0
  /** `#progressAt` when it was moved since the timer had come late. */
  #movedTo = 0
  #congested = false
  #publishing: OutboundMessage | undefined = undefined
  /** What is to be told when the session has returned, in order. */
  #inbox = NO_NEWS
  /** The messages at its end. */
  #run: AnyMessage[] | undefined = undefined
  /** Those who wait for the answer to a ping: with its time. */
  #pongs = NO_PONGS
  #allClosed: PromiseParts<void> | undefined = undefined

  constructor(options: ResolvedOptions, owner: DriverOwner, counters: Counters) {
    this.#now = owner.clock.now()
    this.#owner = owner
    this.#counters = counters
    this.#ackTimeoutMs = options.ackTimeoutMs
    this.#gate = options.store === undefined ? undefined : new JournalGate()
    this.session = new Session(options, this, this.#gate)
  }

  set trace(trace: PacketTrace | undefined) {
    this.session.trace = trace
  }

  /** Sequence number up to which publications are stored; Infinity without a store. */
  get storedThrough(): number {
    return this.#gate === undefined ? NEVER : (this.#gate.journal?.storedThrough ?? 0)
  }

  /** What is unfinished is in a store, and will be taken up by the next client that opens it. */
  get keepsSession(): boolean {
    return this.#gate?.journal !== undefined && this.#storeFailure === undefined
  }

  get congested(): boolean {
    return this.#congested
  }

  /** Publications that have not been sent, those included that wait for the store to be opened. */
  get queuedMessages(): number {
    return this.session.queuedMessages + (this.#early?.length ?? 0)
  }

  /** Payload bytes of `queuedMessages`. */
  get queuedBytes(): number {
    return this.session.queuedBytes + this.#earlyBytes
  }

  /** Some publications are not in the session yet: the store is being opened. */
  get awaitsStore(): boolean {
    return this.#early !== undefined && this.#early.length > 0
  }

  oldestQueued(): OutgoingPublication | undefined {
    return (this.session.oldestQueued() as OutgoingPublication | undefined) ?? this.#early?.[0]
  }

  // ------------------------------------------------------------------------------------------------ inputs

  /** The handler for a transport that is about to be opened for this driver. */
  prepare(): TransportHandler {
    return new Link(this)
  }

  /** Takes a freshly opened transport and writes CONNECT. Throws `OptionsError` for a CONNECT that MQTT forbids. */
  connect(handler: TransportHandler, transport: Transport, request: ConnectRequest): void {
    const link = handler as Link
    link.transport = transport
    try {
      this.session.connect(request, this.#tick(), transport.description || undefined)
    } catch (error) {
      this.#leaving = [...this.#leaving, link]
      transport.destroy()
      throw error
    }
    this.#link = link
    this.#after()
  }

  /** What is published now is encoded before `publish` returns, which throws what MQTT forbids. */
  writesAtOnce(qos: QoS): boolean {
    return this.#gate?.isOpen !== false && this.session.writesAtOnce(qos)
  }

  publish(message: OutgoingPublication): void {
    if (this.#gate !== undefined && this.#gate.journal === undefined) {
      this.#early ??= []
      this.#early.push(message)
      this.#earlyBytes += message.payload.length
      this.#owner.onStoreNeeded()
      return
    }
    this.#publishing = message
    // The clock is read once per turn: what is published in between shares its time.
    try {
      this.session.publish(message, this.turnNow())
    } finally {
      this.#publishing = undefined
    }
    if (!this.#turnScheduled) this.#after()
    else if (this.session.output.length >= (this.#gate === undefined ? EAGER_FLUSH : EAGER_STORE))
      this.#flush()
  }

  /** Settles a publication that was not taken, or was taken out again. */
  refuse(message: OutgoingPublication, error: MqttError): void {
    this.#counters.publishFailures++
    message.fail(error)
  }

  subscribe(command: SubscribeCommand): void {
    this.#tick()
    this.session.subscribe(command)
    this.#after()
  }

  unsubscribe(command: UnsubscribeCommand): void {
    this.#tick()
    this.session.unsubscribe(command)
    this.#after()
  }

  acknowledge(message: AnyMessage, reasonCode: number): void {
    this.session.acknowledge(message, reasonCode)
    if (!this.#turnScheduled) this.#after()
  }

  disown(message: AnyMessage): void {
    this.session.disown(message)
    if (!this.#turnScheduled) this.#after()
  }

  /** Holds publications back, or lets them go: whether the server is the one that it should be has yet to be seen. */
  hold(isHeld: boolean): void {
    this.session.setCongested(isHeld, this.#tick())
    this.#after()
  }

  authenticate(data: Uint8Array | undefined): void {
    this.session.authenticate(data)
    this.#after()
  }

  reauthenticate(data: Uint8Array | undefined): void {
    this.session.reauthenticate(data)
    this.#after()
  }

  /** Resolves with the round trip in milliseconds; rejects when the connection ends first. */
  async ping(): Promise<number> {
    const sentAt = this.#tick()
    const pong = new PromiseParts<number>()
    this.#pongs = [...this.#pongs, pong]
    this.session.ping(sentAt)
    this.#flush()
    return (await pong.promise) - sentAt
  }

  /** The store is open: takes up the session that was in it, then what was published meanwhile. Before the first `connect`. */
  openStore(journal: DurableJournal, state: RestoredSession): void {
    if (this.#gate === undefined) return
    this.session.restore(state, this.#tick())
    this.#gate.journal = journal
    for (const message of this.#takeEarly()) this.publish(message)
    this.#after()
  }

  /** Publications that the store has given back: the next ones in order. */
  recall(messages: readonly OutboundMessage[]): void {
    this.session.recall(messages, this.#tick())
    this.#after()
  }

  /** Publications that have expired in the store. */
  expireRecalled(messages: readonly OutboundMessage[]): void {
    this.#tick()
    this.session.expireRecalled(messages)
    this.#after()
  }

  /** Publications in the store, of so many bytes each, that could not be read. */
  forgetSpilled(bytes: readonly number[]): void {
    for (const size of bytes) this.session.forgetSpilled(size)
    this.#after()
  }

  /** Sends DISCONNECT, then closes the transport. */
  disconnect(request: DisconnectRequest): void {
    this.#tick()
    this.session.disconnect(request)
    this.#flush()
    this.#arm()
    this.#after()
  }

  /** Drops the connection as it is: no DISCONNECT, and what was not sent is not sent. */
  drop(cause: Error): void {
    const link = this.#link
    if (link === undefined) return
    this.#leave(link, false)
    this.session.transportClosed(cause, this.#tick())
    this.#arm()
    this.#after()
  }

  /** Calls back when the session has returned, in the order of what happened. */
  tell(callback: () => void): void {
    this.#later(callback)
    this.#after()
  }

  /** Ends the turn now: what has happened is told before this returns. Not to be called from within the session. */
  settleTurn(): void {
    this.#endTurn()
  }

  /** The client has ended: everything that waits gets this error. */
  fail(error: MqttError): void {
    for (const message of this.#takeEarly()) message.fail(error)
    this.session.fail(error)
    this.#flushed?.reject(error)
    this.#after()
  }

  /** Resolves when every transport has said that it is closed. */
  whenClosed(): Promise<void> {
    if (this.#link === undefined && this.#leaving.length === 0) return Promise.resolve()
    this.#allClosed ??= new PromiseParts()
    return this.#allClosed.promise
  }

  /** Resolves when everything recorded so far is stored, or storing has failed. */
  async settleStore(): Promise<void> {
    const journal = this.#gate?.journal
    if (journal === undefined) return
    // The failure is told elsewhere.
    while (journal.dirty && this.#storeFailure === undefined) await journal.flush().catch(() => {})
    this.#flush()
  }

  // ------------------------------------------------------------------------------------------------ publications

  async whenStored(publication: OutgoingPublication): Promise<void> {
    // It has no sequence number before the store is open.
    while (publication.sequence === 0 || publication.sequence > this.storedThrough) {
      if (this.#storeFailure !== undefined) throw this.#storeFailure
      this.#flushed ??= new PromiseParts()
      await this.#flushed.promise
    }
  }

  /** Resolves when everything recorded so far is stored, rejects with `StoreError`; undefined when nothing waits to be stored. */
  whenRecorded(): Promise<void> | undefined {
    if (this.#storeFailure !== undefined) return Promise.reject(this.#storeFailure)
    if (this.#gate?.journal?.binding !== true) return undefined
    this.#recorded ??= new PromiseParts()
    return this.#recorded.promise
  }

  cancel(publication: OutgoingPublication): boolean {
    const early = this.#early?.indexOf(publication) ?? -1
    if (early >= 0) {
      this.#early?.splice(early, 1)
      this.#earlyBytes -= publication.payload.length
    } else if (!this.session.cancel(publication)) return false
    this.#after()
    return true
  }

  #takeEarly(): OutgoingPublication[] {
    const early = this.#early ?? []
    this.#early = undefined
    this.#earlyBytes = 0
    return early
  }

  publishFailed(publication: OutgoingPublication, error: unknown): void {
    // Whoever got the publication just now has the rest of this turn to ask for its promises.
    this.tell(() => {
      if (!publication.isObserved) this.#owner.onPublishFailed(publication, error)
    })
  }

  // ------------------------------------------------------------------------------------------------ transport

  received(link: Link, chunk: Uint8Array): void {
    if (link !== this.#link) return
    this.#counters.bytesReceived += chunk.length
    this.session.receive(chunk, this.#tick())
    // Browsers let a timer that was set by a timer, by a timer and so on wait for a minute when the page is hidden. This one is not.
    if (!this.#armedByNetwork) this.#disarm()
    // Acknowledgements leave before user code runs, however long that takes.
    this.#endTurn()
    this.#armedByNetwork = true
  }

  linkDrained(link: Link): void {
    if (link !== this.#link) return
    if (this.#congested) {
      this.#congested = false
      this.session.setCongested(false, this.#tick())
    }
    this.#endTurn()
  }

  linkClosed(link: Link, cause: Error | undefined): void {
    this.#leaving = this.#leaving.filter((other) => other !== link)
    if (link === this.#farewell) this.#farewell = undefined
    if (link === this.#link) {
      this.#link = undefined
      this.#congested = false
      this.session.transportClosed(cause, this.#tick())
      this.#endTurn()
    }
    if (this.#link === undefined && this.#leaving.length === 0) {
      this.#allClosed?.resolve()
      this.#allClosed = undefined
    }
  }

  // ------------------------------------------------------------------------------------------------ the sink

  onConnected(limits: Limits, connack: ConnackPacket): void {
    this.#later(() => this.#owner.connections.onConnected(limits, connack))
  }

  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
    const link = this.#link
    // A dead link takes no leave: it would be waited for.
    if (link !== undefined) this.#leave(link, error?.code !== 'ERR_MQTT_KEEP_ALIVE_TIMEOUT')
    const pongs = this.#pongs
    this.#pongs = NO_PONGS
    this.#later(() => {
      for (const pong of pongs)
        pong.reject(error ?? new ClosedError('The connection was closed before the answer to the ping'))
      this.#owner.connections.onDisconnected(error, packet)
    })
  }

  onMessage(message: InboundMessage): void {
    if (this.#run === undefined) {
      this.#run = []
      this.#note(this.#run)
    }
    this.#run.push(message as AnyMessage)
  }

  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void {
    this.#progressAt = this.#now
    const publication = message as OutgoingPublication
    if (outcome instanceof Error) this.#counters.publishFailures++
    // What fails inside publish() is thrown there.
    if (message === this.#publishing && outcome instanceof Error) publication.fail(outcome, true)
    else publication.settle(outcome)
  }

  onSent(message: OutboundMessage): void {
    ;(message as OutgoingPublication).markSent()
  }

  onResubscribed(results: readonly FilterResult[]): void {
    this.#later(() => this.#owner.onResubscribed(results))
  }

  onSessionLost(): void {
    this.#later(() => this.#owner.onSessionLost())
  }

  onAuthenticate(data: Uint8Array | undefined): void {
    this.#later(() => this.#owner.connections.onAuthenticate(data))
  }

  onReauthenticated(data: Uint8Array | undefined): void {
    this.#later(() => this.#owner.connections.onReauthenticated(data))
  }

  onPong(): void {
    const [pong, ...others] = this.#pongs
    this.#pongs = others
    pong?.resolve(this.#now)
  }

  // ------------------------------------------------------------------------------------------------ the rhythm

  /** The time that the present turn reckons with: it does not move within one. */
  turnNow(): number {
    return this.#turnScheduled ? this.#now : this.#tick()
  }

  #tick(): number {
    this.#now = this.#owner.clock.now()
    return this.#now
  }

  /** Every input ends here. */
  #after(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    this.#owner.clock.soon(this.#turnEnds.bind(this))
  }

  #turnEnds(): void {
    this.#turnScheduled = false
    this.#endTurn()
  }

  #endTurn(): void {
    this.#flush()
    this.#arm()
    if (this.#inbox.length > 0) this.#tell()
    this.#owner.onTurnEnd()
  }

  #later(callback: () => void): void {
    this.#run = undefined
    this.#note(callback)
  }

  #note(news: AnyMessage[] | (() => void)): void {
    if (this.#inbox === NO_NEWS) this.#inbox = [news]
    else this.#inbox.push(news)
  }

  /** User code, last. What it does comes back as new inputs. */
  #tell(): void {
    const inbox = this.#inbox
    this.#inbox = NO_NEWS
    this.#run = undefined
    for (const item of inbox) {
      if (typeof item === 'function') item()
      else this.#owner.onMessages(item)
    }
  }

  /** The write barrier: what depends on a record leaves after its flush. Without a store nothing waits. */
  #flush(): void {
    const { output } = this.session
    const journal = this.#gate?.journal
    // Bytes of an earlier turn wait for their flush: these come after them.
    if (this.#storing) return
    const link = this.#farewell ?? this.#link
    if (this.#storeFailure !== undefined) {
      // What depends on lost records must not leave.
      this.#farewell = undefined
      link?.transport?.destroy()
      return
    }
    while (journal?.binding !== true && !output.isEmpty) if (!this.#write(link, output.lend())) break
    if (journal?.dirty === true) this.#store(journal, link, output)
    else {
      // The write that has just ended had in it what they wait for.
      this.#recorded?.resolve()
      this.#recorded = undefined
      this.#farewell?.transport?.end()
      this.#farewell = undefined
    }
  }

  #store(journal: DurableJournal, link: Link | undefined, output: ByteWriter): void {
    const chunks = journal.binding && !output.isEmpty ? output.lend() : []
    const { binding } = journal
    if (binding) this.#storing = true
    const recorded = this.#recorded
    this.#recorded = undefined
    journal.flush().then(
      () => {
        recorded?.resolve()
        // A flush that nothing waits for may end while one is under way for which output is held back.
        if (binding) this.#storing = false
        this.#tick()
        if (chunks.length > 0) this.#write(link, chunks)
        this.#flushed?.resolve()
        this.#flushed = undefined
        this.#endTurn()
      },
      (cause: unknown) => {
        this.#storing = false
        this.storeFailed(
          cause instanceof StoreError
            ? cause
            : new StoreError('The session store failed to write', { cause }),
        )
        recorded?.reject(this.#storeFailure)
      },
    )
  }

  /** From now on nothing is stored, and nothing leaves. */
  storeFailed(error: StoreError): void {
    if (this.#storeFailure !== undefined) return
    this.#storeFailure = error
    this.#flushed?.reject(error)
    this.#recorded?.reject(error)
    this.#later(() => this.#owner.onStoreFailed(error))
    this.#after()
  }

  /** False when there is nothing to write to, or no more should be written for now. */
  #write(link: Link | undefined, chunks: Uint8Array[]): boolean {
    const transport = link?.transport
    if (transport === undefined) return false
    for (const chunk of chunks) this.#counters.bytesSent += chunk.length
    transport.write(chunks, giveBack)
    if (link !== this.#link) return false
    const buffered = transport.bufferedBytes
    if (!this.#congested && buffered > CONGESTION_MARK) {
      this.#congested = true
      this.session.setCongested(true, this.#now)
    }
    // What waits behind a full block of output moves up.
    this.session.flushed(this.#now)
    return true
  }

  #leave(link: Link, farewell: boolean): void {
    this.#link = undefined
    this.#congested = false
    this.#leaving = [...this.#leaving, link]
    if (farewell) this.#farewell = link
    else link.transport?.destroy()
  }

  /** One timer for everything. A deadline that moves away lets it fire and look again, instead of setting it anew each time. */
  #arm(): void {
    const deadline = Math.min(this.session.nextDeadline(), this.#ackDeadline())
    if (deadline < this.#armedFor || deadline === NEVER) this.#disarm()
    if (deadline >= this.#armedFor) return
    this.#armedFor = deadline
    this.#armedByNetwork = false
    this.#timer = this.#owner.clock.setTimer(this.#timerFires.bind(this), deadline - this.#now)
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#armedFor = NEVER
  }

  #timerFires(): void {
    this.#disarm()
    const now = this.#tick()
    this.session.expire(now)
    const late = now - this.#ackDeadline()
    if (late > 0 && this.#progressAt !== this.#movedTo) {
      // The acknowledgement may lie unread behind the timer.
      this.#progressAt += late + graceMs(late)
      this.#movedTo = this.#progressAt
    } else if (late >= 0) {
      this.drop(new TimeoutError(`no acknowledgement within ${this.#ackTimeoutMs} ms (ackTimeoutMs)`))
    }
    this.#endTurn()
  }

  #ackDeadline(): number {
    if (this.#ackTimeoutMs === 0) return NEVER
    if (this.session.phase === 'online' && !this.#congested && this.session.hasUnfinishedWork)
      return this.#progressAt + this.#ackTimeoutMs
    this.#progressAt = this.#now
    return NEVER
  }
}

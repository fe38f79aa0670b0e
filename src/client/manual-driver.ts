import { giveBack } from '../codec/chunk-pool.ts'
import type { ConnackPacket, DisconnectPacket, ProtocolVersion } from '../codec/packet.ts'
import { ConnectionLostError, MqttError, StoreError } from '../errors.ts'
import type { Millis } from '../session/command.ts'
import type { InboundMessage } from '../session/inbound-message.ts'
import type { Limits } from '../session/limits.ts'
import type { OutboundMessage } from '../session/outbound-message.ts'
import { Session, type SessionConfig } from '../session/session.ts'
import type { PublishOutcome, SessionSink } from '../session/sink.ts'
import type { PublicationFields } from '../session/stored-record.ts'
import type { SessionStore } from '../store/store.ts'
import { CONGESTION_MARK } from '../transport/marks.ts'
import type { Transport, TransportFactory, TransportHandler } from '../transport/transport.ts'
import { type Clock, systemClock } from './clock.ts'
import { type DurableJournal, JournalGate } from './journal-gate.ts'

/**
 * What a manual driver tells. The session's facts come from within `read`, `write`, `check` and `deliver` alone, in
 * the order of the packets, and may run user code; what they throw comes out of that call.
 */
export interface ManualDriverHandler {
  onConnected(limits: Limits, connack: ConnackPacket): void
  /** The session has ended the connection or lost it. What it still has to say is in `output`; see `close`. */
  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void
  onMessage(message: InboundMessage): void
  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void
  /** From the event loop: there is something to `read` now: bytes, or the end of the connection. */
  onReadable(): void
  /** From the event loop: the transport takes bytes again, or what had to be stored first is. */
  onWritable(): void
  /** While it opens: records of the store could not be read and were set aside. The rest goes on. */
  onStoreDamaged(error: StoreError): void
  /** From the event loop: the store has failed. What depends on it will never leave: the connection is to be closed. */
  onStoreFailed(error: StoreError): void
}

/** Where the session outlives the process. */
export interface ManualStore {
  readonly store: SessionStore
  readonly clientId: string
  readonly protocolVersion: ProtocolVersion
  readonly createMessage: (fields: PublicationFields) => OutboundMessage
  /** Once, before the first connection: what the store held. */
  readonly onRestored: (messages: readonly OutboundMessage[], lastSequence: number) => void
}

/** Bytes read ahead while `flowing`. */
const READ_AHEAD = 262_144

/** Something to tell. Once the connection has ended, `connection` is nothing any more, and `trace` is told before the rest. */
interface Fact {
  readonly about: 'connection' | 'outcome' | 'trace' | InboundMessage
  readonly tell: () => void
}

/**
 * A session and its connection that stand still unless they are moved: nothing is handed to the session, written,
 * pinged or timed but by a call. For event loops that belong to someone else.
 *
 *     open ──> session.connect ──> write ──> read … write … check … ──> close
 */
export class ManualDriver implements SessionSink {
  readonly session: Session
  readonly #handler: ManualDriverHandler
  readonly #clock: Clock
  #transport: Transport | undefined
  /** What has been received and not yet been read. */
  #input: Uint8Array[] = []
  #inputLength = 0
  #paused = false
  #flowing = false
  /** The transport has closed; `cause` is absent after an orderly end. */
  #end: { readonly cause: Error | undefined } | undefined
  #facts: Fact[] = []
  /** The message that `publish` is handing over, and what the session said against it. */
  #publishing: OutboundMessage | undefined
  #refusal: MqttError | undefined
  readonly #gate: JournalGate | undefined
  #unopened: ManualStore | undefined
  /** Publications from before the store was open: what is in it comes first. */
  #early: OutboundMessage[] = []
  /** Output that leaves when what it depends on is stored. */
  #held: Uint8Array[] | undefined
  #storeFailure: StoreError | undefined
  #storeIsOpen = false
  /** Opening and closing, one after the other. */
  #storeWork: Promise<unknown> = Promise.resolve()

  constructor(
    config: SessionConfig,
    handler: ManualDriverHandler,
    store?: ManualStore,
    clock: Clock = systemClock,
  ) {
    this.#gate = store === undefined ? undefined : new JournalGate()
    this.#unopened = store
    this.session = new Session(config, this, this.#gate)
    this.#handler = handler
    this.#clock = clock
  }

  get now(): Millis {
    return this.#clock.now()
  }

  get isOpen(): boolean {
    return this.#transport !== undefined
  }

  /** The open connection. */
  get transport(): Transport | undefined {
    return this.#transport
  }

  /** Bytes received and not read. */
  get pending(): number {
    return this.#inputLength
  }

  /** Whether `read` has something to do. */
  get isReadable(): boolean {
    return this.#inputLength > 0 || (this.#end !== undefined && this.#transport !== undefined)
  }

  /** Whether something is to be written. */
  get hasOutput(): boolean {
    return !this.session.output.isEmpty || this.#held !== undefined
  }

  /** Whether `write` can get rid of something. */
  get isWritable(): boolean {
    const transport = this.#transport
    return transport !== undefined && this.#held === undefined && transport.bufferedBytes < CONGESTION_MARK
  }

  /** Whether input is taken from the transport ahead of `read`; otherwise one chunk at most, so that the server feels it. */
  set flowing(flowing: boolean) {
    this.#flowing = flowing
    if (flowing) this.#resume()
    else this.#pause()
  }

  /** Opens a connection; `session.connect` is the caller's next step. Rejects with a `ConnectError`. */
  async open(factory: TransportFactory, signal: AbortSignal): Promise<void> {
    let closed = false
    const handler: TransportHandler = {
      onBytes: (chunk) => {
        if (this.#transport !== transport) return
        this.#input.push(chunk)
        this.#inputLength += chunk.length
        if (!this.#flowing || this.#inputLength > READ_AHEAD) this.#pause()
        this.#handler.onReadable()
      },
      onDrain: () => {
        if (this.#transport === transport) this.#handler.onWritable()
      },
      onClose: (cause) => {
        closed = true
        if (this.#transport !== transport) return
        this.#end = { cause }
        this.#handler.onReadable()
      },
    }
    if (this.#gate !== undefined) await this.#inTurn(() => this.#openStore())
    signal.throwIfAborted()
    const transport = await factory({ signal, handler })
    if (signal.aborted) {
      transport.destroy()
      throw signal.reason
    }
    this.#transport = transport
    this.#input = []
    this.#inputLength = 0
    this.#paused = false
    this.#end = closed ? { cause: undefined } : undefined
    if (!this.#flowing) this.#pause()
  }

  /** Lets one more chunk in, for whoever waits for something to read. */
  listen(): void {
    if (this.#inputLength === 0) this.#resume()
  }

  /** Hands what has been received to the session and tells what came of it. False when there was nothing. */
  read(): boolean {
    const told = this.#facts.length > 0
    this.deliver()
    if (!this.isReadable) {
      this.listen()
      return told
    }
    const chunk = this.#input.shift()
    if (chunk !== undefined) {
      this.#inputLength -= chunk.length
      this.session.receive(chunk, this.now)
      if (this.#inputLength === 0) this.#resume()
    } else if (this.session.phase === 'offline') {
      // It has ended the connection, and what it said last has not been written.
      this.onDisconnected(
        new ConnectionLostError('The connection was lost', { cause: this.#end?.cause }),
        undefined,
      )
    } else {
      this.session.transportClosed(this.#end?.cause, this.now)
    }
    this.deliver()
    return true
  }

  /** Takes up to `length` received bytes away from the session. */
  take(length: number): Uint8Array {
    const chunk = this.#input[0]
    if (chunk === undefined) return new Uint8Array(0)
    const taken = chunk.slice(0, length)
    if (taken.length === chunk.length) this.#input.shift()
    else this.#input[0] = chunk.subarray(taken.length)
    this.#inputLength -= taken.length
    return taken
  }

  /** Hands the session's output to the transport, as long as that takes it. True when all of it is gone. */
  write(): boolean {
    const { output } = this.session
    const journal = this.#gate?.journal
    while (!output.isEmpty) {
      if (!this.isWritable) return false
      if (journal?.binding === true) {
        this.#store(journal, output.lend())
        return false
      }
      this.#transport?.write(output.lend(), giveBack)
      this.session.flushed(this.now)
    }
    if (this.#held !== undefined) return false
    // What is recorded now are ends: nothing waits for them.
    if (journal?.dirty === true) this.#store(journal, undefined)
    return true
  }

  /** Gives a publication to the session. An error when the server's limits forbid it: then it is gone, and untold. */
  publish(message: OutboundMessage): MqttError | undefined {
    if (this.#unopened !== undefined) {
      this.#early.push(message)
      return undefined
    }
    this.#publishing = message
    this.#refusal = undefined
    this.session.publish(message, this.now)
    this.#publishing = undefined
    return this.#refusal
  }

  /** Pings and gives up as time demands, and tells what came of it. */
  check(): void {
    this.session.expire(this.now)
    this.deliver()
  }

  /** Tells what the session has said and nobody has been told yet, such as what `session.publish` settled at once. */
  deliver(): void {
    for (let fact = this.#facts.shift(); fact !== undefined; fact = this.#facts.shift()) fact.tell()
  }

  /**
   * Ends the connection: after all that was written (`end`), or at once and dropping it (`destroy`). The session
   * is told. Received messages that nobody has been told of are given back to it, for the server to send again; outcomes are
   * still told.
   */
  close(how: 'end' | 'destroy'): void {
    const transport = this.#transport
    if (transport === undefined) return
    this.#transport = undefined
    this.#held = undefined
    this.#input = []
    this.#inputLength = 0
    this.session.transportClosed(undefined, this.now)
    for (const { about } of this.#facts) if (typeof about === 'object') this.session.takeBack(about)
    const traces = this.#facts.filter(({ about }) => about === 'trace')
    this.#facts = this.#facts.filter(({ about }) => about === 'outcome')
    for (const { tell } of traces) tell()
    // A closing transport must not wait for us to read.
    if (this.#paused) transport.resume()
    if (how === 'end') transport.end()
    else transport.destroy()
  }

  onConnected(limits: Limits, connack: ConnackPacket): void {
    this.#say('connection', () => this.#handler.onConnected(limits, connack))
  }

  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
    this.#say('connection', () => this.#handler.onDisconnected(error, packet))
  }

  onMessage(message: InboundMessage): void {
    this.#say(message, () => this.#handler.onMessage(message))
  }

  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void {
    if (message === this.#publishing && outcome instanceof MqttError) this.#refusal = outcome
    else this.#say('outcome', () => this.#handler.onSettled(message, outcome))
  }

  /** For what a command's own `settle` has to say: it is told in its turn. */
  say(tell: () => void): void {
    this.#say('outcome', tell)
  }

  /** For what `session.trace` has to say: inside the session nobody may call it. */
  sayTrace(tell: () => void): void {
    this.#say('trace', tell)
  }

  onSent(): void {}
  onResubscribed(): void {}
  onSessionLost(): void {}
  onAuthenticate(): void {}
  onReauthenticated(): void {}
  onPong(): void {}

  /** Stores what is left and gives the store back until the next `open`. Rejects with `StoreError` when that fails. */
  closeStore(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#storeIsOpen) return
      this.#storeIsOpen = false
      await this.#gate?.journal?.suspend()
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#storeWork.then(work)
    this.#storeWork = done.catch(() => undefined)
    return done
  }

  async #openStore(): Promise<void> {
    if (this.#storeFailure !== undefined) throw this.#storeFailure
    if (this.#storeIsOpen) return
    const opening = this.#unopened
    if (opening === undefined) {
      await this.#gate?.journal?.resume()
      this.#storeIsOpen = true
      return
    }
    // Only clients with a store pay for the code that uses it.
    const { DurableJournal } = await import('../store/durable-journal.ts')
    const { journal, restored, damage } = await DurableJournal.open(opening.store, opening)
    this.#storeIsOpen = true
    this.#unopened = undefined
    opening.onRestored(restored.publications, restored.lastSequence)
    this.session.restore(restored, this.now)
    if (this.#gate !== undefined) this.#gate.journal = journal
    for (const message of this.#early.splice(0)) this.session.publish(message, this.now)
    if (damage !== undefined) this.#handler.onStoreDamaged(damage)
  }

  /** Takes an unsent message back. */
  cancel(message: OutboundMessage): void {
    const early = this.#early.indexOf(message)
    if (early >= 0) this.#early.splice(early, 1)
    else this.session.cancel(message)
  }

  /** The write barrier: what depends on a record leaves after its flush. */
  #store(journal: DurableJournal, held: Uint8Array[] | undefined): void {
    if (held !== undefined) this.#held = held
    journal.flush().then(
      () => {
        // Absent when the connection was closed meanwhile.
        if (held === undefined || this.#held !== held) return
        this.#held = undefined
        this.#transport?.write(held, giveBack)
        this.session.flushed(this.now)
        this.#handler.onWritable()
      },
      (cause: unknown) => {
        // From then on every flush fails: once is enough.
        if (this.#storeFailure !== undefined) return
        this.#storeFailure =
          cause instanceof StoreError ? cause : new StoreError('The session store failed to write', { cause })
        this.#handler.onStoreFailed(this.#storeFailure)
      },
    )
  }

  #say(about: Fact['about'], tell: () => void): void {
    this.#facts.push({ about, tell })
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#transport?.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#transport?.resume()
  }
}

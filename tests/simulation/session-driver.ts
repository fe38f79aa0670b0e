import type { Timer } from '../../src/client/clock.ts'
import type { DisconnectPacket } from '../../src/codec/packet.ts'
import type { MqttError } from '../../src/errors.ts'
import type { FilterResult } from '../../src/session/command.ts'
import { InboundFlow } from '../../src/session/inbound-flow.ts'
import { InboundMessage } from '../../src/session/inbound-message.ts'
import type { Limits } from '../../src/session/limits.ts'
import type { OutboundMessage } from '../../src/session/outbound-message.ts'
import { ReleaseFlow } from '../../src/session/release-flow.ts'
import { Session } from '../../src/session/session.ts'
import type { PublishOutcome, SessionSink } from '../../src/session/sink.ts'
import type { FaultyLink, LinkEnd } from '../support/faulty-network.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import type { WireAuditor } from '../support/wire-auditor.ts'
import type { Scenario } from './scenario.ts'
import type { SimulatedJournal } from './simulated-journal.ts'

const CONNECT_TIMEOUT_MS = 60_000

/** What the driver tells the simulated application. */
export interface DriverListener {
  onMessage(message: InboundMessage): void
  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void
  onOnline(sessionPresent: boolean): void
  onSessionLost(): void
  onOffline(error: MqttError | undefined): void
}

/**
 * The least that can drive a session: writes after each input (or at the end of the turn), one timer, and the
 * application's code last. It is what the client's driver does, without promises.
 */
export class SessionDriver implements SessionSink {
  readonly session: Session
  /** While false, a lost connection is not made again. */
  wantsConnection = true
  pongs = 0
  readonly #scenario: Scenario
  readonly #clock: VirtualClock
  readonly #auditor: WireAuditor
  readonly #listener: DriverListener
  readonly #open: () => FaultyLink | undefined
  readonly #reconnectDelay: () => number
  readonly #journal: SimulatedJournal | undefined
  #link: LinkEnd | undefined
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY
  #reconnect: Timer | undefined
  #connectTimer: Timer | undefined
  #flushIsDue = false
  #isOver = false
  #isStopped = false
  #inbox: InboundMessage[] = []
  #reauthenticates = false

  constructor(
    scenario: Scenario,
    clock: VirtualClock,
    auditor: WireAuditor,
    listener: DriverListener,
    open: () => FaultyLink | undefined,
    reconnectDelay: () => number,
    journal: SimulatedJournal | undefined,
    deliversOnRelease: boolean,
  ) {
    this.#scenario = scenario
    this.#clock = clock
    this.#auditor = auditor
    this.#listener = listener
    this.#open = open
    this.#reconnectDelay = reconnectDelay
    this.#journal = journal
    this.session = new Session(
      {
        maxInflight: scenario.maxInflight,
        onSessionLost: scenario.onSessionLost,
        resubscribe: true,
        autoTopicAlias: scenario.autoTopicAlias,
        inboundClass: deliversOnRelease ? ReleaseFlow : InboundFlow,
        publishClass: InboundMessage,
      },
      this,
      journal,
    )
  }

  get isConnected(): boolean {
    return this.#link !== undefined
  }

  /** Timers of the driver that are set. */
  get armedTimers(): number {
    return (this.#timer === undefined ? 0 : 1) + (this.#reconnect === undefined ? 0 : 1)
  }

  connect(): void {
    if (this.#link !== undefined || this.#isStopped) return
    this.#reconnect?.cancel()
    this.#reconnect = undefined
    this.wantsConnection = true
    const link = this.#open()?.client
    if (link === undefined) {
      this.#reconnectLater()
      return
    }
    this.#link = link
    this.#auditor.connectionOpened()
    link.listener = {
      onBytes: (chunk) => {
        if (this.#link !== link) return
        this.#auditor.received(chunk, this.#clock.now())
        this.session.receive(chunk, this.#clock.now())
        this.after()
      },
      onClose: (cause) => {
        if (this.#link !== link) return
        this.#link = undefined
        this.session.transportClosed(cause, this.#clock.now())
        this.after()
        // Without a connection the session had ended it already.
        this.#isOver = false
        this.#reconnectLater()
      },
    }
    this.session.connect(this.#scenario.connect, this.#clock.now())
    this.after()
    this.#connectTimer?.cancel()
    this.#connectTimer = this.#clock.setTimer(() => this.#giveUp(link), CONNECT_TIMEOUT_MS)
  }

  /** No CONNACK has come in time. */
  #giveUp(link: LinkEnd): void {
    this.#connectTimer = undefined
    if (this.#link !== link || this.session.phase === 'online') return
    this.#link = undefined
    link.destroy()
    this.session.transportClosed(new Error('no CONNACK in time'), this.#clock.now())
    this.after()
    this.#isOver = false
    this.#reconnectLater()
  }

  /** Stops like a process that dies: nothing is written, nothing is told. */
  kill(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#connectTimer?.cancel()
    this.#reconnect?.cancel()
    this.#reconnect = undefined
    this.#link?.destroy()
    this.#link = undefined
  }

  reauthenticate(): void {
    this.#reauthenticates = true
    this.session.reauthenticate(Uint8Array.of(9))
    this.after()
  }

  /** True while a re-authentication is under way. */
  get isReauthenticating(): boolean {
    return this.#reauthenticates
  }

  /** To be called after each input of the session. */
  after(): void {
    if (this.#isStopped) return
    if (this.#scenario.writesAtOnce) this.#flush()
    else if (!this.#flushIsDue) {
      this.#flushIsDue = true
      this.#clock.soon(() => {
        this.#flushIsDue = false
        this.#flush()
      })
    }
    this.#rearm()
    const inbox = this.#inbox
    this.#inbox = []
    for (const message of inbox) this.#listener.onMessage(message)
  }

  #flush(): void {
    if (this.#isStopped) return
    const { session } = this
    // What depends on a record leaves only after its flush.
    this.#journal?.flush()
    while (!session.output.isEmpty) {
      const chunks = session.output.take()
      if (this.#link === undefined) break
      this.#auditor.sent(chunks, this.#clock.now())
      this.#link.send(chunks)
      session.flushed(this.#clock.now())
      this.#journal?.flush()
    }
    if (this.#isOver) {
      this.#isOver = false
      this.#link?.end()
      this.#link = undefined
      this.#reconnectLater()
    }
    this.#rearm()
  }

  #rearm(): void {
    const next = this.session.nextDeadline()
    if (next === this.#armedFor) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#armedFor = next
    if (next === Number.POSITIVE_INFINITY) return
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined
      this.#armedFor = Number.POSITIVE_INFINITY
      this.session.expire(this.#clock.now())
      this.after()
    }, next - this.#clock.now())
  }

  #reconnectLater(): void {
    if (!this.wantsConnection || this.#reconnect !== undefined || this.#isStopped) return
    this.#reconnect = this.#clock.setTimer(() => {
      this.#reconnect = undefined
      this.connect()
    }, this.#reconnectDelay())
  }

  // ------------------------------------------------------------------------------------------------- SessionSink

  onConnected(limits: Limits): void {
    this.#listener.onOnline(limits.sessionPresent)
    this.#connectTimer?.cancel()
    this.#connectTimer = undefined
  }

  onDisconnected(error: MqttError | undefined, _packet: DisconnectPacket | undefined): void {
    this.#isOver = true
    this.#reauthenticates = false
    this.#listener.onOffline(error)
  }

  onMessage(message: InboundMessage): void {
    this.#inbox.push(message)
  }

  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void {
    this.#listener.onSettled(message, outcome)
  }

  onSent(_message: OutboundMessage): void {}

  onResubscribed(_results: readonly FilterResult[]): void {}

  onSessionLost(): void {
    this.#listener.onSessionLost()
  }

  onAuthenticate(data: Uint8Array | undefined): void {
    // The answer is another input: it may not be given from inside this one.
    this.#clock.soon(() => {
      if (this.#isStopped) return
      this.session.authenticate(data)
      this.after()
    })
  }

  onReauthenticated(): void {
    this.#reauthenticates = false
  }

  onPong(): void {
    this.pongs++
  }
}

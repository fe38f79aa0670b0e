import { encode } from '../../src/codec/encode.ts'
import type { PublishProperties, QoS } from '../../src/codec/packet.ts'
import { checkPublish } from '../../src/codec/publish.ts'
import { ClosedError, type MqttError } from '../../src/errors.ts'
import { AckState, type InboundMessage } from '../../src/session/inbound-message.ts'
import { MessageExpiry, OutboundMessage } from '../../src/session/outbound-message.ts'
import type { PublishOutcome } from '../../src/session/sink.ts'
import type { BrokerSession, Delivery } from '../../src/testing/broker-session.ts'
import { calmNetwork } from '../support/faulty-network.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { WireAuditor } from '../support/wire-auditor.ts'
import { Ledger, numberOf, type OutboundEntry, payloadOf } from './ledger.ts'
import { CLIENT_ID, drawScenario, type Scenario } from './scenario.ts'
import { SessionDriver } from './session-driver.ts'
import { SimulatedBroker } from './simulated-broker.ts'
import { SimulatedJournal } from './simulated-journal.ts'
import { SimulationFailure } from './simulation-failure.ts'
import { Trace } from './trace.ts'

/** Virtual milliseconds that everything has to come to rest in, once the network is calm. */
const CALM_MS = 30 * 60_000
/** More than any seed takes, by far. */
const MOST_STEPS = 100_000
const FILTERS = ['in/a', 'in/b', 'in/#', 'in/+', 'kept/#', '$share/group/in/a', 'refused/x'] as const

const RIVAL = 'rival'

/** Something that a test breaks on purpose, to see that it is noticed. */
export interface Sabotage {
  /** Sees each message before it is published. */
  readonly onPublish?: (message: OutboundMessage) => void
}

export interface LabResult {
  readonly steps: number
  readonly packets: number
}

/**
 * One simulation of a bare session: an application that publishes, subscribes, is slow and changes its mind; the model
 * broker; and the network between them. Everything that happens is drawn from the seed.
 */
export class SessionLab {
  readonly scenario: Scenario
  readonly trace: Trace
  readonly #random: SeededRandom
  readonly #clock: VirtualClock
  readonly #network: SimulatedBroker
  readonly #auditor: WireAuditor
  readonly #ledger: Ledger
  readonly #journal: SimulatedJournal | undefined
  readonly #sabotage: Sabotage
  readonly #entries: Map<OutboundMessage, OutboundEntry> = new Map()
  readonly #open: OutboundMessage[] = []
  /** Broker sessions by the delivery that was queued in them. */
  readonly #homes: Map<Delivery, BrokerSession> = new Map()
  /** The broker's session that the client goes on with, and those it takes for another. */
  #home: BrokerSession | undefined
  readonly #strangeHomes: Set<BrokerSession> = new Set()
  #driver: SessionDriver
  /** Delivered, and the application is not done with them. */
  #held: InboundMessage[] = []
  readonly #eagerness: number
  /** QoS 2 is delivered at PUBREL instead of at PUBLISH. */
  readonly #deliversOnRelease: boolean
  #requests = 0
  #requestsSettled = 0
  #isCalm = false
  #steps = 0

  constructor(seed: number, traces: boolean, sabotage: Sabotage = {}) {
    const random = new SeededRandom(seed)
    this.#random = random
    this.#sabotage = sabotage
    this.scenario = drawScenario(random)
    this.#clock = new VirtualClock(1_700_000_000_000, () => random.next())
    this.trace = new Trace(traces, () => this.#clock.now())
    const report = (rule: string, message: string) => {
      throw new SimulationFailure(rule, message)
    }
    this.#ledger = new Ledger(
      report,
      this.scenario.onSessionLost === 'republish',
      this.scenario.connect.clientId !== '',
    )
    this.#network = new SimulatedBroker(this.#clock, random.fork(), this.scenario.network, {
      ...this.scenario.broker,
      // A session made by somebody else would be taken for its own by the client, and nobody could tell.
      authenticate: ({ username, clientId }) => {
        const session = this.#network.broker.sessions.get(clientId)
        const isOurs = session !== undefined && session.expiryInterval > 0
        return username === RIVAL && !isOurs ? 0x87 : 0
      },
      onAccepted: (message) => {
        if (message.topic.startsWith('out/')) this.#ledger.accepted(message)
      },
      onDelivery: (clientId, delivery) => this.#onDelivery(clientId, delivery),
      onViolation: ({ statement, message }) => report(statement, `the broker says: ${message}`),
    })
    const window = this.scenario.maxInflight ?? (this.scenario.version === 5 ? 65_535 : 20)
    // Apart from the other draws, so that a seed stays the simulation that it was.
    this.#deliversOnRelease = new SeededRandom(~seed).chance(0.4)
    this.#auditor = new WireAuditor(report, window, this.#deliversOnRelease)
    if (traces) this.#auditor.onPacket = (direction, packet) => this.trace.packet(direction, packet)
    this.#eagerness = random.pick([1, 1, 0.5, 0.1])
    this.#journal = random.chance(0.3) ? new SimulatedJournal() : undefined
    this.#driver = this.#makeDriver()
  }

  run(): LabResult {
    const { actions } = this.scenario
    this.trace.note(
      `scenario ${JSON.stringify({ ...this.scenario, connect: { ...this.scenario.connect, will: undefined } })}`,
    )
    this.#driver.connect()
    for (let action = 0; action < actions; action++) {
      this.#act()
      this.#clock.runSoon()
      this.#check()
      const until = this.#clock.now() + this.#pause()
      while (this.#clock.nextAt <= until) this.#step()
    }
    this.#calmDown()
    this.#finish()
    return { steps: this.#steps, packets: this.#auditor.packets }
  }

  #makeDriver(): SessionDriver {
    return new SessionDriver(
      this.scenario,
      this.#clock,
      this.#auditor,
      {
        onMessage: (message) => this.#onMessage(message),
        onSettled: (message, outcome) => this.#onSettled(message, outcome),
        onOnline: (sessionPresent) => this.#onOnline(sessionPresent),
        onSessionLost: () => this.#ledger.sessionLost(),
        onOffline: (error) => this.trace.note(`offline: ${error?.message ?? 'disconnected'}`),
      },
      () => this.#network.connect(),
      () => (this.#isCalm ? 1 : this.#random.integer(0, 3000)),
      this.#journal,
      this.#deliversOnRelease,
    )
  }

  #step(): void {
    if (++this.#steps > MOST_STEPS)
      throw new SimulationFailure('liveness', `no rest after ${MOST_STEPS} steps`)
    this.#clock.runNext()
    this.#check()
  }

  #pause(): number {
    return this.#random.pick([0, 0, 1, 10, 100, 1000, 1000, 20_000])
  }

  // ------------------------------------------------------------------------------------------------- what happens

  #act(): void {
    const what = this.#random.weighted({
      publish: 40,
      burst: 5,
      brokerPublish: 25,
      acknowledge: 15,
      subscribe: 8,
      unsubscribe: 3,
      cancel: 3,
      ping: 2,
      congest: 4,
      cut: 5,
      freeze: 2,
      restart: 1,
      forget: 1,
      takeover: 2,
      serverDisconnect: 2,
      disconnect: 2,
      kill: 1,
      reauthenticate: 2,
    })
    this.trace.note(what)
    this.#steps++
    const now = this.#clock.now()
    const { session } = this.#driver
    switch (what) {
      case 'publish':
        this.#publish()
        break
      case 'burst':
        for (let count = this.#random.integer(2, 12); count > 0; count--) this.#publish()
        break
      case 'brokerPublish':
        for (let count = this.#random.integer(1, 4); count > 0; count--) this.#brokerPublish()
        break
      case 'acknowledge':
        this.#acknowledgeSome()
        break
      case 'subscribe':
        this.#subscribe()
        break
      case 'unsubscribe':
        this.#unsubscribe()
        break
      case 'cancel':
        this.#cancel()
        break
      case 'ping':
        session.ping(now)
        this.#driver.after()
        break
      case 'congest':
        session.setCongested(this.#random.chance(0.5), now)
        this.#driver.after()
        break
      case 'cut':
        for (const link of this.#network.links) link.cut()
        break
      case 'freeze':
        // Only a keep-alive finds out.
        if (this.#keepAlive > 0) for (const link of this.#network.links) link.freeze()
        break
      case 'restart':
        this.#network.restart(true)
        break
      case 'forget':
        // In 3.1 nobody would hear of it: exactly once is out of reach then.
        this.#network.restart(this.scenario.version === 3)
        break
      case 'takeover':
        this.#takeOver()
        break
      case 'serverDisconnect':
        this.#network.disconnect(session.clientId, this.#random.pick([0x8b, 0x89, 0x98, 0x00]))
        break
      case 'disconnect':
        this.#disconnect()
        break
      case 'kill':
        this.#kill()
        break
      case 'reauthenticate':
        if (
          session.phase === 'online' &&
          this.scenario.connect.properties?.authenticationMethod !== undefined &&
          !this.#driver.isReauthenticating
        ) {
          this.#driver.reauthenticate()
        }
        break
      default: {
        const never: never = what
        throw new Error(`no such action: ${String(never)}`)
      }
    }
  }

  get #keepAlive(): number {
    const { limits } = this.#driver.session
    return (
      limits?.keepAlive ??
      Math.min(this.scenario.connect.keepAlive, this.scenario.broker.serverKeepAlive ?? 1)
    )
  }

  #publish(): void {
    const random = this.#random
    const qos = random.pick<QoS>([0, 1, 1, 2, 2])
    const topic = random.weighted({ 'out/a': 5, 'out/b': 3, 'out/c/long/topic': 2, 'refused/x': 0.3 })
    const entry = this.#ledger.publish(topic, qos)
    const size = random.weighted({ 0: 8, 50: 2, 300: 1, 5000: 0.3 })
    const now = this.#clock.now()
    const expires = random.chance(0.1) ? now + random.integer(0, 5) * 1000 : undefined
    const properties: PublishProperties | undefined =
      this.scenario.version === 5 && random.chance(0.2)
        ? { contentType: 'text', userProperties: [['a', 'b']] }
        : undefined
    const message = new OutboundMessage(
      topic,
      payloadOf(entry.number, Number(size)),
      qos,
      random.chance(0.05),
      properties,
      expires === undefined ? undefined : new MessageExpiry(expires, expires),
      random.chance(0.05) ? random.integer(1, 3) : 0,
    )
    checkPublish(this.scenario.version, message)
    this.#sabotage.onPublish?.(message)
    this.#entries.set(message, entry)
    this.#open.push(message)
    this.#driver.session.publish(message, now)
    // QoS 0 that was written at once has no further outcome.
    if (qos === 0 && message.stage === 3 && entry.settled === 0)
      this.#onSettled(message, { reasonCode: 0, properties: undefined })
    this.#driver.after()
  }

  #brokerPublish(): void {
    const random = this.#random
    const retain = random.chance(0.1)
    const topic = retain ? 'kept/a' : random.pick(['in/a', 'in/a', 'in/b'])
    const expires = this.scenario.version === 5 && random.chance(0.1)
    const size = random.weighted({ 0: 8, 100: 1, 1000: 0.3, 70000: 0.05 })
    const payload = this.#ledger.nextPayload(Number(size))
    this.#network.publish(topic, payload, {
      qos: random.pick<QoS>([0, 1, 1, 2, 2]),
      retain,
      ...(expires ? { properties: { messageExpiryInterval: random.integer(0, 30) } } : {}),
    })
  }

  #acknowledgeSome(): void {
    for (let count = this.#random.integer(1, 8); count > 0 && this.#held.length > 0; count--) {
      const at = this.#random.chance(0.5) ? 0 : this.#random.integer(0, this.#held.length - 1)
      const [message] = this.#held.splice(at, 1)
      if (message !== undefined) this.#acknowledge(message)
    }
  }

  #acknowledge(message: InboundMessage): void {
    const refuses = this.scenario.version === 5 && this.#random.chance(0.05)
    // A refusal that gets lost is followed by the message again, as a new one. [MQTT-4.3.3-9]
    if (refuses) this.#ledger.mayComeAgain(message.qos, message.payload)
    this.#driver.session.acknowledge(message, refuses ? 0x83 : 0)
    this.#driver.after()
  }

  #subscribe(): void {
    const random = this.#random
    const five = this.scenario.version === 5
    const known = five ? FILTERS : FILTERS.filter((filter) => !filter.startsWith('$share'))
    const filters = [random.pick(known), ...(random.chance(0.3) ? [random.pick(known)] : [])]
    this.#requests++
    let settled = 0
    this.#driver.session.subscribe({
      filters: [...new Set(filters)].map((filter) => ({
        filter,
        qos: random.pick<QoS>([0, 1, 2, 2]),
        ...(five ? { retainHandling: random.pick([0, 1, 2] as const) } : {}),
      })),
      subscriptionIdentifier: random.chance(0.5) ? random.integer(1, 200) : 0,
      settle: () => this.#requestSettled('subscribe', ++settled),
    })
    this.#driver.after()
  }

  #unsubscribe(): void {
    this.#requests++
    let settled = 0
    this.#driver.session.unsubscribe({
      filters: [this.#random.pick(this.scenario.version === 5 ? FILTERS : FILTERS.slice(0, 5))],
      settle: () => this.#requestSettled('unsubscribe', ++settled),
    })
    this.#driver.after()
  }

  #requestSettled(name: string, times: number): void {
    this.#requestsSettled++
    if (times > 1) throw new SimulationFailure('settled once', `${name} was settled ${times} times`)
  }

  #cancel(): void {
    const open = this.#open.filter((message) => this.#entries.get(message)?.settled === 0)
    if (open.length === 0) return
    const message = this.#random.pick(open)
    if (this.#driver.session.cancel(message))
      this.#ledger.cancelled(this.#entries.get(message) as OutboundEntry)
    this.#driver.after()
  }

  /** Somebody else comes with the same Client Identifier, looks around, and leaves. */
  #takeOver(): void {
    const link = this.#network.connect()
    if (link === undefined) return
    const { connect } = this.scenario
    const { authenticationMethod: method, ...properties } = connect.properties ?? {}
    if (method !== undefined) return
    link.client.listener = { onBytes: () => {}, onClose: () => {} }
    link.client.send([
      encode({
        type: 'connect',
        protocolVersion: connect.protocolVersion,
        cleanStart: false,
        keepAlive: 0,
        username: RIVAL,
        clientId: this.#driver.session.clientId || CLIENT_ID,
        ...(connect.protocolVersion === 5 ? { properties } : {}),
      }),
    ])
    this.#clock.setTimer(() => link.client.destroy(), this.#random.integer(0, 2000))
  }

  #disconnect(): void {
    const { session } = this.#driver
    if (session.phase === 'offline') return
    session.disconnect({ reasonCode: this.scenario.version === 5 ? this.#random.pick([0, 4]) : 0 })
    this.#driver.after()
  }

  /** The process dies, and a new one goes on with what was stored. */
  #kill(): void {
    if (this.#journal === undefined) return
    const before = this.#driver
    before.kill()
    for (const message of this.#open) {
      const entry = this.#entries.get(message)
      if (entry !== undefined && entry.settled === 0 && entry.qos === 0) this.#ledger.abandoned(entry)
    }
    // What the application had not finished with comes again.
    for (const message of this.#held) this.#ledger.mayComeAgain(message.qos, message.payload)
    this.#held = []
    this.#entries.clear()
    this.#open.length = 0
    // Requests die with the process.
    this.#requestsSettled = this.#requests
    this.#driver = this.#makeDriver()
    const state = this.#journal.restore()
    for (const message of state.publications) {
      const entry = this.#ledger.outbound[numberOf(message.payload)] as OutboundEntry
      this.#entries.set(message, entry)
      this.#open.push(message)
    }
    this.#ledger.resumed(state.publications.map((message) => numberOf(message.payload)))
    this.#driver.session.restore(state, this.#clock.now())
    this.#driver.connect()
  }

  // ------------------------------------------------------------------------------------------------- what comes of it

  /**
   * A broker that has lost the session makes a new one for CONNECT. When its CONNACK, which would tell so, is lost too,
   * the next one says that a session is present, and it is another than the client believes. MQTT has no means
   * against it: nothing is promised for what crosses that gap.
   */
  #onOnline(sessionPresent: boolean): void {
    const home = this.#network.broker.sessions.get(this.#driver.session.clientId)
    if (sessionPresent && home !== this.#home) {
      this.#ledger.sessionLostUnseen()
      if (home !== undefined) this.#strangeHomes.add(home)
    }
    this.#home = home
  }

  #onMessage(message: InboundMessage): void {
    if (message.topic === 'will') return
    this.trace.note(`delivered ${numberOf(message.payload)}`)
    this.#ledger.deliver(message.topic, message.qos, message.payload)
    if (message.qos === 0) return
    if (this.#isCalm || this.#random.chance(this.#eagerness)) this.#acknowledge(message)
    else this.#held.push(message)
  }

  #onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void {
    const entry = this.#entries.get(message)
    if (entry === undefined) throw new SimulationFailure('settled once', 'an unknown publication was settled')
    this.trace.note(
      `settled ${entry.number}: ${outcome instanceof Error ? outcome.message : outcome.reasonCode}`,
    )
    if (entry.topic.startsWith('out/')) this.#ledger.settled(entry, outcome)
    else this.#ledger.settled(entry, new Error('not for this topic'))
  }

  #onDelivery(clientId: string, delivery: Delivery): void {
    if (clientId !== this.#driver.session.clientId && clientId !== CLIENT_ID) return
    if (delivery.message.topic === 'will') return
    const session = this.#network.broker.sessions.get(clientId)
    if (session !== undefined) this.#homes.set(delivery, session)
    const { expiresAt, payload } = delivery.message
    const limit = this.scenario.connect.properties?.maximumPacketSize
    const isCertain =
      expiresAt === Number.POSITIVE_INFINITY && (limit === undefined || payload.length < limit - 60)
    this.#ledger.queued(delivery, isCertain)
  }

  /** What holds after every step, whatever happens. */
  #check(): void {
    const { session } = this.#driver
    const limits = session.limits
    const fail = (rule: string, message: string): never => {
      throw new SimulationFailure(rule, message)
    }
    if (limits !== undefined && session.inFlight > limits.receiveMaximum) {
      // Released messages of an earlier connection count to PUBCOMP and may exceed a lower limit for a while.
      if (this.#auditor.countedPublishes > limits.receiveMaximum)
        fail('quota', `${session.inFlight} in flight`)
    }
    const own = this.scenario.connect.properties?.receiveMaximum ?? 65_535
    if (session.unacknowledged > own)
      fail('quota', `${session.unacknowledged} unacknowledged with a limit of ${own}`)
    const waits = session.queuedMessages > 0
    if (session.phase === 'offline' && !waits && session.nextDeadline() !== Number.POSITIVE_INFINITY) {
      fail('no timer when idle', 'offline, nothing queued, and a deadline is set')
    }
    const open = this.#ledger.unsettled
    if (session.queuedMessages > open) fail('bounded', `${session.queuedMessages} queued, ${open} unsettled`)
    if (session.inFlight > open) fail('bounded', `${session.inFlight} in flight, ${open} unsettled`)
  }

  /** Nothing goes wrong any more: everything that was begun must come to its end. */
  #calmDown(): void {
    this.trace.note('calm')
    this.#isCalm = true
    this.#network.faults = calmNetwork
    for (const link of this.#network.links) link.cut()
    for (const message of this.#held.splice(0)) this.#acknowledge(message)
    this.#driver.session.setCongested(false, this.#clock.now())
    this.#driver.after()
    this.#driver.connect()
    this.#clock.runSoon()
    const end = this.#clock.now() + CALM_MS
    while (!this.#isQuiet) {
      if (this.#clock.nextAt > end) {
        throw new SimulationFailure(
          'liveness',
          `not at rest after ${CALM_MS / 60_000} minutes: ${this.#unrest()}`,
        )
      }
      this.#step()
    }
  }

  get #isQuiet(): boolean {
    const { session } = this.#driver
    return session.phase === 'online' && this.#unrest() === ''
  }

  #unrest(): string {
    const { session } = this.#driver
    const theirs = this.#network.broker.sessions.get(session.clientId)
    const parts = {
      phase: session.phase === 'online' ? 0 : 1,
      unsettled: this.#ledger.unsettled,
      requests: this.#requests - this.#requestsSettled,
      unfinishedWork: session.hasUnfinishedWork ? 1 : 0,
      unacknowledged: session.unacknowledged,
      exchanges: this.#auditor.unfinished,
      owed: this.#auditor.owed,
      brokerQueue: theirs?.queue.length ?? 0,
      brokerInFlight: theirs?.inFlight.size ?? 0,
      reauthentication: this.#driver.isReauthenticating ? 1 : 0,
    }
    return Object.entries(parts)
      .filter(([, value]) => value > 0)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')
  }

  #finish(): void {
    const { session } = this.#driver
    const theirs = this.#network.broker.sessions.get(session.clientId)
    const isStrange = theirs !== undefined && this.#strangeHomes.has(theirs)
    this.#ledger.finish((delivery) => !isStrange && this.#homes.get(delivery) === theirs)
    if (this.#journal !== undefined && this.#journal.sequences.length > 0) {
      throw new SimulationFailure(
        'bounded',
        `the store still holds publications ${this.#journal.sequences.join(', ')}`,
      )
    }
    if (session.inFlight > 0 || session.queuedMessages > 0 || session.queuedBytes > 0) {
      throw new SimulationFailure('bounded', 'counters are above zero at rest')
    }
    this.#driver.wantsConnection = false
    session.disconnect({ reasonCode: 0 })
    this.#driver.after()
    session.fail(new ClosedError('closed'))
    this.#clock.runSoon()
    if (session.nextDeadline() !== Number.POSITIVE_INFINITY || this.#driver.armedTimers > 0) {
      throw new SimulationFailure('no timer when idle', 'a timer is set after the end')
    }
    if (!session.output.isEmpty) throw new SimulationFailure('MQTT-3.14.4-1', 'output after the end')
    if (this.#held.some((message) => message.ackState === AckState.ready)) {
      throw new SimulationFailure('acknowledged', 'an acknowledgement was not paid')
    }
  }
}

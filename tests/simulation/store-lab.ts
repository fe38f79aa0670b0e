import { Client, type Publication } from 'mqtt-await'
import type { QoS } from '../../src/codec/packet.ts'
import { DurableJournal } from '../../src/store/durable-journal.ts'
import { journalSizes } from '../../src/store/journal-sizes.ts'
import type { BrokerSession, Delivery } from '../../src/testing/broker-session.ts'
import { calmNetwork } from '../support/faulty-network.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { WireAuditor } from '../support/wire-auditor.ts'
import { CountingClock } from './counting-clock.ts'
import { describe, Ledger, numberOf, type OutboundEntry, payloadOf } from './ledger.ts'
import { LinkTransport } from './link-transport.ts'
import './loaded-parts.ts'
import { CLIENT_ID, drawScenario, type Scenario } from './scenario.ts'
import type { LabResult } from './session-lab.ts'
import { SimulatedBroker } from './simulated-broker.ts'
import { type Accident, type MediumStore, SimulatedMedium } from './simulated-medium.ts'
import { SimulationFailure } from './simulation-failure.ts'
import { Trace } from './trace.ts'

const CALM_MS = 30 * 60_000
const MOST_STEPS = 50_000
/** Turns of the event loop at one moment of the simulation. */
const MOST_ROUNDS = 10_000
const MAIN = 'in/#'
const SIDE = 'side/a'
const LIFE_SIZES = { ...journalSizes }
/** So that a log of a few kilobytes is cut, moved and divided as one of many megabytes is. */
const SMALL_SIZES = { block: 300, segment: 600, cut: 500, cutBlocks: 4, slack: 1500, move: 700 }

/** One process of the client's, from its start to its end. */
interface Life {
  readonly client: Client
  readonly clock: CountingClock
  readonly store: MediumStore
  readonly transports: LinkTransport[]
  /** Publications of this process by what the ledger knows of them. */
  readonly published: Map<OutboundEntry, Publication>
  /** QoS 2 messages that its loops have had. */
  readonly seen: Set<number>
  /** The client has begun to open its store, or has ended. */
  readonly opening: Promise<unknown>
  isOver: boolean
  /** Publications that have ended so far, and how many of the ends were recorded when the last write began that has succeeded. */
  ends: number
  recordedEnds: number
  /** The server has said that it has lost the session, and that is not recorded. */
  knowsOfLoss: boolean
  isWriting: boolean
}

/** Where a run has its accident, when the seed is not to decide. */
export interface StorePlan {
  /** The operation of the store, counted from 1 over the whole run, at which the process dies. */
  readonly diesAt: number
}

/**
 * One simulation of a client with a store: its real journal over a medium that survives it. The process dies or its store
 * fails at whatever operation of the store, or it is killed or ends between them; the next one opens what is there and
 * goes on. Whatever it was told is stored must reach the broker, QoS 2 once, in order; and what it has acknowledged must
 * not come again.
 */
export class StoreLab {
  readonly trace: Trace
  readonly #scenario: Scenario
  readonly #random: SeededRandom
  readonly #clock: VirtualClock
  readonly #network: SimulatedBroker
  readonly #auditor: WireAuditor
  readonly #ledger: Ledger
  readonly #medium: SimulatedMedium
  readonly #plan: StorePlan | undefined
  readonly #sizes: typeof journalSizes
  readonly #memoryMessages: number | undefined
  readonly #hasSideLoop: boolean
  #life: Life | undefined
  #lives = 0
  #nextAccident: { readonly at: number; readonly kind: Accident } | undefined
  #failure: SimulationFailure | undefined
  /** Expires, or exceeds what the broker takes: it may be refused, in a process that tells nobody. */
  readonly #uncertain: Set<OutboundEntry> = new Set()
  /** As the how-manieth of its process a publication has ended. */
  readonly #endedAs: Map<OutboundEntry, number> = new Map()
  /** QoS 2 messages on the wire that the client has not answered, by packet identifier. */
  readonly #unanswered: Map<number, number> = new Map()
  readonly #seen: Set<number> = new Set()
  readonly #due: { readonly number: number; readonly home: BrokerSession }[] = []
  #home: BrokerSession | undefined
  readonly #strangeHomes: Set<BrokerSession> = new Set()
  #isCalm = false
  #steps = 0

  constructor(seed: number, traces: boolean, plan?: StorePlan) {
    const random = new SeededRandom(seed)
    this.#random = random
    this.#plan = plan
    const scenario = drawScenario(random)
    this.#scenario = scenario
    this.#clock = new VirtualClock(1_700_000_000_000, () => random.next())
    this.trace = new Trace(traces, () => this.#clock.now())
    // What is thrown inside of the client's own code would get lost there.
    const report = (rule: string, message: string) => {
      this.#failure ??= new SimulationFailure(rule, message)
    }
    this.#ledger = new Ledger(report, scenario.onSessionLost === 'republish', true)
    const { authenticationMethod: _method, authenticationStep: _step, ...broker } = scenario.broker
    const { serverKeepAlive: _shorterThanAStoreTakes, ...patient } = broker
    this.#network = new SimulatedBroker(this.#clock, random.fork(), scenario.network, {
      ...patient,
      wildcardSubscriptionAvailable: true,
      onAccepted: (message) => this.#ledger.accepted(message),
      onDelivery: (_clientId, delivery) => this.#onDelivery(delivery),
      onViolation: ({ statement, message }) => report(statement, `the broker says: ${message}`),
    })
    const window = scenario.maxInflight ?? (scenario.version === 5 ? 65_535 : 20)
    this.#auditor = new WireAuditor(report, window)
    this.#auditor.onPacket = (direction, packet) => {
      this.trace.packet(direction, packet)
      if (packet.type === 'connack' && packet.reasonCode === 0) this.#onOnline(packet.sessionPresent)
      else if (direction === '<' && packet.type === 'publish' && packet.qos === 2)
        this.#unanswered.set(packet.packetId, numberOf(packet.payload))
      else if (direction === '>' && packet.type === 'pubrec') this.#unanswered.delete(packet.packetId)
    }
    const delays = random.pick([[0], [0, 1, 3], [0, 0, 20, 300]])
    this.#medium = new SimulatedMedium(this.#clock, random.fork(), delays)
    this.#medium.accidentAt = (operation) => this.#accidentAt(operation)
    this.#sizes = random.chance(0.7) ? SMALL_SIZES : LIFE_SIZES
    this.#memoryMessages = random.pick([undefined, 0, 1, 4, 20])
    this.#hasSideLoop = random.chance(0.4)
  }

  async run(): Promise<LabResult & { readonly operations: number; readonly lives: number }> {
    Object.assign(journalSizes, this.#sizes)
    try {
      this.trace.note(`scenario ${JSON.stringify(this.#scenario)}`)
      this.#start()
      await this.#settle()
      for (let action = 0; action < this.#scenario.actions; action++) {
        this.#act()
        await this.#settle()
        const until = this.#clock.now() + this.#random.pick([0, 0, 1, 10, 100, 1000, 1000, 20_000])
        while (this.#clock.nextAt <= until) await this.#step()
      }
      await this.#calmDown()
      await this.#finish()
    } finally {
      Object.assign(journalSizes, LIFE_SIZES)
    }
    return {
      steps: this.#steps,
      packets: this.#auditor.packets,
      operations: this.#medium.operations,
      lives: this.#lives,
    }
  }

  // ------------------------------------------------------------------------------------------------- processes

  #start(): void {
    const random = this.#random
    this.#lives++
    this.trace.note(`process ${this.#lives} begins; ${this.#medium.blocks.size} blocks are there`)
    if (!this.#isCalm && this.#plan === undefined && random.chance(0.6)) {
      const at =
        this.#medium.operations + random.pick([1, 2, 3, random.integer(1, 12), random.integer(4, 60)])
      this.#nextAccident = { at, kind: random.pick<Accident>(['death', 'death', 'death', 'failure']) }
    } else this.#nextAccident = undefined
    let opened: () => void = () => {}
    const opening = new Promise<void>((resolve) => {
      opened = resolve
    })
    const clock = new CountingClock(this.#clock)
    const store = this.#medium.store({
      onDeath: () => this.#die('at an operation of its store'),
      onOperation: (kind) => {
        if (kind === 'open') opened()
        if (kind === 'write' && life.isWriting)
          this.#failure ??= new SimulationFailure('contract', 'a write begins before the last one has ended')
        life.isWriting = kind === 'write'
        const ended = this.#auditor.handledEnds
        const { ends, knowsOfLoss } = life
        return () => {
          if (kind !== 'write') return
          life.isWriting = false
          this.#auditor.recorded(ended)
          life.recordedEnds = ends
          if (knowsOfLoss) life.knowsOfLoss = false
        }
      },
    })
    const transports: LinkTransport[] = []
    const client = this.#makeClient(clock, store, transports)
    const life: Life = {
      client,
      clock,
      store,
      transports,
      published: new Map(),
      seen: new Set(),
      opening: Promise.race([opening, client.closed]),
      isOver: false,
      ends: 0,
      recordedEnds: 0,
      knowsOfLoss: false,
      isWriting: false,
    }
    this.#life = life
    client.on('error', (error) => this.#onError(error as Error & { code?: string }))
    void this.#consume(life, MAIN, true)
    if (this.#hasSideLoop) void this.#consume(life, SIDE, random.chance(0.5))
    client.connect().catch(() => {})
    void client.closed.then(() => this.#ended(life))
  }

  #makeClient(clock: CountingClock, store: MediumStore, transports: LinkTransport[]): Client {
    const { connect, version, maxInflight, onSessionLost, autoTopicAlias } = this.#scenario
    const { receiveMaximum, maximumPacketSize, topicAliasMaximum } = connect.properties ?? {}
    return new Client(
      {
        transport: async (context) => {
          const link = store.isDead ? undefined : this.#network.connect()
          if (link === undefined) throw new Error('nobody listens')
          const transport = new LinkTransport(link, context, this.#clock, this.#auditor)
          transports.push(transport)
          return transport
        },
        clientId: CLIENT_ID,
        protocolVersion: version,
        cleanStart: this.#random.chance(0.05),
        keepAlive: connect.keepAlive > 5 ? connect.keepAlive : 0,
        receiveMaximum,
        maximumPacketSize,
        topicAliasMaximum,
        onSessionLost,
        autoTopicAlias,
        maxInflight,
        connectTimeoutMs: 60_000,
        queue: { memoryMessages: this.#memoryMessages },
        reconnect: { initial: true, minDelayMs: 50, maxDelayMs: 3000 },
        store,
      },
      undefined,
      clock,
    )
  }

  #accidentAt(operation: number): Accident | undefined {
    if (this.#isCalm) return undefined
    if (this.#plan !== undefined) return operation === this.#plan.diesAt ? 'death' : undefined
    return operation === this.#nextAccident?.at ? this.#nextAccident.kind : undefined
  }

  /** kill -9: nothing more is done, and nobody is told. */
  #die(where: string): void {
    const life = this.#life
    if (life === undefined) return
    this.trace.note(`process ${this.#lives} dies ${where}`)
    life.store.die()
    life.clock.stop()
    for (const transport of life.transports) transport.destroy()
    this.#auditor.processDied()
    this.#leave(life)
  }

  /** The client has ended by itself: closed, or because its store failed. */
  #ended(life: Life): void {
    if (life.isOver) return
    this.trace.note(`process ${this.#lives} ends`)
    life.store.die()
    this.#auditor.processDied()
    this.#leave(life)
  }

  #leave(life: Life): void {
    life.isOver = true
    for (const entry of life.published.keys()) {
      if ((this.#endedAs.get(entry) ?? -1) >= life.recordedEnds) entry.isDoubtful = true
      if (entry.settled > 0 && !entry.goesOn) continue
      if (entry.isStored) this.#ledger.orphaned(entry)
      else this.#ledger.abandoned(entry)
    }
    for (const number of this.#unanswered.values()) {
      if (life.seen.has(number)) this.#ledger.mayComeAgain(2, payloadOf(number, 0))
    }
    // The next process finds a session, and it is another than the one that its store speaks of.
    if (life.knowsOfLoss) this.#home = undefined
    this.#life = undefined
    const pause = this.#isCalm ? 1 : this.#random.pick([0, 1, 100, 3000, 70_000])
    this.#clock.setTimer(() => this.#start(), pause)
  }

  #onError(error: Error & { code?: string }): void {
    this.trace.note(`error: ${error.message}`)
    if (error.code === 'ERR_MQTT_STORE_DAMAGED' && !this.#medium.isTorn)
      this.#failure ??= new SimulationFailure(
        'damage',
        `nothing was torn, and the client says: ${error.message}`,
      )
  }

  // ------------------------------------------------------------------------------------------------- what happens

  #act(): void {
    const what = this.#random.weighted({
      publish: 45,
      burst: 8,
      brokerPublish: 30,
      cancel: 3,
      cut: 5,
      restart: 1,
      forget: 1,
      serverDisconnect: 1,
      kill: this.#plan === undefined ? 2 : 0,
      close: this.#plan === undefined ? 1.5 : 0,
    })
    this.trace.note(what)
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
      case 'cancel':
        this.#cancel()
        break
      case 'cut':
        for (const link of this.#network.links) link.cut()
        break
      case 'restart':
        this.#network.restart(true)
        break
      case 'forget':
        this.#network.restart(this.#scenario.version === 3)
        break
      case 'serverDisconnect':
        this.#network.disconnect(CLIENT_ID, this.#random.pick([0x8b, 0x89, 0x00]))
        break
      case 'kill':
        this.#die('between operations')
        break
      case 'close':
        void this.#life?.client.close()
        break
      default: {
        const never: never = what
        throw new Error(`no such action: ${String(never)}`)
      }
    }
  }

  #publish(): void {
    const random = this.#random
    const life = this.#life
    if (life === undefined || life.client.state === 'closed') return
    const { maximumPacketSize = Number.POSITIVE_INFINITY, maximumQoS = 2 } = this.#scenario.broker
    const qos = random.pick<QoS>([0, 1, 1, 2, 2])
    const topic = random.weighted({ 'out/a': 5, 'out/b': 3, 'out/c/long/topic': 2 })
    const entry = this.#ledger.publish(topic, qos)
    const size = Number(random.weighted({ 0: 8, 50: 2, 300: 1, 5000: 0.3 }))
    const expires = random.chance(0.1)
    if (expires || size >= maximumPacketSize - 80 || qos > maximumQoS) this.#uncertain.add(entry)
    let publication: Publication
    try {
      publication = life.client.publish(topic, payloadOf(entry.number, size), {
        qos,
        ...(expires ? { messageExpiryInterval: random.integer(1, 5) } : {}),
      })
    } catch (error) {
      // Refused on the spot: beyond what the server said it takes, or the client is ending.
      this.#ledger.settled(entry, error)
      return
    }
    if (life.isOver) {
      // It died of that.
      this.#ledger.abandoned(entry)
      return
    }
    life.published.set(entry, publication)
    publication.stored.then(
      () => {
        if (life.isOver) return
        this.trace.note(`stored ${entry.number}`)
        entry.isStored = qos > 0
      },
      () => {},
    )
    publication.acked.then(
      (outcome) => this.#settled(life, entry, outcome),
      (error) => this.#settled(life, entry, error),
    )
  }

  #settled(life: Life, entry: OutboundEntry, outcome: unknown): void {
    if (life.isOver) return
    this.trace.note(`settled ${entry.number}: ${outcome instanceof Error ? outcome.message : 'acked'}`)
    this.#endedAs.set(entry, life.ends++)
    if (!(outcome instanceof Error)) {
      this.#ledger.settled(entry, outcome)
      return
    }
    const { code } = outcome as { code?: unknown }
    // What the end of the client takes from the caller stays in the store.
    entry.goesOn = code === 'ERR_MQTT_CLOSED' || String(code).startsWith('ERR_MQTT_STORE')
    this.#ledger.settled(entry, entry.goesOn ? new Error(outcome.message) : outcome)
  }

  #cancel(): void {
    const open = [...(this.#life?.published ?? [])].filter(([entry]) => entry.settled === 0)
    if (open.length > 0) this.#random.pick(open)[1].cancel()
  }

  #brokerPublish(): void {
    const random = this.#random
    const size = Number(random.weighted({ 0: 8, 100: 1, 1000: 0.3 }))
    const topic = random.pick(['in/a', 'in/a', 'in/b', ...(this.#hasSideLoop ? [SIDE] : [])])
    const qos = random.pick<QoS>([0, 1, 2, 2, 2])
    this.#network.publish(topic, this.#ledger.nextPayload(size), { qos })
  }

  async #consume(life: Life, filter: string, stays: boolean): Promise<void> {
    const random = this.#random
    const patience = stays ? Number.POSITIVE_INFINITY : random.integer(1, 20)
    let count = 0
    try {
      for await (const message of life.client.messages(filter, { qos: 2 })) {
        if (life.isOver) return
        const number = numberOf(message.payload)
        this.trace.note(`the loop of ${filter} got ${number} (QoS ${message.qos})`)
        const { topic, qos, payload } = message
        this.#ledger.deliver(topic, qos, payload)
        this.#seen.add(number)
        if (qos === 2) life.seen.add(number)
        if (number % 4 === 0) message.ack()
        if (!this.#isCalm && random.chance(0.3)) {
          const delay = random.integer(1, 5000)
          await new Promise<void>((resolve) => life.clock.setTimer(resolve, delay))
        }
        if (++count >= patience) break
      }
    } catch {
      // The client has ended.
    }
    if (!life.isOver && !stays && this.#isCalm) await this.#consume(life, filter, true)
  }

  // ------------------------------------------------------------------------------------------------- what comes of it

  #onOnline(sessionPresent: boolean): void {
    const home = this.#network.broker.sessions.get(CLIENT_ID)
    // CONNACK of MQTT 3.1 does not tell.
    const isLost = this.#scenario.version === 3 ? home !== this.#home : !sessionPresent
    if (isLost) this.#unanswered.clear()
    if (isLost && this.#life !== undefined) this.#life.knowsOfLoss = true
    if (isLost && this.#scenario.version !== 3) this.#ledger.sessionLost()
    else if (home !== this.#home) {
      this.#ledger.sessionLostUnseen()
      if (home !== undefined) this.#strangeHomes.add(home)
    }
    this.#home = home
  }

  #onDelivery(delivery: Delivery): void {
    const { message, qos } = delivery
    const home = this.#network.broker.sessions.get(CLIENT_ID)
    this.#ledger.queued(delivery, false)
    const limit = this.#scenario.connect.properties?.maximumPacketSize
    if (home === undefined || qos === 0 || !message.topic.startsWith('in/')) return
    if (limit === undefined || message.payload.length < limit - 60)
      this.#due.push({ number: numberOf(message.payload), home })
  }

  #fail(rule: string, message: string): never {
    this.#failure ??= new SimulationFailure(rule, message)
    throw this.#failure
  }

  /** Runs everything that is due now: promises, and what was asked for with `soon`, until neither is left. */
  async #settle(): Promise<void> {
    let rounds = 0
    do {
      if (++rounds > MOST_ROUNDS) this.#fail('liveness', `no rest at one moment after ${MOST_ROUNDS} rounds`)
      // The code of a store is loaded when it is needed: real time passes, but none of ours.
      await this.#life?.opening
      await new Promise<void>((resolve) => setImmediate(resolve))
    } while (this.#clock.runSoon())
    if (this.#failure !== undefined) throw this.#failure
  }

  async #step(): Promise<void> {
    if (++this.#steps > MOST_STEPS) this.#fail('liveness', `no rest after ${MOST_STEPS} steps`)
    this.#clock.runNext()
    await this.#settle()
  }

  async #calmDown(): Promise<void> {
    this.trace.note('calm')
    this.#isCalm = true
    this.#network.faults = calmNetwork
    for (const link of this.#network.links) link.cut()
    const end = this.#clock.now() + CALM_MS
    while (this.#unrest !== '') {
      if (this.#clock.nextAt > end)
        this.#fail(
          'liveness',
          `not at rest after ${CALM_MS / 60_000} minutes: ${this.#unrest} ${this.#unfinished}`,
        )
      await this.#step()
    }
    for (const { number, home } of this.#due) {
      if (home !== this.#network.broker.sessions.get(CLIENT_ID) || this.#strangeHomes.has(home)) continue
      if (!this.#seen.has(number)) this.#fail('at least once', `${number} did not come to the loop`)
    }
    for (const entry of this.#ledger.outbound) {
      if (!entry.isOrphan || entry.isDoubtful || this.#uncertain.has(entry)) continue
      const mayBeLost = entry.qos === 2 && entry.losses + entry.unseenLosses > 0
      if (entry.accepted === 0 && !mayBeLost)
        this.#fail('stored', `${describe(entry)} was stored, and never came to the broker`)
    }
  }

  get #unfinished(): string {
    const open = [...(this.#life?.published ?? [])].filter(([entry]) => entry.settled === 0)
    return open.map(([entry, { state }]) => `(${describe(entry)} is ${state})`).join(', ')
  }

  get #unrest(): string {
    const client = this.#life?.client
    const theirs = this.#network.broker.sessions.get(CLIENT_ID)
    const parts = {
      connected: client?.connected === true ? 0 : 1,
      unsettled: this.#ledger.unsettled,
      queued: client?.stats.queuedMessages ?? 1,
      inFlight: client?.stats.inFlight ?? 1,
      exchanges: this.#auditor.unfinished,
      owed: this.#auditor.owed,
      brokerQueue: theirs?.queue.length ?? 0,
      brokerInFlight: theirs?.inFlight.size ?? 0,
    }
    return Object.entries(parts)
      .filter(([, value]) => value > 0)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')
  }

  /** The last process ends in order: nothing is left in the store of what has come to its end. */
  async #finish(): Promise<void> {
    const life = this.#life as Life
    const closing = life.client.close()
    // What would begin the next process.
    life.isOver = true
    const end = this.#clock.now() + 60_000
    await this.#settle()
    while (this.#clock.nextAt <= end) await this.#step()
    await closing
    if (life.clock.armed > 0)
      this.#fail('no timer when idle', `${life.clock.armed} timers are set after the end`)
    this.#ledger.finish(() => false)
    const { blocks } = this.#medium
    const { restored } = await DurableJournal.open(
      {
        open: async () => {},
        load: async function* (from) {
          for (const [position, bytes] of [...blocks].sort(([a], [b]) => a - b))
            if (position >= from) yield { position, bytes }
        },
        write: async () => {},
        close: async () => {},
      },
      {
        clientId: CLIENT_ID,
        protocolVersion: this.#scenario.version,
        createMessage: () => this.#fail('bounded', 'a publication is still in the store'),
      },
    )
    // What was received in a session that was lost unseen is nothing that this one will release.
    if (restored.received.length > 0 && this.#strangeHomes.size === 0)
      this.#fail('bounded', `received identifiers are still in the store: ${restored.received.join(', ')}`)
  }
}

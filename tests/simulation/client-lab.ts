import { Client, type Message, type Publication, type Subscription } from 'mqtt-await'
import { memoryStore } from 'mqtt-await/store'
import { encode } from '../../src/codec/encode.ts'
import type { QoS } from '../../src/codec/packet.ts'
import type { SessionStore, StoreBatch } from '../../src/store/store.ts'
import type { BrokerSession, Delivery } from '../../src/testing/broker-session.ts'
import { matchesFilter } from '../../src/topic/match.ts'
import { calmNetwork } from '../support/faulty-network.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { WireAuditor } from '../support/wire-auditor.ts'
import { CountingClock } from './counting-clock.ts'
import { Ledger, numberOf, type OutboundEntry, payloadOf } from './ledger.ts'
import { LinkTransport } from './link-transport.ts'
import './loaded-parts.ts'
import { CLIENT_ID, drawScenario, type Scenario } from './scenario.ts'
import { SimulatedBroker } from './simulated-broker.ts'
import { SimulationFailure } from './simulation-failure.ts'
import { Trace } from './trace.ts'

const CALM_MS = 30 * 60_000
const MOST_STEPS = 50_000
const EVERYTHING = ['in/#'] as const
/** For a server without wildcards: if nobody wanted its messages, those of loops that are left would be held for ever. */
const EVERY_TOPIC = ['in/a', 'in/b'] as const
const OTHER_FILTERS = ['in/a', 'in/b', 'in/+', 'kept/#', 'refused/x'] as const
const RIVAL = 'rival'

/** A store that fails from some write on. */
function failingStore(inner: SessionStore, writesLeft: number): SessionStore {
  let left = writesLeft
  return {
    open: () => inner.open(),
    load: (from) => inner.load(from),
    write: (batch: StoreBatch) => (left-- > 0 ? inner.write(batch) : Promise.reject(new Error('disk full'))),
    close: () => inner.close(),
  }
}

/**
 * One simulation of the whole client: its real driver, life cycle, router and subscriptions over a faulty network, with
 * consumers that are slow or leave, and calls that are aborted. Promises run between the steps of the virtual clock, so that a
 * seed is the same simulation every time.
 */
export class ClientLab {
  readonly trace: Trace
  readonly #scenario: Scenario
  readonly #random: SeededRandom
  readonly #clock: VirtualClock
  readonly #clientClock: CountingClock
  #onAttempt: () => void = () => {}
  readonly #attempted: Promise<void> = new Promise((resolve) => {
    this.#onAttempt = resolve
  })
  readonly #network: SimulatedBroker
  readonly #auditor: WireAuditor
  readonly #ledger: Ledger
  readonly #client: Client
  readonly #storeFails: boolean
  readonly #publications: { readonly publication: Publication; readonly entry: OutboundEntry }[] = []
  readonly #aborts: AbortController[] = []
  /** What the application waits for, by name. */
  readonly #pending: Map<number, string> = new Map()
  #calls = 0
  #failure: SimulationFailure | undefined
  /** Numbers of messages that the subscription to everything has seen, and those it must see. */
  readonly #seen: Set<number> = new Set()
  readonly #due: { readonly number: number; readonly qos: QoS; readonly home: BrokerSession }[] = []
  #home: BrokerSession | undefined
  readonly #strangeHomes: Set<BrokerSession> = new Set()
  /** Not acknowledged yet; where a loop does not do it by itself, they wait for the calm. */
  readonly #postponed: Message[] = []
  #isCalm = false
  #steps = 0

  constructor(seed: number, traces: boolean) {
    const random = new SeededRandom(seed)
    this.#random = random
    const scenario = drawScenario(random)
    this.#scenario = scenario
    this.#clock = new VirtualClock(1_700_000_000_000, () => random.next())
    this.#clientClock = new CountingClock(this.#clock)
    this.trace = new Trace(traces, () => this.#clock.now())
    const report = (rule: string, message: string) => this.#fail(rule, message)
    this.#ledger = new Ledger(
      report,
      scenario.onSessionLost === 'republish',
      scenario.connect.clientId !== '',
    )
    const { authenticationMethod: _method, authenticationStep: _step, ...broker } = scenario.broker
    this.#network = new SimulatedBroker(this.#clock, random.fork(), scenario.network, {
      ...broker,
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
    const window = scenario.maxInflight ?? (scenario.version === 5 ? 65_535 : 20)
    this.#auditor = new WireAuditor(report, window)
    this.#auditor.onPacket = (direction, packet) => {
      this.trace.packet(direction, packet)
      if (packet.type === 'connack' && packet.reasonCode === 0) this.#onOnline(packet.sessionPresent)
    }
    this.#storeFails = random.chance(0.05)
    this.#client = this.#makeClient()
  }

  async run(): Promise<{ readonly steps: number; readonly packets: number }> {
    this.trace.note(`scenario ${JSON.stringify(this.#scenario)}`)
    const client = this.#client
    void this.#consume(client.messages(this.#everything, { qos: 2 }), true)
    this.#watch('connect', client.connect())
    // The journal of a store is loaded when it is needed: real time passes, but none of ours.
    await Promise.race([this.#attempted, client.closed])
    for (let action = 0; action < this.#scenario.actions; action++) {
      this.#act()
      await this.#settle()
      const until = this.#clock.now() + this.#random.pick([0, 0, 1, 10, 100, 1000, 1000, 20_000])
      while (this.#clock.nextAt <= until) await this.#step()
    }
    if (!this.#storeFails && this.#random.chance(0.8)) await this.#calmDown()
    await this.#finish()
    return { steps: this.#steps, packets: this.#auditor.packets }
  }

  #makeClient(): Client {
    const { connect, version, maxInflight, onSessionLost, autoTopicAlias } = this.#scenario
    const { will, properties = {} } = connect
    const random = this.#random
    const { sessionExpiryInterval, receiveMaximum, maximumPacketSize, topicAliasMaximum } = properties
    const store = random.chance(0.3) || this.#storeFails ? memoryStore() : undefined
    return new Client(
      {
        transport: async (context) => {
          this.#onAttempt()
          const link = this.#network.connect()
          if (link === undefined) throw new Error('nobody listens')
          return new LinkTransport(link, context, this.#clock, this.#auditor)
        },
        // A store holds one session, and so wants one identifier.
        clientId: store === undefined ? connect.clientId : CLIENT_ID,
        protocolVersion: version,
        cleanStart: connect.cleanStart,
        keepAlive: connect.keepAlive,
        sessionExpiryInterval,
        receiveMaximum,
        maximumPacketSize,
        topicAliasMaximum,
        requestProblemInformation: properties.requestProblemInformation,
        ...(will === undefined ? {} : { will }),
        onSessionLost,
        autoTopicAlias,
        maxInflight,
        connectTimeoutMs: 60_000,
        reconnect: { initial: true, minDelayMs: 50, maxDelayMs: 3000 },
        ...(store === undefined
          ? {}
          : { store: this.#storeFails ? failingStore(store, random.integer(0, 40)) : store }),
      },
      undefined,
      this.#clientClock,
    )
  }

  // ------------------------------------------------------------------------------------------------- what happens

  #act(): void {
    const client = this.#client
    if (client.state === 'closed') return
    const what = this.#random.weighted({
      publish: 45,
      burst: 5,
      brokerPublish: 30,
      consume: 6,
      handle: 2,
      subscribe: 2,
      unsubscribe: 2,
      abort: 6,
      cancel: 4,
      connect: 2,
      flush: 2,
      drained: 2,
      ping: 2,
      cut: 5,
      freeze: 2,
      restart: 1,
      forget: 1,
      takeover: 2,
      serverDisconnect: 2,
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
      case 'consume':
        this.#subscribeStream()
        break
      case 'handle':
        this.#handle()
        break
      case 'subscribe':
        this.#watch('subscribe', client.subscribe(this.#random.pick(OTHER_FILTERS), { qos: 1 }))
        break
      case 'unsubscribe':
        this.#watch('unsubscribe', client.unsubscribe(this.#random.pick(OTHER_FILTERS)))
        break
      case 'abort':
        this.#aborts.splice(this.#random.integer(0, this.#aborts.length), 1)[0]?.abort()
        break
      case 'cancel':
        this.#cancel()
        break
      case 'connect':
        this.#watch('connect', client.connect({ signal: this.#signal() }))
        break
      case 'flush':
        this.#watch('flush', client.flush({ signal: this.#signal() }))
        break
      case 'drained':
        this.#watch('drained', client.drained({ signal: this.#signal() }))
        break
      case 'ping':
        this.#watch('ping', client.ping())
        break
      case 'cut':
        for (const link of this.#network.links) link.cut()
        break
      case 'freeze':
        if (this.#keepAlive > 0) for (const link of this.#network.links) link.freeze()
        break
      case 'restart':
        this.#network.restart(true)
        break
      case 'forget':
        this.#network.restart(this.#scenario.version === 3)
        break
      case 'takeover':
        this.#takeOver()
        break
      case 'serverDisconnect':
        this.#network.disconnect(client.clientId, this.#random.pick([0x8b, 0x89, 0x00]))
        break
      default: {
        const never: never = what
        throw new Error(`no such action: ${String(never)}`)
      }
    }
  }

  get #everything(): readonly string[] {
    return this.#scenario.broker.wildcardSubscriptionAvailable === false ? EVERY_TOPIC : EVERYTHING
  }

  /** Seconds; 0 = nothing finds out that a link is dead. */
  get #keepAlive(): number {
    return this.#client.connection?.properties?.serverKeepAlive ?? this.#scenario.connect.keepAlive
  }

  #signal(): AbortSignal {
    const abort = new AbortController()
    this.#aborts.push(abort)
    return abort.signal
  }

  /** Notes a call until it settles, whichever way. */
  #watch(name: string, call: Promise<unknown>): void {
    const id = this.#calls++
    this.#pending.set(id, name)
    const done = () => this.#pending.delete(id)
    call.then(done, done)
  }

  #publish(): void {
    const random = this.#random
    const qos = random.pick<QoS>([0, 1, 1, 2, 2])
    const topic = random.weighted({ 'out/a': 5, 'out/b': 3, 'out/c/long/topic': 2 })
    const entry = this.#ledger.publish(topic, qos)
    const size = Number(random.weighted({ 0: 8, 50: 2, 300: 1, 5000: 0.3 }))
    let publication: Publication
    try {
      publication = this.#client.publish(topic, payloadOf(entry.number, size), {
        qos,
        ...(random.chance(0.1) ? { messageExpiryInterval: random.integer(1, 5) } : {}),
        ...(random.chance(0.1) ? { signal: this.#signal() } : {}),
      })
    } catch (error) {
      // Refused on the spot: beyond what the server said it takes.
      this.#ledger.settled(entry, error)
      return
    }
    this.#publications.push({ publication, entry })
    publication.acked.then(
      (outcome) => this.#settled(entry, outcome),
      (error) => this.#settled(entry, error),
    )
  }

  #settled(entry: OutboundEntry, outcome: unknown): void {
    this.trace.note(`settled ${entry.number}: ${outcome instanceof Error ? outcome.message : 'acked'}`)
    if (outcome instanceof Error) {
      // `acked` rejects with the caller's reason, or the client's end, while the delivery may go on: no word on delivery.
      const { code } = outcome as { code?: unknown }
      const isCertain = typeof code === 'string' && CERTAIN.has(code)
      entry.goesOn = !isCertain
      this.#ledger.settled(entry, isCertain ? outcome : new Error(outcome.message))
    } else this.#ledger.settled(entry, outcome)
  }

  #cancel(): void {
    const open = this.#publications.filter(({ entry }) => entry.settled === 0)
    if (open.length === 0) return
    this.#random.pick(open).publication.cancel()
  }

  #brokerPublish(): void {
    const random = this.#random
    const retain = random.chance(0.1)
    const size = Number(random.weighted({ 0: 8, 100: 1, 1000: 0.3, 70000: 0.05 }))
    this.#network.publish(
      retain ? 'kept/a' : random.pick(['in/a', 'in/a', 'in/b']),
      this.#ledger.nextPayload(size),
      { qos: random.pick<QoS>([0, 1, 1, 2, 2]), retain },
    )
  }

  #subscribeStream(): void {
    const random = this.#random
    const filters = [random.pick(OTHER_FILTERS), ...(random.chance(0.3) ? [random.pick(OTHER_FILTERS)] : [])]
    const subscription = this.#client.messages([...new Set(filters)], {
      qos: random.pick<QoS>([0, 1, 2]),
      ack: random.pick(['auto', 'auto', 'receipt', 'manual']),
      overflow: random.pick(['drop-oldest', 'drop-newest', 'error']),
      highWaterMark: random.pick([1, 10, 1000]),
      ...(random.chance(0.3) ? { signal: this.#signal() } : {}),
    })
    void this.#consume(subscription, false)
    if (random.chance(0.5)) this.#watch('ready', subscription.ready)
  }

  /** An application's loop: takes its time, and leaves when it has had enough (but for the one that stays). */
  async #consume(subscription: Subscription, stays: boolean): Promise<void> {
    const random = this.#random
    const id = this.#calls++
    this.#pending.set(id, 'a loop')
    const patience = stays ? Number.POSITIVE_INFINITY : random.integer(1, 30)
    let count = 0
    try {
      for await (const message of subscription) {
        const number = numberOf(message.payload)
        this.trace.note(`${stays ? 'everything' : 'a loop'} got ${number} (QoS ${message.qos})`)
        if (stays) this.#onSeen(message)
        if (!this.#isCalm && random.chance(0.3)) {
          const delay = random.integer(1, 5000)
          await new Promise<void>((resolve) => this.#clock.setTimer(resolve, delay))
        }
        if (random.chance(0.7) || this.#isCalm) message.ack()
        else this.#postponed.push(message)
        if (++count >= patience || (this.#isCalm && !stays)) break
      }
    } catch {
      // Refused, overflowed, aborted or closed: the loop ends, which is all that is asked for.
    }
    this.#pending.delete(id)
  }

  #onSeen({ topic, qos, dup, payload }: Message): void {
    const number = numberOf(payload)
    this.#ledger.deliver(topic, qos, payload, dup && this.#seen.has(number))
    this.#seen.add(number)
  }

  #handle(): void {
    const random = this.#random
    const handling = this.#client.handle(
      random.pick(OTHER_FILTERS),
      async () => {
        const delay = this.#isCalm ? 0 : random.integer(0, 2000)
        await new Promise<void>((resolve) => this.#clock.setTimer(resolve, delay))
        if (random.chance(0.1)) throw new Error('the handler failed')
      },
      { concurrency: random.integer(1, 4), ordered: random.pick(['none', 'topic', 'all']), onError: 'ack' },
    )
    this.#clock.setTimer(() => this.#watch('handling.close', handling.close()), random.integer(0, 30_000))
  }

  #takeOver(): void {
    const link = this.#network.connect()
    if (link === undefined) return
    const { authenticationMethod: _method, ...properties } = this.#scenario.connect.properties ?? {}
    const { version } = this.#scenario
    link.client.listener = { onBytes: () => {}, onClose: () => {} }
    link.client.send([
      encode({
        type: 'connect',
        protocolVersion: version,
        cleanStart: false,
        keepAlive: 0,
        username: RIVAL,
        clientId: this.#client.clientId || CLIENT_ID,
        ...(version === 5 ? { properties } : {}),
      }),
    ])
    this.#clock.setTimer(() => link.client.destroy(), this.#random.integer(0, 2000))
  }

  // ------------------------------------------------------------------------------------------------- what comes of it

  #onOnline(sessionPresent: boolean): void {
    const home = this.#network.broker.sessions.get(this.#client.clientId || CLIENT_ID)
    if (!sessionPresent) this.#ledger.sessionLost()
    else if (home !== this.#home) {
      this.#ledger.sessionLostUnseen()
      if (home !== undefined) this.#strangeHomes.add(home)
    }
    this.#home = home
  }

  #onDelivery(clientId: string, delivery: Delivery): void {
    if (clientId !== this.#client.clientId && clientId !== CLIENT_ID) return
    const { message } = delivery
    const home = this.#network.broker.sessions.get(clientId)
    this.#ledger.queued(delivery, false)
    const filter = this.#everything.find((one) => matchesFilter(one, message.topic)) ?? ''
    const ours = home?.subscriptions.get(filter)
    const limit = this.#scenario.connect.properties?.maximumPacketSize
    if (home === undefined || ours === undefined || !message.topic.startsWith('in/')) return
    if (limit !== undefined && message.payload.length >= limit - 60) return
    const qos = Math.min(ours.qos, message.qos) as QoS
    if (qos > 0) this.#due.push({ number: numberOf(message.payload), qos, home })
  }

  #fail(rule: string, message: string): never {
    this.#failure ??= new SimulationFailure(rule, message)
    throw this.#failure
  }

  /** Runs everything that is due now: promises, and what was asked for with `soon`, until neither is left. */
  async #settle(): Promise<void> {
    do await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#clock.runSoon())
    // A failure inside the client's own code may have been caught by it.
    if (this.#failure !== undefined) throw this.#failure
  }

  async #step(): Promise<void> {
    if (++this.#steps > MOST_STEPS) this.#fail('liveness', `no rest after ${MOST_STEPS} steps`)
    this.#clock.runNext()
    await this.#settle()
    const { client, ledger } = { client: this.#client, ledger: this.#ledger }
    const { queuedMessages, inFlight } = client.stats
    if (queuedMessages + inFlight > ledger.unsettled + this.#aborted) {
      this.#fail('bounded', `${queuedMessages} queued, ${inFlight} in flight, ${ledger.unsettled} unsettled`)
    }
  }

  /** Publications whose caller has stopped waiting; they go on. */
  get #aborted(): number {
    return this.#publications.filter(({ entry }) => entry.settled > 0).length
  }

  async #calmDown(): Promise<void> {
    this.trace.note('calm')
    this.#isCalm = true
    this.#network.faults = calmNetwork
    for (const link of this.#network.links) link.cut()
    for (const message of this.#postponed.splice(0)) message.ack()
    const end = this.#clock.now() + CALM_MS
    while (this.#unrest !== '' && this.#client.state !== 'closed') {
      if (this.#clock.nextAt > end)
        this.#fail('liveness', `not at rest after ${CALM_MS / 60_000} minutes: ${this.#unrest}`)
      await this.#step()
    }
    if (this.#client.state === 'closed') return
    const theirs = this.#network.broker.sessions.get(this.#client.clientId)
    for (const { number, qos, home } of this.#due) {
      if (home !== theirs || this.#strangeHomes.has(home)) continue
      if (!this.#seen.has(number))
        this.#fail('at least once', `${number} (QoS ${qos}) did not come to the loop that stays`)
    }
  }

  get #unrest(): string {
    const client = this.#client
    const theirs = this.#network.broker.sessions.get(client.clientId)
    const parts = {
      connected: client.connected ? 0 : 1,
      unsettled: this.#ledger.unsettled,
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

  /** The end, in whatever state the client is: everything settles, nothing is left set. */
  async #finish(): Promise<void> {
    const client = this.#client
    const leaves = this.#random.chance(0.5)
    this.trace.note(leaves ? 'disconnect' : 'close')
    this.#isCalm = true
    this.#watch('end', leaves ? client.disconnect({ timeoutMs: 1000 }) : client.close())
    await this.#settle()
    const end = this.#clock.now() + 60_000
    while (this.#clock.nextAt <= end) await this.#step()
    if (client.state !== 'closed')
      this.#fail('settled', `the client is ${client.state} a minute after its end`)
    if (this.#pending.size > 0)
      this.#fail('settled', `still waiting: ${[...this.#pending.values()].join(', ')}`)
    if (this.#ledger.unsettled > 0)
      this.#fail('settled', `${this.#ledger.unsettled} publications never settled`)
    if (this.#clientClock.armed > 0) {
      this.#fail('no timer when idle', `${this.#clientClock.armed} timers are set after the end`)
    }
    this.#ledger.finish(() => false)
  }
}

/** Failures which say that the message has never left. */
const CERTAIN: ReadonlySet<string> = new Set([
  'ERR_MQTT_CANCELLED',
  'ERR_MQTT_MESSAGE_EXPIRED',
  'ERR_MQTT_QUEUE_FULL',
])

import { checkTopicFilter } from '../codec/check-topic.ts'
import type { SubscriptionRequest, UserProperties } from '../codec/packet.ts'
import { ClosedError, MqttError, wrongOption } from '../errors.ts'
import { checkSome } from '../option-rules.ts'
import type { FilterResult } from '../session/command.ts'
import { matchesFilter } from '../topic/match.ts'
import { isSharedFilter } from '../topic/topic-filter.ts'
import { consumerRules } from './consumer-options.ts'
import { type FilterOptions, toSubscriptionRequest } from './filter-options.ts'
import { type HandleOptions, Handling, type MessageHandler } from './handling.ts'
import { HeldMessages } from './held-messages.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage, Message, MessageOwner } from './message.ts'
import { type MessageSource, shareSource } from './message-source.ts'
import type { Payload } from './payload.ts'
import { PlainSubscription } from './plain-subscription.ts'
import type { Requester, RequestOptions } from './requester.ts'
import type { RequestHandler, RespondOptions } from './responder.ts'
import {
  type FilterOutcome,
  Subscription,
  type SubscriptionHome,
  type SubscriptionOptions,
} from './subscription.ts'
import {
  type Consumer,
  type FilterEntry,
  Route,
  SubscriptionRegistry,
  unsubscribeRefusal,
} from './subscription-registry.ts'

/** One filter with options of its own, for `subscribe()`. */
export interface FilterRequest extends FilterOptions {
  readonly filter: string
}

export interface SubscribeOptions extends FilterOptions {
  /** MQTT 5.0. */
  readonly userProperties?: UserProperties | undefined
  /** Rejects the promise with its reason; the filters stay wanted. */
  readonly signal?: AbortSignal | undefined
}

/** How one filter of an `unsubscribe()` was answered. */
export interface UnsubscribeOutcome {
  readonly filter: string
  /** 0 = done, 0x11 = there was no such subscription. */
  readonly reasonCode: number
}

/** Filters that were left and whose stragglers are told from messages that nobody has asked for yet. */
const LEFT_FILTERS = 1_000
/** Handlers of requests that run at once, unless the user says otherwise: requests do not depend on each other. */
const RESPOND_CONCURRENCY = 100

/**
 * Takes received messages to those who want them: subscriptions, and listeners of the `message` event. What nobody
 * wants yet is held.
 *
 * It runs after the session has returned, so that whatever user code does here finds everything in order.
 */
export class MessageRouter implements SubscriptionHome {
  readonly host: ClientHost
  readonly #registry: SubscriptionRegistry
  #held: HeldMessages | undefined
  readonly #subscriptions = new Set<Subscription<AnyMessage>>()
  #plain: Set<PlainSubscription> | undefined
  #handlings: Set<{ pause(): Promise<void>; clientEnded(): void }> | undefined
  #requester: Requester | undefined
  #left: Set<string> | undefined
  /** Owner of what no subscription has. */
  readonly #listeners: MessageOwner
  #delivery = 0

  constructor(host: ClientHost) {
    this.host = host
    this.#registry = new SubscriptionRegistry(host)
    this.#listeners = new Listeners(host, [])
  }

  /** Handlers are at work. */
  get isHandling(): boolean {
    return this.#handlings !== undefined && this.#handlings.size > 0
  }

  /** @internal */
  get subscribes(): number {
    return this.#registry.subscribes
  }

  // ---- what users ask for ----

  /**
   * @throws OptionsError for wrong filters and options
   * @throws MqttError when the client has ended
   */
  messages(source: MessageSource, options: SubscriptionOptions = {}): Subscription<AnyMessage> {
    this.#check()
    const subscription = new Subscription<AnyMessage>(this, source, options)
    if (options.signal?.aborted === true) {
      subscription.stop(options.signal.reason)
      return subscription
    }
    this.#subscriptions.add(subscription)
    this.#registry.add(subscription, subscription)
    subscription.joined()
    for (const filter of subscription.filters) this.#left?.delete(filter)
    for (const message of this.#held?.take(subscription.filters) ?? []) subscription.accept(message)
    return subscription
  }

  /**
   * Subscribes for the `message` event. Resolves with the outcome per filter.
   *
   * @throws SubscribeError when the server refuses all of them
   */
  async subscribe(
    filters: string | FilterRequest | readonly (string | FilterRequest)[],
    options: SubscribeOptions = {},
  ): Promise<readonly FilterOutcome[]> {
    this.#check()
    options.signal?.throwIfAborted()
    const list = typeof filters === 'string' || !isList(filters) ? [filters] : filters
    const requests = new Map<string, SubscriptionRequest>()
    for (const [index, item] of list.entries()) {
      const request = typeof item === 'string' ? { filter: item } : item
      const path = isList(filters) ? `filters[${index}]` : 'filter'
      requests.set(request.filter, toSubscriptionRequest(request.filter, { ...options, ...request }, path))
    }
    if (requests.size === 0) throw wrongOption('filters', 'at least one topic filter')
    const plain = new PlainSubscription(this.host, [...requests.values()], options.signal)
    this.#plain ??= new Set()
    this.#plain.add(plain)
    this.#registry.add(plain, undefined)
    for (const filter of requests.keys()) this.#left?.delete(filter)
    try {
      return await plain.outcome
    } finally {
      this.#plain.delete(plain)
    }
  }

  /**
   * Ends what `subscribe()` began, or what a kept session still has. Filters that a subscription of `messages()` needs stay.
   *
   * @throws UnsubscribeError when the server refuses all of them
   */
  unsubscribe(filters: string | readonly string[]): Promise<readonly UnsubscribeOutcome[]> {
    this.#check()
    const list = [...new Set(typeof filters === 'string' ? [filters] : filters)]
    for (const [index, filter] of list.entries()) {
      checkTopicFilter(filter, list.length === 1 ? 'filter' : `filters[${index}]`)
    }
    const asked = list.filter((filter) => this.#registry.removePlain(filter))
    for (const filter of asked) this.#leave(filter)
    if (asked.length === 0) return Promise.resolve(list.map((filter) => ({ filter, reasonCode: 0 })))
    return new Promise((resolve, reject) => {
      this.#registry.unsubscribe(asked, (outcome) => {
        if (outcome instanceof Error) {
          reject(outcome)
          return
        }
        const codes = new Map(outcome.results.map(({ filter, reasonCode }) => [filter, reasonCode]))
        const results = list.map((filter) => ({ filter, reasonCode: codes.get(filter) ?? 0 }))
        const [first] = results
        if (first !== undefined && results.every(({ reasonCode }) => reasonCode >= 0x80)) {
          reject(unsubscribeRefusal(first.filter, first.reasonCode))
        } else resolve(results)
      })
    })
  }

  /**
   * Runs a handler for each message; see `Handling`.
   *
   * @throws OptionsError for wrong filters and options
   */
  handle<M extends AnyMessage>(
    source: MessageSource,
    handler: MessageHandler<M>,
    options: HandleOptions<M> = {},
  ): Handling<M> {
    checkSome(consumerRules, options)
    const shared = options.share === undefined ? source : shareSource(source, options.share)
    const { qos = 1, noLocal, retainAsPublished, retainHandling } = options
    const { highWaterMark, overflow, schema, onInvalid, signal } = options
    const subscription = this.messages(shared, {
      ...{ qos, noLocal, retainAsPublished, retainHandling, ack: 'manual' },
      ...{ highWaterMark, overflow, schema, onInvalid, signal },
    }) as unknown as Subscription<M>
    const handling = new Handling<M>(this.host, subscription, handler, options)
    this.#handlings ??= new Set()
    this.#handlings.add(handling)
    void handling.done.then(() => this.#handlings?.delete(handling))
    return handling
  }

  /** Answers requests; see `respondWith`. */
  respond<M extends AnyMessage>(
    source: MessageSource,
    handler: RequestHandler<M>,
    options: RespondOptions<M> = {},
  ): Handling<M> {
    const { concurrency = RESPOND_CONCURRENCY } = options
    let respondWith: typeof import('./responder.ts').respondWith | undefined
    const answer: MessageHandler<M> = async (request, context) => {
      respondWith ??= (await import('./on-demand.ts')).respondWith
      await respondWith(this.host, handler, request, context)
    }
    return this.handle<M>(source, answer, { ...options, concurrency })
  }

  /** Asks and waits for the answer; see `Requester`. */
  async request(topic: string, payload?: Payload, options: RequestOptions = {}): Promise<Message> {
    if (this.#requester === undefined) {
      const { Requester } = await import('./on-demand.ts')
      this.#requester ??= new Requester(this.host, this)
    }
    return this.#requester.request(topic, payload, options)
  }

  // ---- what the driver tells ----

  /**
   * Hands a message to everybody who wants it, and with it those that follow and go the same way to a consumer that takes several.
   *
   * @param listen - emits the `message` event; absent when nobody listens. A listener is a consumer of every message, done with
   *   it when it has returned
   * @returns the index of the first message that is left
   */
  deliver(messages: AnyMessage[], from: number, listen?: (message: AnyMessage) => void): number {
    const message = messages[from] as AnyMessage
    const entries = this.#registry.find(message)
    // Most often: one filter, one consumer.
    const entry = entries.length === 1 && !message.retain ? entries[0] : undefined
    const consumer = entry?.only
    if (
      listen === undefined &&
      consumer !== undefined &&
      (this.#registry.route === Route.single || consumer.filters.length === 1)
    ) {
      if (consumer.isPassive) {
        let to = from + 1
        for (; to < messages.length; to++) {
          const next = messages[to] as AnyMessage
          if (next.retain || this.#registry.find(next) !== entries) break
        }
        return consumer.acceptRun(messages, from, to)
      }
      consumer.accept(message)
    } else if (listen !== undefined && entry?.consumers.length === 0) this.#listen(message, listen, entry)
    else this.#deliverShared(message, entries, listen)
    return from + 1
  }

  /** Somebody has begun to listen to the `message` event: what is held is theirs. */
  release(listen: (message: AnyMessage) => void, isHeard: () => boolean): void {
    // A listener may want just one, or leave.
    while (isHeard()) {
      const message = this.#held?.shift()
      if (message === undefined) return
      this.#listen(message, listen)
    }
  }

  /** The server has lost the session: messages may be missing, and nothing that came before can be acknowledged. */
  sessionLost(): void {
    for (const subscription of this.#subscriptions) subscription.sessionLost()
  }

  /** What the server answered when the session subscribed again. */
  resubscribed(results: readonly FilterResult[]): void {
    this.#registry.resubscribed(results)
  }

  /**
   * Before DISCONNECT: handlers get no more messages, and those they have are finished. Resolves when they are, and when the
   * acknowledgements of loops that were left in this turn have been given. Nothing is unsubscribed.
   */
  async stop(): Promise<void> {
    await Promise.all([...(this.#handlings ?? [])].map((handling) => handling.pause()))
    await new Promise<void>((resolve) => this.host.clock.later(resolve))
  }

  /** The client has ended: in peace, or with an error that every loop shall see. */
  end(error: MqttError | undefined): void {
    this.#held?.clear()
    for (const subscription of this.#subscriptions) subscription.clientEnded(error)
    this.#subscriptions.clear()
    for (const handling of this.#handlings ?? []) handling.clientEnded()
    this.#requester?.end(error ?? new ClosedError('The client is closed'))
    for (const plain of this.#plain ?? []) plain.end(error ?? new ClosedError('The client is closed'))
  }

  // ---- what subscriptions tell ----

  /** @internal */
  leave(subscription: Subscription<AnyMessage>, unread: readonly AnyMessage[], settled: () => void): void {
    this.#subscriptions.delete(subscription)
    if (this.host.ended !== undefined) {
      settled()
      return
    }
    for (const filter of subscription.filters) this.#leave(filter)
    this.#registry.remove(subscription, settled)
    this.giveBack(unread)
  }

  /** @internal */
  giveBack(unread: readonly AnyMessage[]): void {
    if (this.host.ended !== undefined) return
    for (const message of unread) {
      if (!message.isOwed) continue
      if (message.shared === undefined) this.#keep(message, true)
      else message.settle(0)
    }
  }

  #leave(filter: string): void {
    this.#left ??= new Set()
    if (this.#left.size < LEFT_FILTERS) this.#left.add(filter)
  }

  /** Everything but the usual. */
  #deliverShared(
    message: AnyMessage,
    entries: readonly FilterEntry[],
    listen: ((message: AnyMessage) => void) | undefined,
  ): void {
    const { route } = this.#registry
    const targets: Consumer[] = []
    this.#delivery += 1
    for (const entry of entries) {
      if (message.retain) entry.retainedSeen = true
      for (const consumer of entry.consumers) {
        if (consumer.delivery === this.#delivery) continue
        consumer.delivery = this.#delivery
        if (route === Route.copy && consumer.filters.length > 1 && !isItsCopy(consumer, entry, message))
          continue
        if (message.retain && !consumer.wantsRetained(message, entry)) continue
        targets.push(consumer)
      }
    }
    if (targets.length === 0 && listen === undefined) {
      // A consumer that was passed over has it already; else there is a plain subscription, or nobody.
      if (entries.some((entry) => entry.isWanted)) this.host.acknowledge(message, 0)
      else this.#hold(message, route === Route.left || this.#isLeft(message))
      return
    }
    const parties = targets.length + (listen === undefined ? 0 : 1)
    if (parties > 1) {
      message.shared = { message, remaining: parties, reasonCode: 0 }
    }
    let isFirst = true
    for (const consumer of targets) {
      consumer.accept(isFirst ? message : inherit(message))
      isFirst = false
    }
    if (listen !== undefined) {
      const own = isFirst ? message : inherit(message)
      own.owner = undefined
      this.#listen(own, listen, entries[0])
    }
  }

  #listen(message: AnyMessage, listen: (message: AnyMessage) => void, entry?: FilterEntry): void {
    if (entry !== undefined) message.owner = entry.listeners ??= new Listeners(this.host, entry.filters)
    else message.owner ??= this.#listeners
    try {
      listen(message)
    } catch (cause) {
      this.host.report(
        new MqttError(
          `A listener of "message" has thrown for a message on "${message.topic}": ${String(cause)}`,
          {
            code: 'ERR_MQTT_LISTENER',
            cause,
          },
        ),
      )
    }
    message.settle(0)
  }

  /** @param left - a straggler */
  #hold(message: AnyMessage, left: boolean): void {
    if (message.qos > 0 || (this.host.inherited === true && !left)) this.#keep(message, left)
    else this.host.dropped(message, 'nobody wants it')
  }

  #keep(message: AnyMessage, left: boolean): void {
    this.#held ??= new HeldMessages(this.host, this.#subscriptions)
    this.#held.add(message, left)
  }

  /** A straggler: its filter was wanted and has been left. */
  #isLeft(message: AnyMessage): boolean {
    for (const filter of this.#left ?? []) if (matchesFilter(filter, message.topic)) return true
    return false
  }

  #check(): void {
    const { ended } = this.host
    if (ended !== undefined) throw ended
  }
}

/** Those who listen to the `message` event, as owner of what they get. */
class Listeners implements MessageOwner {
  readonly filters: readonly string[]
  readonly parse = undefined
  readonly #host: ClientHost

  constructor(host: ClientHost, filters: readonly string[]) {
    this.#host = host
    this.filters = filters
  }

  settle(message: AnyMessage, reasonCode: number): void {
    this.#host.acknowledge(message, reasonCode)
  }

  disown(message: AnyMessage): void {
    this.#host.disown(message)
  }
}

/** For each further consumer: everything but what is its own is read from the message itself. */
function inherit(message: AnyMessage): AnyMessage {
  const copy = Object.create(message) as AnyMessage
  copy.handled = false
  copy.value = undefined
  copy.afterGap = false
  return copy
}

/**
 * The server sends a copy per subscription, so a consumer whose filters overlap takes the copy of the first that fits. A shared
 * subscription's copy may have gone to another member of its group and replaces no other.
 */
function isItsCopy(consumer: Consumer, entry: FilterEntry, message: AnyMessage): boolean {
  if (isSharedFilter(entry.filter)) return true
  const first = consumer.filters.find(
    (filter) => !isSharedFilter(filter) && matchesFilter(filter, message.topic),
  )
  return first === undefined || first === entry.filter
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value)
}

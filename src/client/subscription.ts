import type { SubscriptionRequest } from '../codec/packet.ts'
import { ClosedError, type MqttError, QueueFullError, wrongOption } from '../errors.ts'
import { AckState } from '../session/inbound-message.ts'
import { onAbort } from '../transport/opening.ts'
import { type FilterOptions, toSubscriptionRequest } from './filter-options.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage, Message } from './message.ts'
import { MessageBatches } from './message-batches.ts'
import { MessageIterator } from './message-iterator.ts'
import { MessageQueue } from './message-queue.ts'
import type { MessageSource } from './message-source.ts'
import { PromiseParts } from './promise-parts.ts'
import {
  type OnInvalid,
  type PayloadCheck,
  payloadCheck,
  type StandardSchema,
  type Verdict,
} from './schema.ts'
import type { Consumer, FilterEntry } from './subscription-registry.ts'

export interface SubscriptionOptions extends FilterOptions {
  /**
   * When a QoS 1 or 2 message is acknowledged. `auto`: when the loop asks for the next one, or a turn of the event loop
   * after it was left. `manual`: by `message.ack()` or `nack()`. `receipt`: as soon as the queue has room for it. @default 'auto'
   */
  readonly ack?: 'auto' | 'manual' | 'receipt' | undefined
  /**
   * How much may wait for the consumer: messages, or messages and bytes of payload. It bounds QoS 0; QoS 1 and 2 are bounded by
   * Receive Maximum, since the server stops when so many are unacknowledged. @default { messages: 65536, bytes: 67108864 }
   */
  readonly highWaterMark?: number | { readonly messages?: number; readonly bytes?: number } | undefined
  /** What happens to QoS 0 messages beyond it; `error` ends the subscription with `QueueFullError`. @default 'drop-oldest' */
  readonly overflow?: 'drop-oldest' | 'drop-newest' | 'error' | undefined
  /** Any Standard Schema (zod, valibot, arktype ...) for the payload as JSON; what it makes of it is `message.value`. */
  readonly schema?: StandardSchema | undefined
  /** What happens to a message whose payload does not fit the schema. @default 'skip' */
  readonly onInvalid?: OnInvalid | undefined
  /** Ends the subscription, as `close()` does. */
  readonly signal?: AbortSignal | undefined
}

/** How one filter was answered. */
export interface FilterOutcome {
  readonly filter: string
  /** As in SUBACK: 0..2 granted, 0x80 and up refused. */
  readonly reasonCode: number
  /** `undefined` when refused. */
  readonly grantedQos: 0 | 1 | 2 | undefined
}

export interface TakeOptions {
  /** Rejects with its reason and ends the subscription. */
  readonly signal?: AbortSignal | undefined
  /** Rejects with `TimeoutError` after so many milliseconds and ends the subscription. @default never */
  readonly timeoutMs?: number | undefined
}

/** What a subscription needs of the router. */
export interface SubscriptionHome {
  readonly host: ClientHost
  /** How often SUBSCRIBE was sent; see `SubscriptionRegistry`. */
  readonly subscribes: number
  /** Takes a subscription out, gives back what it has not handed out, and unsubscribes. Calls back with the outcome. */
  leave(subscription: Subscription<AnyMessage>, unread: readonly AnyMessage[], settled: () => void): void
  /** Gives back what one that had left already has not handed out. */
  giveBack(unread: readonly AnyMessage[]): void
}

const DEFAULT_MESSAGES = 65_536
const DEFAULT_BYTES = 67_108_864
/** From here on the queue is a backlog: messages stop holding the whole received chunk alive. */
const BACKLOG = 1_024
/** Larger payloads are most of their chunk. */
const BACKLOG_COPY = 16_384
/** Topics of retained messages that are remembered, so that a later SUBSCRIBE does not bring them again. */
const RETAINED_TOPICS = 10_000

/** @internal A consumer that waits for a message. */
export interface Waiting {
  /** The loop that waits. */
  readonly owner: object
  resolve(message: AnyMessage): void
  /** Takes several; absent where it wants one. */
  resolveAll?(messages: AnyMessage[]): void
  /** There will be none. */
  end(error: Error | undefined): void
}

/** @internal Who takes messages as they come, without a loop. */
export interface MessageSink {
  /** False when there is no room: the message waits, and is to be asked for by `shift()`. */
  take(message: AnyMessage): boolean
  /** Nothing will follow what is queued. Called in the middle of things: user code has to wait. */
  end(error: Error | undefined): void
}

/** The set of all subscriptions whose filters have been answered. */
const NONE: Set<string> = new Set()

/**
 * The messages of one or several filters, as an async iterable. It exists, with its queue, from the call on, and survives
 * reconnects. Leaving the loop (`break`, `return`, an exception), `close()`, `await using` and `signal` end it; when
 * nobody else of the client needs the filters, they are unsubscribed from.
 *
 * Several loops over one subscription share its messages: each message goes to one of them, and the subscription ends
 * when the last loop is left. A client that ends in an error ends the loop with that error, after what had been
 * received; a client that was closed ends it in peace.
 */
export class Subscription<M extends AnyMessage = Message>
  implements AsyncIterable<M>, AsyncDisposable, Consumer
{
  readonly filters: readonly string[]
  /** @internal */
  readonly requests: readonly SubscriptionRequest[]
  /** @internal */
  readonly parse: ((topic: string) => unknown) | undefined
  /** @internal */
  readonly autoAck: boolean
  /** @internal */
  delivery = 0
  readonly #home: SubscriptionHome
  readonly #receipt: boolean
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #overflow: 'drop-oldest' | 'drop-newest' | 'error'
  readonly #check: PayloadCheck | undefined
  readonly #queue = new MessageQueue()
  readonly #waiting: Waiting[] = []
  #sink: MessageSink | undefined = undefined
  /** Filters without an answer. */
  #unsettled: Set<string>
  #granted: FilterOutcome[] | undefined
  readonly #signal: AbortSignal | undefined
  #ready: Promise<readonly FilterOutcome[]> | undefined
  /** While `#ready` is not settled. */
  #awaited: PromiseParts<readonly FilterOutcome[]> | undefined
  #stopListening: (() => void) | undefined
  #readyError: unknown
  #closed: Promise<void> | undefined
  /** Loops that have begun and have not been left. */
  #loops = 0
  #started = false
  #ended = false
  #error: Error | undefined
  #gap = false
  #joined = 0
  #retained: Set<string> | undefined
  #dropped = 0

  /** @internal Made by `client.messages()`. */
  constructor(home: SubscriptionHome, source: MessageSource, options: SubscriptionOptions) {
    const { filters } = source
    const distinct = [...new Set(filters)]
    if (distinct.length === 0) {
      throw wrongOption('filters', 'at least one topic filter')
    }
    this.#home = home
    this.filters = distinct
    this.requests = distinct.map((filter, index) =>
      toSubscriptionRequest(filter, options, filters.length === 1 ? 'filter' : `filters[${index}]`),
    )
    this.parse = source.parse === undefined ? undefined : (topic) => source.parse?.(topic)
    const { ack = 'auto', highWaterMark = {}, overflow = 'drop-oldest' } = options
    this.autoAck = ack === 'auto'
    this.#receipt = ack === 'receipt'
    const marks = typeof highWaterMark === 'number' ? { messages: highWaterMark } : highWaterMark
    this.#maxMessages = marks.messages ?? DEFAULT_MESSAGES
    this.#maxBytes = marks.bytes ?? DEFAULT_BYTES
    this.#overflow = overflow
    this.#check = checkOf(source, options)
    this.#unsettled = new Set(distinct)
    this.#signal = options.signal
  }

  /**
   * Resolves with the server's answer per filter. Rejects with `SubscribeError` when one is refused, which ends the
   * subscription, and with what ended it before an answer came.
   */
  get ready(): Promise<readonly FilterOutcome[]> {
    if (this.#ready === undefined) {
      const parts = new PromiseParts<readonly FilterOutcome[]>()
      this.#ready = parts.promise
      if (this.#unsettled.size === 0) parts.resolve(this.#granted ?? [])
      else if (this.#ended) parts.reject(this.#readyError)
      else this.#awaited = parts
      // The same failure ends the loop, so that nothing is lost when nobody awaits this one.
      this.#ready.catch(() => {})
    }
    return this.#ready
  }

  /** Messages that have been received and not yet asked for. */
  get queued(): number {
    return this.#queue.length
  }

  /** QoS 0 messages that were dropped because the consumer was too slow. */
  get dropped(): number {
    return this.#dropped
  }

  [Symbol.asyncIterator](): MessageIterator<M> {
    return new MessageIterator<M>(this)
  }

  /**
   * All messages that are there, at once: for consumers that work through many. With `ack: 'auto'` a batch is acknowledged
   * when the next one is asked for.
   */
  batches(): MessageBatches<M> {
    return new MessageBatches<M>(this)
  }

  /**
   * The next `count` messages, then ends the subscription. Resolves with fewer when it ends before.
   *
   * @throws OptionsError unless `count` is a positive integer
   */
  async take(count: number, options: TakeOptions = {}): Promise<M[]> {
    const { takeFrom } = await import('./on-demand.ts')
    return takeFrom(this, this.#home.host, count, options)
  }

  /**
   * The next message, then ends the subscription. Rejects with `ClosedError` when it ends before.
   */
  async first(options: TakeOptions = {}): Promise<M> {
    const { firstFrom } = await import('./on-demand.ts')
    return firstFrom(this, this.#home.host, options)
  }

  /** The messages as a web stream. It asks for a message when its reader does; cancelling it ends the subscription. */
  toReadableStream(): ReadableStream<M> {
    const iterator = this[Symbol.asyncIterator]()
    return new ReadableStream<M>(
      {
        async pull(controller) {
          const { done, value } = await iterator.next()
          if (done === true) controller.close()
          else controller.enqueue(value)
        },
        async cancel() {
          await iterator.return()
        },
      },
      // Nothing is asked for ahead: what was asked for counts as worked on.
      { highWaterMark: 0 },
    )
  }

  /**
   * Ends it: loops end when their body is done, QoS 0 messages that nobody has asked for are forgotten, and those of QoS 1
   * and 2 stay unacknowledged for whoever subscribes next. Resolves when the server has answered the UNSUBSCRIBE, or at
   * once when none is needed or can be sent. Idempotent; never rejects.
   */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#leave(resolve))
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ---- for the iterators ----

  /** @internal A loop has asked for the first time. */
  begin(): void {
    this.#started = true
    this.#loops += 1
  }

  /** @internal From now on messages go to the sink, in place of a loop, as they come. */
  flow(sink: MessageSink): void {
    this.#sink = sink
    this.begin()
  }

  /** @internal A loop was left. */
  finish(): void {
    this.#loops -= 1
    if (this.#loops <= 0) this.#leave(undefined)
  }

  /** @internal Whether nothing will follow what is queued. */
  get isEnded(): boolean {
    return this.#ended
  }

  /** @internal How it ended. */
  get error(): Error | undefined {
    return this.#error
  }

  /** @internal */
  get check(): PayloadCheck | undefined {
    return this.#check
  }

  /** @internal The next message that is there. */
  shift(): AnyMessage | undefined {
    const message = this.#queue.shift()
    if (message !== undefined && this.#receipt && message.isOwed) message.settle(0)
    return message
  }

  /** @internal */
  shiftAll(): AnyMessage[] {
    const messages = this.#queue.takeAll()
    if (this.#receipt) for (const message of messages) if (message.isOwed) message.settle(0)
    return messages
  }

  /** @internal What was taken out for a loop that has been left meanwhile. */
  putBack(messages: readonly AnyMessage[]): void {
    if (this.#ended) this.#home.giveBack(messages)
    else for (const message of messages) this.accept(message)
  }

  /** @internal */
  wait(waiting: Waiting): void {
    this.#waiting.push(waiting)
  }

  /** @internal The loop was left while it waited. */
  stopWaiting(owner: object): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (this.#waiting[index]?.owner === owner) this.#waiting.splice(index, 1)[0]?.end(undefined)
    }
  }

  /** @internal What to do with a message whose payload did not fit. An error ends the loop. */
  invalid(
    message: AnyMessage,
    verdict: Verdict,
    next: AnyMessage | undefined = this.#queue.peek(),
  ): Error | undefined {
    const { onInvalid, error } = verdict
    if (onInvalid === 'throw') {
      // The loop ends here, as by an exception in its body.
      this.settleLater([message])
      this.fail(error)
      return error
    }
    this.#drop(message, next, error.message)
    message.settle(onInvalid === 'nack' ? 0x99 : 0)
    return undefined
  }

  /** @internal Acknowledges in a later turn, which an uncaught exception of this one does not live to see. */
  settleLater(messages: readonly AnyMessage[]): void {
    this.#home.host.clock.later(() => {
      for (const message of messages) message.settle(0)
    })
  }

  // ---- for the router ----

  /** @internal Once, when the router has it. */
  joined(): void {
    this.#joined = this.#home.subscribes
    if (this.#signal === undefined) return
    this.#stopListening = onAbort(this.#signal, (reason) => this.stop(reason))
  }

  /** @internal */
  accept(message: AnyMessage): void {
    message.owner = this
    if (message.afterGap !== this.#gap) message.afterGap = this.#gap
    this.#gap = false
    const waiting = this.#waiting.length > 0 ? this.#waiting.shift() : undefined
    if (waiting !== undefined) {
      if (this.#receipt && message.qos > 0) message.settle(0)
      waiting.resolve(message)
      return
    }
    const queue = this.#queue
    const sink = this.#sink
    if (sink !== undefined && queue.length === 0 && sink.take(message)) return
    if (queue.length >= BACKLOG && message.payload.length < BACKLOG_COPY) message.detach()
    queue.push(message)
    if (message.qos > 0) {
      // Receipt stops where the queue is full: the acknowledgement then waits until the message is asked for.
      if (this.#receipt && queue.length <= this.#maxMessages) message.settle(0)
    } else if (queue.looseMessages > this.#maxMessages || queue.looseBytes > this.#maxBytes)
      this.#spill(message)
  }

  /** @internal */
  get isPassive(): boolean {
    return this.#sink === undefined
  }

  /** @internal */
  acceptRun(messages: AnyMessage[], from: number, to: number): number {
    if (from === 0 && to === messages.length && this.#handOver(messages)) return to
    for (let index = from; index < to; index++) {
      const dropped = this.#dropped
      this.accept(messages[index] as AnyMessage)
      // User code was told, and may have done whatever.
      if (this.#dropped !== dropped || this.#ended) return index + 1
    }
    return to
  }

  /** Gives all there is to a loop that waits for batches, without the way through the queue. False when that cannot be. */
  #handOver(messages: AnyMessage[]): boolean {
    const waiting = this.#waiting[0]
    if (waiting?.resolveAll === undefined || this.#receipt || messages.length > this.#maxMessages)
      return false
    for (const message of messages) {
      message.owner = this
      if (message.afterGap !== this.#gap) message.afterGap = this.#gap
      this.#gap = false
    }
    this.#waiting.shift()
    waiting.resolveAll(messages)
    return true
  }

  /** @internal */
  settle(message: AnyMessage, reasonCode: number): void {
    this.#home.host.acknowledge(message, reasonCode)
  }

  /** @internal What the loop that has finished with `message` waits for before it gets the next one. */
  whenFinished(message: AnyMessage): Promise<void> | undefined {
    // The next process must not get it again, and from QoS 2 nobody expects that.
    return message.qos === 2 ? this.#home.host.whenAcknowledgementsStored() : undefined
  }

  /** @internal */
  disown(message: AnyMessage): void {
    this.#home.host.disown(message)
  }

  /** @internal */
  wantsRetained(message: AnyMessage, entry: FilterEntry): boolean {
    // With Retain As Published the flag says nothing about why the message was sent.
    if (entry.request.retainAsPublished === true) return true
    const handling = this.requests[0]?.retainHandling
    if (handling === 2) return false
    if (handling === 1 && entry.consumers[0] !== this) return false
    const before = this.#retained?.has(message.topic) === true
    if (before && this.#joined !== this.#home.subscribes) return false
    this.#retained ??= new Set()
    if (this.#retained.size < RETAINED_TOPICS) this.#retained.add(message.topic)
    return true
  }

  /** @internal */
  granted(filter: string, reasonCode: number): void {
    if (!this.#unsettled.delete(filter)) return
    const outcome: FilterOutcome = { filter, reasonCode, grantedQos: reasonCode as 0 | 1 | 2 }
    if (this.#granted === undefined) this.#granted = [outcome]
    else this.#granted.push(outcome)
    if (this.#unsettled.size > 0) return
    this.#unsettled = NONE
    this.#awaited?.resolve(this.#granted)
    this.#awaited = undefined
  }

  /** @internal */
  refused(_filter: string, error: MqttError): void {
    if (this.#ended) return
    const unseen = this.#ready === undefined && !this.#started
    this.fail(error)
    if (unseen) this.#home.host.report(error)
  }

  /** @internal The session was lost: what comes next may follow a gap. */
  sessionLost(): void {
    this.#retained = undefined
    if (this.#unsettled.size < this.requests.length) this.#gap = true
  }

  /** @internal Ends it with an error that the loop sees after what is queued. */
  fail(error: Error): void {
    if (this.#ended) return
    this.#end(error, error)
    this.#home.leave(this, [], () => {})
  }

  /** @internal Ends it at once, as `close` does; an error is for `ready` alone. */
  stop(reason: unknown): void {
    this.#readyError ??= reason
    void this.close()
  }

  /** @internal The client has ended. What it can no longer acknowledge the server delivers again, so it is not handed out. */
  clientEnded(error: MqttError | undefined): void {
    if (this.#ended) return
    for (const message of this.#queue.takeAll()) {
      if (message.qos === 0 || message.handled || message.ackState === AckState.none)
        this.#queue.push(message)
    }
    this.#end(error, error ?? new ClosedError('The client is closed'))
  }

  // ---- parts ----

  #leave(settled: (() => void) | undefined): void {
    if (this.#ended) {
      // It has failed, and its loop was left before it had read what came before the failure.
      this.#home.giveBack(this.#queue.takeAll())
      settled?.()
      return
    }
    const unread = this.#queue.takeAll()
    this.#end(
      undefined,
      this.#readyError ?? new ClosedError(`The subscription to ${this.#describe()} was closed`),
    )
    this.#home.leave(this, unread, settled ?? (() => {}))
  }

  #end(error: Error | undefined, readyError: unknown): void {
    this.#ended = true
    this.#error = error
    this.#readyError ??= readyError
    this.#stopListening?.()
    this.#awaited?.reject(this.#readyError)
    this.#awaited = undefined
    for (const waiting of this.#waiting.splice(0)) waiting.end(error)
    this.#sink?.end(error)
  }

  #spill(newest: AnyMessage): void {
    if (this.#overflow === 'error') {
      this.fail(
        new QueueFullError(
          `The consumer of ${this.#describe()} is too slow: ${this.#queue.looseMessages} messages of QoS 0 wait (highWaterMark)`,
        ),
      )
      return
    }
    if (this.#overflow === 'drop-newest') {
      this.#queue.dropNewest()
      this.#dropped += 1
      this.#drop(newest, undefined)
      return
    }
    while (this.#queue.looseMessages > this.#maxMessages || this.#queue.looseBytes > this.#maxBytes) {
      const oldest = this.#queue.dropOldest()
      if (oldest === undefined) return
      this.#dropped += 1
      this.#drop(oldest, this.#queue.peek())
    }
  }

  /** The consumer does not get to see `message`: the next one has to say that there was a gap. */
  #drop(
    message: AnyMessage,
    next: AnyMessage | undefined,
    reason = 'the queue of its subscription is full',
  ): void {
    if (message.afterGap) {
      if (next === undefined) this.#gap = true
      else next.afterGap = true
    }
    this.#home.host.dropped(message, reason)
  }

  #describe(): string {
    return this.filters.map((filter) => `"${filter}"`).join(', ')
  }
}

/** The schema of the options goes before the one of a typed topic. */
function checkOf(source: MessageSource, options: SubscriptionOptions): PayloadCheck | undefined {
  const { onInvalid = 'skip', schema = source.schema } = options
  if (schema === undefined) return undefined
  return payloadCheck(schema, onInvalid, (message) =>
    source.decode === undefined ? message.json() : source.decode(message),
  )
}

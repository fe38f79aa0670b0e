import PQueue from 'p-queue'
import { MqttError } from '../errors.ts'
import { onAbort } from '../transport/opening.ts'
import { deadLetterOptions } from './dead-letter.ts'
import { isHandlerTraced, traceHandler } from './diagnostics.ts'
import type { FailureVerdict, HandleOptions, HandlerContext, MessageHandler } from './handling.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage } from './message.ts'
import { type ResolvedRetry, resolveRetry, retryDelay } from './retry.ts'
import type { Verdict } from './schema.ts'
import type { MessageSink, Subscription } from './subscription.ts'

/** Messages of a topic that wait for the one before them, for each message that may run. */
const LANE_DEPTH = 64
/** Messages that were waiting are handled so many at a time: the network has its turn in between. */
const SLICE = 256

/**
 * Runs a handler for each message of a subscription. What was taken from the subscription is handled to the end; what is not
 * taken yet waits there, unacknowledged, which is the back-pressure.
 *
 * The handler is called as the message arrives while fewer than `concurrency` run, and one that returns no promise is done
 * with it when it returns: nothing is made per message. Where more is taken than may run (messages of many topics, each in
 * its order), a queue of bounded concurrency works them off.
 */
export class HandlingWorker<M extends AnyMessage> implements MessageSink {
  readonly #host: ClientHost
  readonly #subscription: Subscription<M>
  readonly #handler: MessageHandler<M>
  readonly #options: HandleOptions<M>
  readonly #retry: ResolvedRetry
  readonly #concurrency: number
  readonly #limit: number
  readonly #firstAttempt: HandlerContext
  /** Topics that are being worked on, with what waits for them. Only `ordered: 'topic'` has them. */
  readonly #lanes: Map<string, M[] | null> | undefined
  /** The first of each topic that waits for its turn. */
  readonly #ready: M[] = []
  /** Runs the lines of work, `concurrency` at once. Made when the first handler returns a promise. */
  #queue: PQueue | undefined = undefined
  #lines = 0
  #abort: AbortController | undefined = undefined
  /** Taken and not finished. */
  #taken = 0
  #finished = 0
  #failed = 0
  /** Takes no more. */
  #stopped = false
  /** Stopped, or the subscription has ended. */
  #ending = false
  /** Waits for nothing any more. */
  #aborted = false
  #slicing = false
  /** Resolves when the subscription has ended and the last handler has finished. Never rejects. */
  readonly done: Promise<void>
  #setDone: () => void = () => {}

  constructor(
    host: ClientHost,
    subscription: Subscription<M>,
    handler: MessageHandler<M>,
    options: HandleOptions<M>,
  ) {
    const { concurrency = 1, ordered = 'none' } = options
    this.#host = host
    this.#subscription = subscription
    this.#handler = handler
    this.#options = options
    this.#retry = resolveRetry(options.retry)
    this.#concurrency = ordered === 'all' ? 1 : concurrency
    this.#limit = ordered === 'topic' ? concurrency * LANE_DEPTH : this.#concurrency
    this.#lanes = ordered === 'topic' ? new Map() : undefined
    this.#firstAttempt = contextOf(1, this.#signal)
    this.done = new Promise((resolve) => {
      this.#setDone = resolve
    })
    subscription.flow(this)
    // Not before `handle()` has returned: handlers use what it returns.
    queueMicrotask(() => this.#pull())
  }

  /** Messages taken from the subscription and not finished: running, retried, or in their topic's line. */
  get pending(): number {
    return this.#taken
  }

  /** Messages whose handler has succeeded, and messages that have failed for good. */
  get counts(): { readonly succeeded: number; readonly failed: number } {
    return { succeeded: this.#finished, failed: this.#failed }
  }

  /** For the client's disconnect: takes no more, but stays subscribed, so that a kept session goes on collecting. */
  pause(): Promise<void> {
    this.#stopped = true
    this.#ending = true
    this.#endWhenIdle()
    return this.done
  }

  /** Ends the subscription; what is not finished within the time stays unacknowledged. */
  async close(timeoutMs: number): Promise<void> {
    const done = this.pause()
    const timer = this.#host.clock.setTimer(() => this.stop(), timeoutMs)
    void this.#subscription.close()
    await done
    timer.cancel()
  }

  /** Nothing is waited for any more. */
  stop(): void {
    void this.pause()
    this.#aborted = true
    this.#abort?.abort(handlingClosed())
    this.#setDone()
  }

  // ---- what the subscription tells ----

  take(message: AnyMessage): boolean {
    if (this.#taken >= this.#limit || this.#stopped) return false
    this.#take(message as M)
    return true
  }

  end(error: Error | undefined): void {
    this.#ending = true
    // When everybody has been told: this is in the middle of it.
    queueMicrotask(() => {
      // The client's own end is told by `closed`; a refused or broken subscription by nobody else.
      if (error !== undefined && this.#host.ended === undefined)
        this.#host.report(handlingFailure(error, this.#describe()))
      this.#pull()
    })
  }

  // ---- the flow of messages ----

  /** What has been waiting in the subscription. */
  #pull(): void {
    if (this.#slicing) return
    for (let count = 0; this.#taken < this.#limit && !this.#stopped; count++) {
      if (count === SLICE) {
        this.#slicing = true
        this.#host.clock.later(this.#nextSlice)
        return
      }
      const message = this.#subscription.shift()
      if (message === undefined) break
      this.#take(message as M)
    }
    this.#endWhenIdle()
  }

  readonly #nextSlice = (): void => {
    this.#slicing = false
    this.#pull()
  }

  #endWhenIdle(): void {
    if (this.#taken > 0) return
    if (this.#stopped || (this.#subscription.isEnded && this.#subscription.queued === 0)) this.#setDone()
  }

  #take(message: M): void {
    this.#taken += 1
    const lanes = this.#lanes
    if (lanes === undefined) {
      void this.#start(message)
      return
    }
    const { topic } = message
    const lane = lanes.size === 0 ? undefined : lanes.get(topic)
    if (lane !== undefined) {
      if (lane === null) lanes.set(topic, [message])
      else lane.push(message)
    } else if (this.#lines < this.#concurrency) {
      const running = this.#start(message)
      if (running === undefined) return
      lanes.set(topic, null)
      this.#lines += 1
      this.#queue ??= new PQueue({ concurrency: this.#concurrency })
      void this.#queue.add(() => this.#follow(lanes, topic, running))
    } else {
      lanes.set(topic, null)
      this.#ready.push(message)
    }
  }

  /** One line of work: message after message, as long as one is ready. The next of a topic comes behind those of others. */
  async #follow(lanes: Map<string, M[] | null>, first: string, begun: Promise<void>): Promise<void> {
    let topic = first
    let running: Promise<void> | undefined = begun
    for (;;) {
      if (running !== undefined) await running
      const next = lanes.get(topic)?.shift()
      if (next === undefined) lanes.delete(topic)
      else this.#ready.push(next)
      const message = this.#ready.shift()
      if (message === undefined) break
      topic = message.topic
      running = this.#start(message)
    }
    this.#lines -= 1
    this.#pull()
  }

  /** The first attempt. A promise when it has not finished with the message. */
  #start(message: M): Promise<void> | undefined {
    const { check } = this.#subscription
    if (check !== undefined) {
      const verdict = check(message)
      if (verdict instanceof Promise) return verdict.then((late) => this.#checked(message, late))
      if (verdict !== undefined) {
        this.#invalid(message, verdict)
        return undefined
      }
    }
    return this.#run(message)
  }

  #checked(message: M, verdict: Verdict | undefined): Promise<void> | undefined {
    if (verdict === undefined) {
      const running = this.#run(message)
      if (running !== undefined) return running
    } else this.#invalid(message, verdict)
    this.#pull()
    return undefined
  }

  #invalid(message: M, verdict: Verdict): void {
    this.#subscription.invalid(message, verdict)
    this.#release()
  }

  #run(message: M): Promise<void> | undefined {
    let result: unknown
    try {
      result = this.#call(message, this.#firstAttempt)
    } catch (error) {
      return this.#recover(message, error)
    }
    if (!isThenable(result)) {
      this.#succeed(message)
      return undefined
    }
    return Promise.resolve(result).then(
      () => {
        this.#succeed(message)
        this.#pull()
      },
      (error: unknown) => this.#recover(message, error),
    )
  }

  #call(message: M, context: HandlerContext): unknown {
    if (!isHandlerTraced()) return this.#handler(message, context)
    return traceHandler(async () => this.#handler(message, context), {
      topic: message.topic,
      attempt: context.attempt,
    })
  }

  #succeed(message: M): void {
    this.#finished += 1
    message.ack()
    this.#release()
  }

  #release(): void {
    this.#taken -= 1
    if (this.#ending) this.#endWhenIdle()
  }

  /** After the first attempt has failed. Never rejects. */
  async #recover(message: M, error: unknown): Promise<void> {
    try {
      await this.#attempts(message, error)
    } catch (thrown) {
      // A hook of the user has thrown, or the dead letter was refused. The message stays unacknowledged, since what should
      // become of it is unknown, but does not hold up the acknowledgements of those behind it.
      message.disown()
      this.#host.report(handlingFailure(thrown, this.#describe()))
    }
    this.#release()
    this.#pull()
  }

  async #attempts(message: M, firstError: unknown): Promise<void> {
    let error = firstError
    for (let attempt = 1; ; ) {
      const verdict = await this.#judge(error, message, attempt)
      if (verdict !== 'retry') {
        this.#failed += 1
        await this.#giveUp(message, error, attempt, verdict)
        return
      }
      await this.#wait(retryDelay(this.#retry, attempt, this.#host.clock.random))
      if (this.#aborted) return
      attempt += 1
      try {
        await this.#call(message, contextOf(attempt, this.#signal))
      } catch (thrown) {
        error = thrown
        continue
      }
      this.#finished += 1
      message.ack()
      return
    }
  }

  async #judge(error: unknown, message: M, attempt: number): Promise<FailureVerdict | 'retry'> {
    const { onError = 'nack' } = this.#options
    if (this.#aborted) return 'leave'
    const mayRetry = attempt <= this.#retry.attempts
    if (typeof onError === 'function') {
      const verdict = await onError(error, message, attempt)
      return verdict ?? (mayRetry ? 'retry' : 'nack')
    }
    this.#host.report(
      new MqttError(
        `The handler of ${this.#describe()} has failed for a message on "${message.topic}" (attempt ${attempt}): ${textOf(error)}`,
        { code: 'ERR_MQTT_HANDLER', cause: error },
      ),
    )
    return mayRetry ? 'retry' : onError
  }

  async #giveUp(message: M, error: unknown, attempts: number, verdict: FailureVerdict): Promise<void> {
    const { deadLetter } = this.#options
    if (verdict === 'leave') {
      message.disown()
      return
    }
    const topic = typeof deadLetter === 'function' ? deadLetter(message, error) : deadLetter
    if (topic !== undefined) {
      const hasProperties = this.#host.limits?.protocolVersion === 5
      await this.#host.publish(
        topic,
        message.payload,
        deadLetterOptions(message, textOf(error), attempts, hasProperties),
      ).acked
      message.ack()
    } else if (verdict === 'nack') message.nack()
    else message.ack()
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#host.clock.setTimer(() => {
        stopListening()
        resolve()
      }, delayMs)
      const stopListening = onAbort(this.#signal(), () => {
        timer.cancel()
        resolve()
      })
    })
  }

  readonly #signal = (): AbortSignal => {
    this.#abort ??= new AbortController()
    if (this.#aborted) this.#abort.abort(handlingClosed())
    return this.#abort.signal
  }

  #describe(): string {
    return this.#subscription.filters.map((filter) => `"${filter}"`).join(', ')
  }
}

/** What a handler is told beside its message. A signal is made for those who ask for it. */
function contextOf(attempt: number, getSignal: () => AbortSignal): HandlerContext {
  return {
    attempt,
    get signal() {
      return getSignal()
    },
  }
}

function handlingClosed(): MqttError {
  return new MqttError('The handling was closed', { code: 'ERR_MQTT_CLOSED' })
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}

function handlingFailure(error: unknown, what: string): MqttError {
  if (error instanceof MqttError) return error
  return new MqttError(`The handling of ${what} has failed: ${textOf(error)}`, {
    code: 'ERR_MQTT_HANDLER',
    cause: error,
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

import PQueue from 'p-queue'
import { MqttError } from '../errors.ts'
import type { Timer } from './clock.ts'
import { deadLetterOptions } from './dead-letter.ts'
import type { FailureVerdict, HandleOptions, MessageHandler } from './handling.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage } from './message.ts'
import { type ResolvedRetry, resolveRetry, retryDelay } from './retry.ts'
import type { Subscription } from './subscription.ts'

/** Messages of a topic that wait for the one before them, for each message that may run. */
const LANE_DEPTH = 64

/**
 * Runs a handler for each message of a subscription, through a queue of bounded concurrency. What was taken from
 * the subscription is handled to the end; what is not taken yet waits there, unacknowledged, which is the back-pressure.
 */
export class HandlingWorker<M extends AnyMessage> {
  readonly #host: ClientHost
  readonly #subscription: Subscription<M>
  readonly #handler: MessageHandler<M>
  readonly #options: HandleOptions<M>
  readonly #retry: ResolvedRetry
  readonly #queue: PQueue
  readonly #abort = new AbortController()
  /** Topics that are being worked on, with what waits for them. */
  readonly #lanes = new Map<string, M[]>()
  readonly #limit: number
  /** Taken and not finished. */
  #taken = 0
  #finished = 0
  #failed = 0
  #stopped = false
  #makeRoom: (() => void) | undefined
  readonly #waits = new Set<Wait>()
  /** Resolves when the subscription has ended and the last handler has finished. Never rejects. */
  readonly done: Promise<void>

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
    this.#queue = new PQueue({ concurrency: ordered === 'all' ? 1 : concurrency })
    this.#limit = ordered === 'all' ? 1 : ordered === 'topic' ? concurrency * LANE_DEPTH : concurrency
    this.done = this.#run()
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
  async pause(): Promise<void> {
    this.#stopped = true
    this.#makeRoom?.()
    await this.#queue.onIdle()
  }

  /** Ends the subscription; what is not finished within the time stays unacknowledged. */
  async close(timeoutMs: number): Promise<void> {
    this.#stopped = true
    const timer = this.#host.clock.setTimer(() => this.stop(), timeoutMs)
    void this.#subscription.close()
    this.#makeRoom?.()
    await this.done
    timer.cancel()
  }

  /** Nothing is waited for any more. */
  stop(): void {
    this.#stopped = true
    this.#makeRoom?.()
    this.#abort.abort(new MqttError('The handling was closed', { code: 'ERR_MQTT_CLOSED' }))
    for (const wait of this.#waits) wait.end()
  }

  async #run(): Promise<void> {
    const iterator = this.#subscription[Symbol.asyncIterator]()
    try {
      for (;;) {
        while (this.#taken >= this.#limit && !this.#stopped) await this.#room()
        if (this.#stopped) break
        const { done, value } = await iterator.next()
        if (done === true) break
        this.#take(value)
      }
    } catch (error) {
      // The client's own end is told by `closed`; a refused or broken subscription by nobody else.
      if (this.#host.ended === undefined) this.#host.report(asMqttError(error, this.#describe()))
    }
    await Promise.race([this.#queue.onIdle(), aborted(this.#abort.signal)])
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#makeRoom = () => {
        this.#makeRoom = undefined
        resolve()
      }
    })
  }

  #take(message: M): void {
    this.#taken += 1
    if (this.#options.ordered !== 'topic') {
      void this.#queue.add(() => this.#process(message))
      return
    }
    const lane = this.#lanes.get(message.topic)
    if (lane !== undefined) {
      lane.push(message)
      return
    }
    this.#lanes.set(message.topic, [])
    void this.#queue.add(() => this.#follow(message))
  }

  /** One message of a topic; the next of the same topic queues up behind those of others. */
  async #follow(message: M): Promise<void> {
    await this.#process(message)
    const next = this.#lanes.get(message.topic)?.shift()
    if (next === undefined) this.#lanes.delete(message.topic)
    else void this.#queue.add(() => this.#follow(next))
  }

  async #process(message: M): Promise<void> {
    try {
      await this.#attempts(message)
    } catch (error) {
      // A hook of the user has thrown. The message stays unacknowledged: what should become of it is unknown.
      this.#host.report(asMqttError(error, this.#describe()))
    }
    this.#taken -= 1
    this.#makeRoom?.()
  }

  async #attempts(message: M): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      let error: unknown
      try {
        await this.#handler(message, { signal: this.#abort.signal, attempt })
        this.#finished += 1
        message.ack()
        return
      } catch (thrown) {
        error = thrown
      }
      const verdict = await this.#judge(error, message, attempt)
      if (verdict === 'retry') {
        await this.#pause(retryDelay(this.#retry, attempt, this.#host.clock.random))
        if (!this.#abort.signal.aborted) continue
        return
      }
      this.#failed += 1
      await this.#giveUp(message, error, attempt, verdict)
      return
    }
  }

  async #judge(error: unknown, message: M, attempt: number): Promise<FailureVerdict | 'retry'> {
    const { onError = 'nack' } = this.#options
    if (this.#abort.signal.aborted) return 'leave'
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

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wait = new Wait(this.#host, delayMs, () => {
        this.#waits.delete(wait)
        resolve()
      })
      this.#waits.add(wait)
    })
  }

  #describe(): string {
    return this.#subscription.filters.map((filter) => `"${filter}"`).join(', ')
  }
}

/** The wait between two attempts. */
class Wait {
  readonly #timer: Timer
  readonly #over: () => void

  constructor(host: ClientHost, delayMs: number, over: () => void) {
    this.#over = over
    this.#timer = host.clock.setTimer(over, delayMs)
  }

  end(): void {
    this.#timer.cancel()
    this.#over()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function asMqttError(error: unknown, what: string): MqttError {
  if (error instanceof MqttError) return error
  return new MqttError(`The handling of ${what} has failed: ${textOf(error)}`, {
    code: 'ERR_MQTT_HANDLER',
    cause: error,
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

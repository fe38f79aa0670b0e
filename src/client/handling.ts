import { MqttError } from '../errors.ts'
import type { HandlingWorker } from './handling-worker.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage } from './message.ts'
import type { RetryOptions } from './retry.ts'
import type { FilterOutcome, Subscription, SubscriptionOptions } from './subscription.ts'

export interface HandlerContext {
  /** Aborted when the work should stop: the handling was closed and its time is up, or the client has ended. */
  readonly signal: AbortSignal
  /** 1 for the first attempt. */
  readonly attempt: number
}

/** The message is acknowledged when it returns, or when what it returns resolves. */
export type MessageHandler<M extends AnyMessage> = (message: M, context: HandlerContext) => unknown

/**
 * What becomes of a message that has failed for good. `nack`: acknowledged with 0x80 (3.x: acknowledged). `ack`: acknowledged.
 * `leave`: not acknowledged, so that the server delivers it again after the next reconnect to the same session.
 */
export type FailureVerdict = 'nack' | 'ack' | 'leave'

export interface HandleOptions<M extends AnyMessage = AnyMessage> extends Omit<SubscriptionOptions, 'ack'> {
  /** @default 1 */
  readonly qos?: 0 | 1 | 2 | undefined
  /** Handlers that run at once. @default 1 */
  readonly concurrency?: number | undefined
  /**
   * What is handled one after the other, in order of arrival: `all` messages (whatever `concurrency` says), those of each
   * `topic`, or `none`. @default 'none'
   */
  readonly ordered?: 'none' | 'topic' | 'all' | undefined
  /** Name of a group of a shared subscription (`$share/{group}/...`): each message goes to one member of it. */
  readonly share?: string | undefined
  /** Further attempts, or how they are made. A message is acknowledged after the last. @default 0 */
  readonly retry?: number | RetryOptions | undefined
  /**
   * Where messages go that have failed for good: a topic, or a function that gives one (`undefined`: nowhere). The message is
   * published there with its properties and with the user properties `error`, `attempts` and `original-topic`, and then acknowledged.
   */
  readonly deadLetter?: string | ((message: M, error: unknown) => string | undefined) | undefined
  /**
   * What becomes of a message that has failed for good and has no dead-letter topic; a function is told of every failure, and
   * may return `retry` for another attempt. Without a function failures are reported as `error` events. @default 'nack'
   */
  readonly onError?:
    | FailureVerdict
    | ((
        error: unknown,
        message: M,
        attempt: number,
      ) => FailureVerdict | 'retry' | undefined | PromiseLike<FailureVerdict | 'retry' | undefined>)
    | undefined
}

export interface HandlingCloseOptions {
  /** After so many milliseconds the handlers' signal is aborted, and what still runs is left behind. @default 30_000 */
  readonly timeoutMs?: number | undefined
}

const CLOSE_TIMEOUT_MS = 30_000

type OnDemand = typeof import('./on-demand.ts')
/** After the first handler: those that follow begin at once. */
let loaded: OnDemand | undefined

/**
 * A handler that is run for each message of a subscription. How it is run, in HandlingWorker, is loaded with the first one:
 * those who read their messages in loops do without it.
 */
export class Handling<M extends AnyMessage = AnyMessage> implements AsyncDisposable {
  readonly #subscription: Subscription<M>
  readonly #loading: Promise<HandlingWorker<M>>
  #worker: HandlingWorker<M> | undefined = undefined
  readonly #done: Promise<void>
  #ready: Promise<readonly FilterOutcome[]> | undefined = undefined
  #closed: Promise<void> | undefined = undefined

  /** @internal Made by `client.handle()`. */
  constructor(
    host: ClientHost,
    subscription: Subscription<M>,
    handler: MessageHandler<M>,
    options: HandleOptions<M>,
  ) {
    this.#subscription = subscription
    const begin = (parts: OnDemand): HandlingWorker<M> => {
      loaded = parts
      this.#worker = new parts.HandlingWorker(host, subscription, handler, options)
      return this.#worker
    }
    this.#loading =
      loaded === undefined ? import('./on-demand.ts').then(begin) : Promise.resolve(begin(loaded))
    this.#done = this.#loading.then(
      (worker) => worker.done,
      (cause: unknown) => {
        host.report(
          new MqttError('What runs handlers could not be loaded', {
            code: 'ERR_MQTT_HANDLER',
            cause,
          }),
        )
        return subscription.close()
      },
    )
  }

  /** The server's answer per filter, when handlers are at work; see `Subscription.ready`. */
  get ready(): Promise<readonly FilterOutcome[]> {
    if (this.#ready === undefined) {
      const granted = this.#subscription.ready
      // What came while handlers were still being loaded could have overflowed the queue.
      this.#ready = this.#loading.then(
        () => granted,
        () => granted,
      )
      // A refusal is reported by what runs the handlers.
      this.#ready.catch(() => {})
    }
    return this.#ready
  }

  get filters(): readonly string[] {
    return this.#subscription.filters
  }

  /** Messages taken from the subscription and not finished: running, retried, or in their topic's line. */
  get pending(): number {
    return this.#worker?.pending ?? 0
  }

  /** Messages whose handler has succeeded, and messages that have failed for good. */
  get counts(): { readonly succeeded: number; readonly failed: number } {
    return this.#worker?.counts ?? { succeeded: 0, failed: 0 }
  }

  /** Resolves when the subscription has ended and the last handler has finished. Never rejects. */
  get done(): Promise<void> {
    return this.#done
  }

  /**
   * Takes no more messages, ends the subscription, and resolves when those that were taken are finished. Never rejects;
   * what is not finished within the time stays unacknowledged.
   */
  close(options: HandlingCloseOptions = {}): Promise<void> {
    this.#closed ??= this.#with((worker) => worker.close(options.timeoutMs ?? CLOSE_TIMEOUT_MS))
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal For the client's disconnect: takes no more, but stays subscribed, so that a kept session goes on collecting. */
  pause(): Promise<void> {
    return this.#with((worker) => worker.pause())
  }

  /** @internal The client has ended. */
  clientEnded(): void {
    void this.#with((worker) => worker.stop())
  }

  async #with(act: (worker: HandlingWorker<M>) => void | Promise<void>): Promise<void> {
    if (this.#worker !== undefined) return act(this.#worker)
    await this.#loading.then(act, () => this.#done)
  }
}

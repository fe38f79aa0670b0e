import { TimeoutError } from '../errors.ts'
import type { Timer } from './clock.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage } from './message.ts'
import type { Subscription, TakeOptions } from './subscription.ts'

/** The next `count` messages of a subscription, which is ended then. */
export async function takeFrom<M extends AnyMessage>(
  subscription: Subscription<M>,
  host: ClientHost,
  count: number,
  options: TakeOptions,
): Promise<M[]> {
  options.signal?.throwIfAborted()
  const iterator = subscription[Symbol.asyncIterator]()
  const taken: M[] = []
  const filters = subscription.filters.map((filter) => `"${filter}"`).join(', ')
  const limit = new TakeLimit(host, options, `${count} messages on ${filters}`, (error) => {
    subscription.stop(error)
  })
  try {
    while (taken.length < count) {
      const { done, value } = await iterator.next()
      if (done === true) break
      taken.push(value)
    }
    if (limit.error !== undefined && taken.length < count) throw limit.error
    return taken
  } finally {
    limit.clear()
    await iterator.return()
  }
}

/** The deadline and the signal of `take`. */
class TakeLimit {
  error: unknown
  readonly #signal: AbortSignal | undefined
  readonly #timer: Timer | undefined
  readonly #stop: (error: unknown) => void

  constructor(host: ClientHost, options: TakeOptions, what: string, stop: (error: unknown) => void) {
    this.#stop = stop
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    const { timeoutMs } = options
    if (timeoutMs !== undefined) {
      this.#timer = host.clock.setTimer(() => {
        this.#fail(new TimeoutError(`There were not ${what} within ${timeoutMs} ms`))
      }, timeoutMs)
    }
  }

  clear(): void {
    this.#timer?.cancel()
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    this.#fail(this.#signal?.reason)
  }

  #fail(error: unknown): void {
    this.error = error
    this.#stop(error)
  }
}

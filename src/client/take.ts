import { ClosedError, TimeoutError } from '../errors.ts'
import { checkOption, positiveInteger } from '../option-rules.ts'
import { onAbort } from '../transport/opening.ts'
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
  checkOption(positiveInteger, count, 'count')
  const { signal, timeoutMs } = options
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown): void => {
    failure = { error }
    subscription.stop(error)
  }
  const stopListening = onAbort(signal, fail)
  const timer =
    timeoutMs === undefined
      ? undefined
      : host.clock.setTimer(() => {
          const what = `${count} messages on ${describe(subscription)}`
          fail(new TimeoutError(`There were not ${what} within ${timeoutMs} ms`))
        }, timeoutMs)
  const iterator = subscription[Symbol.asyncIterator]()
  const taken: M[] = []
  try {
    while (taken.length < count) {
      const { done, value } = await iterator.next()
      if (done === true) break
      taken.push(value)
    }
    if (failure !== undefined && taken.length < count) throw failure.error
    return taken
  } finally {
    timer?.cancel()
    stopListening()
    await iterator.return()
  }
}

/** The next message of a subscription, which is ended then. */
export async function firstFrom<M extends AnyMessage>(
  subscription: Subscription<M>,
  host: ClientHost,
  options: TakeOptions,
): Promise<M> {
  const [message] = await takeFrom(subscription, host, 1, options)
  if (message !== undefined) return message
  throw new ClosedError(`The subscription to ${describe(subscription)} ended without a message`)
}

function describe({ filters }: Subscription<AnyMessage>): string {
  return filters.map((filter) => `"${filter}"`).join(', ')
}

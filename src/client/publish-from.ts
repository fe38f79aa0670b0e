import { ClosedError } from '../errors.ts'
import { onAbort } from '../transport/opening.ts'
import type { Client } from './client.ts'
import { systemClock } from './clock.ts'
import type { Payload } from './payload.ts'
import { PromiseParts } from './promise-parts.ts'
import type { PublishOptions } from './publication.ts'
import type { ClosedInfo } from './state.ts'

/** One publication for `publishFrom()`. */
export interface PublishItem extends PublishOptions {
  readonly topic: string
  readonly payload?: Payload | undefined
}

/** Publishes what an iterable gives, no faster than it can be sent; see `Client.publishFrom()`. */
export async function publishFrom(
  client: Client,
  items: AsyncIterable<PublishItem> | Iterable<PublishItem>,
  signal: AbortSignal | undefined,
): Promise<number> {
  signal?.throwIfAborted()
  const failure = new PromiseParts<never>()
  let isOver = false
  const fail = (error: unknown): void => {
    isOver = true
    failure.reject(error)
  }
  const run = async (): Promise<number> => {
    let count = 0
    const pending = new Set<Promise<unknown>>()
    for await (const { topic, payload, ...rest } of items) {
      if (isOver) break
      const { acked } = client.publish(topic, payload, { signal, ...rest })
      count++
      const observed: Promise<unknown> = acked.then(() => pending.delete(observed), fail)
      pending.add(observed)
      if (client.needsDrain) await client.drained({ signal })
    }
    await Promise.all(pending)
    return count
  }
  const stopListening = onAbort(signal, fail)
  const onClose = ({ error }: ClosedInfo): void => fail(error ?? new ClosedError('The client is closed'))
  client.on('close', onClose)
  const running = run()
  try {
    // The source may never give anything more, and a generator can not be told to end while it is asked.
    return await Promise.race([running, failure.promise])
  } finally {
    stopListening()
    client.off('close', onClose)
    // A source that can be let go at once is, before anybody is told.
    await Promise.race([running.catch(() => {}), new Promise<void>(systemClock.later)])
  }
}

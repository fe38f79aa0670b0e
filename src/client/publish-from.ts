import type { Client } from './client.ts'
import type { Payload } from './payload.ts'
import type { PublishOptions } from './publication.ts'

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
  let count = 0
  let failure: { readonly error: unknown } | undefined
  const pending = new Set<Promise<unknown>>()
  for await (const { topic, payload, ...rest } of items) {
    signal?.throwIfAborted()
    const { acked } = client.publish(topic, payload, signal === undefined ? rest : { signal, ...rest })
    count++
    const observed: Promise<void> = acked.then(
      () => {
        pending.delete(observed)
      },
      (error: unknown) => {
        pending.delete(observed)
        failure ??= { error }
      },
    )
    pending.add(observed)
    if (failure === undefined && client.needsDrain) await client.drained({ signal })
    if (failure !== undefined) throw failure.error
  }
  await Promise.all(pending)
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error
  return count
}

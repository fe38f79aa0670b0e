import { Client } from 'mqtt-await'
import { levelStore, StoreError } from 'mqtt-await/store'

export interface Filled {
  /** The highest number whose `stored` had resolved. */
  readonly stored: number
  readonly message: string
  readonly isStoreError: boolean
  /** How the client ended, and whether with that error. */
  readonly reason: string
  readonly isSameError: boolean
  /** What a later `publish()` throws. */
  readonly later: string
}

/** Publishes numbered messages of a kilobyte, offline, until the store in `place` fails. */
export async function fill(url: string, place: string, durability: 'process' | 'disk'): Promise<Filled> {
  const client = new Client(url, { clientId: 'full', store: levelStore(place, { durability }) })
  let stored = -1
  let failure: unknown
  for (let n = 0; failure === undefined && n < 100_000; n++) {
    const publication = client.publish('t', `${n} ${'x'.repeat(1000)}`, { qos: n % 2 === 0 ? 1 : 2 })
    publication.acked.catch(() => {})
    if (n % 10 !== 0) {
      publication.stored.catch(() => {})
      continue
    }
    await publication.stored.then(
      () => {
        stored = n
      },
      (error: unknown) => {
        failure = error
      },
    )
  }
  const { reason, error } = await client.closed
  let later = ''
  try {
    client.publish('t', 'more', { qos: 1 })
  } catch (thrown) {
    later = (thrown as Error).message
  }
  return {
    stored,
    message: (failure as Error).message,
    isStoreError: failure instanceof StoreError,
    reason,
    isSameError: error === failure,
    later,
  }
}

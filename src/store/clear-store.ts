import type { SessionStore } from './store.ts'

const POSITIONS_AT_ONCE = 1000

/**
 * Gives up the session in a store, with every publication in it: the store is as new afterwards. It must not be in use.
 *
 * @throws StoreError when it is in use, or fails
 */
export async function clearStore(store: SessionStore): Promise<void> {
  await store.open()
  try {
    const positions: number[] = []
    for await (const { position } of store.load(0)) positions.push(position)
    for (let from = 0; from < positions.length; from += POSITIONS_AT_ONCE) {
      await store.write({ put: [], remove: positions.slice(from, from + POSITIONS_AT_ONCE) })
    }
  } finally {
    await store.close()
  }
}

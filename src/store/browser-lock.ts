/** A lock that is held until it is released, or the page is gone. */
export interface BrowserLock {
  release(): void
}

/**
 * Takes a lock among all tabs and workers of the origin (Web Locks). Undefined outside browsers, and in those without
 * Web Locks (pages that are not served securely).
 */
export async function lockInBrowser(name: string): Promise<BrowserLock | 'taken' | undefined> {
  const { indexedDB, navigator } = globalThis as { indexedDB?: unknown; navigator?: Partial<Navigator> }
  const locks = navigator?.locks
  if (indexedDB === undefined || locks === undefined) return undefined
  return new Promise((resolve, reject) => {
    const held = (lock: unknown): Promise<void> | undefined => {
      if (lock === null) {
        resolve('taken')
        return undefined
      }
      // The lock is ours for as long as this promise is pending.
      return new Promise<void>((release) => resolve({ release }))
    }
    locks.request(name, { ifAvailable: true }, held).catch(reject)
  })
}

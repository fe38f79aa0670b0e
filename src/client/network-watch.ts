/** What is used of a page or a worker; nothing of it exists on Node. */
interface Scope {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
  readonly document?: Scope & { readonly visibilityState?: string }
}

/**
 * In a page or a worker: calls back when the network is back (`online`), and when the page is seen again, whose timers
 * the browser may have slowed down or stopped meanwhile. Elsewhere it does nothing. Gives the function that ends it.
 */
export function watchNetwork(callback: () => void): () => void {
  const scope = globalThis as unknown as Scope
  if (scope.addEventListener === undefined) return nothing
  const { document } = scope
  const onVisibility = (): void => {
    if (document?.visibilityState === 'visible') callback()
  }
  scope.addEventListener('online', callback)
  document?.addEventListener('visibilitychange', onVisibility)
  return () => {
    scope.removeEventListener('online', callback)
    document?.removeEventListener('visibilitychange', onVisibility)
  }
}

function nothing(): void {}

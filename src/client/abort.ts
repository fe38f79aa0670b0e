/** Settles as `promise` does, unless `signal` aborts first: then it rejects with the reason. */
export function untilAborted<T>(promise: Promise<T> | T, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      // Whatever becomes of it, nobody waits for it any more.
      Promise.resolve(promise).catch(() => {})
      reject(signal.reason)
      return
    }
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    Promise.resolve(promise).then(
      (value) => {
        signal.removeEventListener('abort', onAbort)
        resolve(value)
      },
      (error) => {
        signal.removeEventListener('abort', onAbort)
        reject(error)
      },
    )
  })
}

/** Calls `listener` once when the signal aborts, also when it has already. Returns what takes the listener away. */
export function onAbort(signal: AbortSignal | undefined, listener: (reason: unknown) => void): () => void {
  if (signal === undefined) return () => {}
  const call = () => listener(signal.reason)
  if (signal.aborted) call()
  else signal.addEventListener('abort', call, { once: true })
  return () => signal.removeEventListener('abort', call)
}

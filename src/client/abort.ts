import { onAbort } from '../transport/opening.ts'

/** Settles as `promise` does, unless `signal` aborts first: then it rejects with the reason. */
export function untilAborted<T>(promise: Promise<T> | T, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    // Whatever becomes of the promise then, nobody waits for it any more.
    const stop = onAbort(signal, reject)
    Promise.resolve(promise).then(resolve, reject).finally(stop)
  })
}

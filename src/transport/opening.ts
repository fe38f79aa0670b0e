import { ConnectError, MqttError } from '../errors.ts'

/** Wraps what the network said while connecting; errors of this library and the signal's reason pass as they are. */
export function connectError(target: string, cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (cause instanceof MqttError) return cause
  return new ConnectError(`Could not connect to ${target}: ${reasonOf(cause)}`, { cause })
}

/** The words of a network error. Happy eyeballs give one error for each address they tried, and none of their own. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) {
    const reasons = cause.errors.map(reasonOf)
    if (reasons.length > 0) return [...new Set(reasons)].join('; ')
  }
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}

/** Calls back once when the signal aborts, or at once when it has. Returns what takes the listener away. */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
  if (signal === undefined) return () => {}
  const call = () => callback(signal.reason)
  if (signal.aborted) call()
  else signal.addEventListener('abort', call, { once: true })
  return () => signal.removeEventListener('abort', call)
}

/** Settles as `promise` does, unless `signal` aborts first: then it rejects with the reason. */
export function untilAborted<T>(promise: Promise<T> | T, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    // Whatever becomes of the promise then, nobody waits for it any more.
    const stop = onAbort(signal, reject)
    Promise.resolve(promise).then(resolve, reject).finally(stop)
  })
}

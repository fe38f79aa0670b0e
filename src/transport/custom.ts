import { connectError, untilAborted } from './opening.ts'
import type { OpenContext, Transport, TransportFactory } from './transport.ts'

/** A connection as a pair of WHATWG streams of bytes: what WebTransport, WebSocketStream, Deno and workers give. */
export interface ByteStreams {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/**
 * Opens one connection by the user's own means: gives a pair of streams, or a `Transport` that calls the handler of the
 * context. Called anew for every attempt.
 */
export type CustomTransport = (
  context: OpenContext,
) => ByteStreams | Transport | Promise<ByteStreams | Transport>

/** Makes a factory of the library's own out of the user's. What it throws becomes the cause of a `ConnectError`. */
export function customTransport(open: CustomTransport, description = 'custom:'): TransportFactory {
  return async (context) => {
    try {
      const { signal, handler } = context
      signal.throwIfAborted()
      const opening = Promise.resolve(open(context))
      // The user's code may not heed the signal: what it opens too late is closed.
      opening
        .then(async (late) => {
          if (signal.aborted) (await adoption()).discard(late)
        })
        .catch(() => {})
      const opened = await untilAborted(opening, signal)
      const { adopt } = loaded ?? (await adoption())
      return adopt(opened, description, handler)
    } catch (error) {
      throw connectError(description, error, context.signal)
    }
  }
}

/** Kept: once it is there a reconnect waits for nothing. */
let loaded: typeof import('./adopt.ts') | undefined

async function adoption(): Promise<typeof import('./adopt.ts')> {
  loaded ??= await import('./adopt.ts')
  return loaded
}

import { wrongOption } from '../errors.ts'
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
      const { signal } = context
      signal.throwIfAborted()
      const opening = Promise.resolve(open(context))
      // The user's code may not heed the signal: what it opens too late is closed.
      opening.then(
        (late) => {
          if (signal.aborted) discard(late)
        },
        () => {},
      )
      const opened = await untilAborted(opening, signal)
      if (isStreams(opened)) {
        const { StreamTransport } = await import('./stream-transport.ts')
        return new StreamTransport(opened, description, context.handler)
      }
      if (typeof (opened as Transport | undefined)?.write === 'function') return opened
      const expected = 'a function that gives { readable, writable } or a Transport'
      throw wrongOption('transport', expected)
    } catch (error) {
      throw connectError(description, error, context.signal)
    }
  }
}

function isStreams(opened: ByteStreams | Transport | undefined): opened is ByteStreams {
  return opened !== undefined && opened !== null && 'readable' in opened && 'writable' in opened
}

function discard(opened: ByteStreams | Transport): void {
  if (isStreams(opened)) {
    opened.readable.cancel().catch(() => {})
    opened.writable.abort().catch(() => {})
  } else opened?.destroy?.()
}

import { OptionsError } from '../errors.ts'
import { connectError, onAbort } from './opening.ts'
import type { OpenContext, Transport, TransportFactory, TransportHandler } from './transport.ts'

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
      context.signal.throwIfAborted()
      const opened = await abortable(open(context), context.signal)
      if (isStreams(opened)) return new StreamTransport(opened, description, context.handler)
      if (typeof (opened as Transport | undefined)?.write === 'function') return opened
      const expected = 'a function that gives { readable, writable } or a Transport'
      throw new OptionsError(`transport: expected ${expected}`, { path: 'transport', expected })
    } catch (error) {
      throw connectError(description, error, context.signal)
    }
  }
}

function isStreams(opened: ByteStreams | Transport | undefined): opened is ByteStreams {
  return opened !== undefined && opened !== null && 'readable' in opened && 'writable' in opened
}

/** The user's code may not heed the signal: what it opens too late is closed. */
function abortable(
  opening: ByteStreams | Transport | Promise<ByteStreams | Transport>,
  signal: AbortSignal,
): Promise<ByteStreams | Transport> {
  return new Promise((resolve, reject) => {
    const unlisten = onAbort(signal, () => reject(signal.reason))
    Promise.resolve(opening).then(
      (opened) => {
        unlisten()
        if (signal.aborted) discard(opened)
        resolve(opened)
      },
      (error: unknown) => {
        unlisten()
        reject(error)
      },
    )
  })
}

function discard(opened: ByteStreams | Transport): void {
  if (isStreams(opened)) {
    opened.readable.cancel().catch(() => {})
    opened.writable.abort().catch(() => {})
  } else opened?.destroy?.()
}

/** How long the peer may take to end its side after `end()`. */
const END_LIMIT_MS = 2_000

class StreamTransport implements Transport {
  readonly description: string
  readonly #handler: TransportHandler
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  #bufferedBytes = 0
  #isEnding = false
  #isClosed = false
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Present while paused: what lets the reading go on. */
  #goOn: (() => void) | undefined
  #paused: Promise<void> | undefined

  constructor({ readable, writable }: ByteStreams, description: string, handler: TransportHandler) {
    this.description = description
    this.#handler = handler
    this.#reader = readable.getReader()
    this.#writer = writable.getWriter()
    this.#writer.closed.catch((error: unknown) => this.#close(error))
    // Nothing may be heard before `open` has resolved for its caller.
    setTimeout(() => this.#read(), 0)
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#isEnding || this.#isClosed) return
    for (const chunk of chunks) {
      this.#bufferedBytes += chunk.byteLength
      this.#writer.write(chunk).then(
        () => this.#written(chunk.byteLength),
        (error: unknown) => this.#close(error),
      )
    }
  }

  pause(): void {
    this.#paused ??= new Promise((resolve) => {
      this.#goOn = resolve
    })
  }

  resume(): void {
    this.#goOn?.()
    this.#goOn = undefined
    this.#paused = undefined
  }

  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.resume()
    this.#writer.close().catch((error: unknown) => this.#close(error))
    this.#timer = setTimeout(() => this.destroy(), END_LIMIT_MS)
  }

  destroy(): void {
    queueMicrotask(() => this.#close(undefined))
  }

  async #read(): Promise<void> {
    try {
      while (!this.#isClosed) {
        if (this.#paused !== undefined) await this.#paused
        const { done, value } = await this.#reader.read()
        if (done) break
        if (!this.#isClosed && value.byteLength > 0) this.#handler.onBytes(value)
      }
      this.#close(undefined)
    } catch (error) {
      this.#close(error)
    }
  }

  #written(bytes: number): void {
    this.#bufferedBytes -= bytes
    if (this.#bufferedBytes === 0 && !this.#isClosed) this.#handler.onDrain()
  }

  #close(cause: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#bufferedBytes = 0
    clearTimeout(this.#timer)
    this.resume()
    this.#reader.cancel().catch(() => {})
    // After an orderly end this finds nothing left to abort.
    this.#writer.abort().catch(() => {})
    const error = cause === undefined || cause instanceof Error ? cause : new Error(String(cause))
    this.#handler.onClose(this.#isEnding ? undefined : error)
  }
}

import type { ByteStreams } from './custom.ts'
import type { Transport, TransportHandler } from './transport.ts'

/** How long the peer may take to end its side after `end()`, or when nothing can be written any more. */
const END_LIMIT_MS = 2_000

/** A pair of WHATWG streams of bytes as a transport. */
export class StreamTransport implements Transport {
  readonly description: string
  readonly #handler: TransportHandler
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  #bufferedBytes = 0
  #isEnding = false
  #isClosed = false
  #writeError: unknown
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Present while paused: what lets the reading go on. */
  #goOn: (() => void) | undefined
  #paused: Promise<void> | undefined

  constructor({ readable, writable }: ByteStreams, description: string, handler: TransportHandler) {
    this.description = description
    this.#handler = handler
    this.#reader = readable.getReader()
    this.#writer = writable.getWriter()
    this.#writer.closed.catch((error: unknown) => this.#writeFailed(error))
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
        (error: unknown) => this.#writeFailed(error),
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
    this.#timer ??= setTimeout(() => this.destroy(), END_LIMIT_MS)
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
        if (!this.#isClosed && value?.byteLength !== 0) this.#handler.onBytes(bytesOf(value))
      }
      this.#close(this.#writeError)
    } catch (error) {
      this.#close(this.#writeError ?? error)
    }
  }

  /** What the peer has sent before is still to be read: often it says why. */
  #writeFailed(error: unknown): void {
    this.#writeError ??= error
    if (!this.#isClosed) this.#timer ??= setTimeout(() => this.#close(error), END_LIMIT_MS)
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

/** What streams of bytes give that were not made for this. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  throw new TypeError(`the stream gave a ${typeof value}, not a Uint8Array`)
}

import type { Socket } from 'node:net'
import { LOW_WATER } from './marks.ts'
import type { Transport, TransportHandler } from './transport.ts'

/** `end()` looks this often whether buffered bytes still get away, and waits as long for the peer's own end. */
const END_STEP_MS = 1_000
/** However slowly they do, `end()` takes no longer. */
const END_LIMIT_MS = 15_000

/** Chunks of this size and more say that there is more to read: a socket's are 64 KiB, those of TLS 16. */
const FLOOD_CHUNK = 16_384
/**
 * Reading rests for a turn of the event loop after so much time under a flood. Node reads up to two megabytes in a
 * turn, and what the application does with ten thousands of messages may take long: timers and other connections would wait.
 */
const READ_MS = 5

interface Unwritten {
  readonly chunks: readonly Uint8Array[]
  giveBack: ((chunks: readonly Uint8Array[]) => void) | undefined
}

/** A connected socket of Node (TCP, TLS, Unix, or tunnelled) as a transport. */
export class SocketTransport implements Transport {
  readonly description: string
  readonly #socket: Socket
  readonly #handler: TransportHandler
  #error: Error | undefined
  #endTimer: ReturnType<typeof setInterval> | undefined
  #hasBacklog = false
  /** When the flood that is being read began; 0 = there is none. Milliseconds of `performance.now()`. */
  #floodSince = 0
  #isPaused = false
  /** Writes that the socket has not called back for, in order. */
  readonly #unwritten: Unwritten[] = []
  /** Handed to each write instead of a closure per write. */
  readonly #onWritten = (error?: Error | null): void => {
    const written = this.#unwritten.shift()
    // After an error nobody knows who still holds the memory.
    if (error == null) written?.giveBack?.(written.chunks)
    if (!this.#hasBacklog || this.#socket.writableLength > LOW_WATER) return
    this.#hasBacklog = false
    if (!this.#socket.destroyed) this.#handler.onDrain()
  }

  constructor(socket: Socket, description: string, handler: TransportHandler) {
    this.#socket = socket
    this.#handler = handler
    this.description = description
    this.#error = socket.errored ?? undefined
    socket.on('error', (error) => {
      this.#error ??= error
    })
    // A server that speaks first must not be heard before `open` has resolved for its caller: start in a later phase.
    setImmediate(() => this.#start())
  }

  get socket(): Socket {
    return this.#socket
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  write(chunks: readonly Uint8Array[], giveBack?: (chunks: readonly Uint8Array[]) => void): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    const last = chunks.length - 1
    if (last < 0) return
    // Corked, so that all chunks leave in one writev.
    if (last > 0) socket.cork()
    for (let index = 0; index < last; index++) socket.write(chunks[index] as Uint8Array)
    const written = { chunks, giveBack }
    this.#unwritten.push(written)
    socket.write(chunks[last] as Uint8Array, this.#onWritten)
    if (last > 0) socket.uncork()
    this.#hasBacklog = socket.writableLength > 0
    if (this.#hasBacklog) return
    // The system has it all; the call back of the stream comes a turn later, which is late for a loop that goes on writing.
    giveBack?.(chunks)
    written.giveBack = undefined
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#socket.resume()
  }

  end(): void {
    if (this.#endTimer !== undefined || this.#socket.destroyed) return
    // A paused socket would not see the peer's end.
    this.resume()
    this.#socket.end()
    let before = this.#socket.writableLength
    let elapsed = 0
    this.#endTimer = setInterval(() => {
      const left = this.#socket.writableLength
      elapsed += END_STEP_MS
      if (left === 0 || left >= before || elapsed >= END_LIMIT_MS) this.#socket.destroy()
      before = left
    }, END_STEP_MS)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #start(): void {
    const socket = this.#socket
    const handler = this.#handler
    if (socket.closed) {
      this.#closed()
      return
    }
    // They come once. To say so would cost each idle connection 300 bytes.
    socket.on('close', () => this.#closed())
    // Bounds the life of a socket whose peer has ended but no longer reads.
    socket.on('end', () => this.end())
    const wasPaused = socket.isPaused()
    socket.on('data', (chunk: Buffer) => {
      const isFlood = chunk.length >= FLOOD_CHUNK
      if (!isFlood) this.#floodSince = 0
      else if (this.#floodSince === 0) this.#floodSince = performance.now()
      // A plain Uint8Array: what users receive behaves the same on every transport.
      handler.onBytes(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
      if (isFlood && performance.now() - this.#floodSince > READ_MS) this.#rest()
    })
    if (wasPaused) socket.pause()
  }

  #rest(): void {
    this.#floodSince = 0
    this.#socket.pause()
    setImmediate(() => {
      if (!this.#isPaused) this.#socket.resume()
    })
  }

  #closed(): void {
    clearInterval(this.#endTimer)
    this.#handler.onClose(this.#error)
  }
}

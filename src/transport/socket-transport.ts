import type { Socket } from 'node:net'
import { LOW_WATER } from './marks.ts'
import { errorOf } from './tcp.ts'
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

/** Where a socket keeps its transport, so that all sockets share their listeners: a closure for each event is 56 bytes for each socket. */
const TRANSPORT: unique symbol = Symbol('transport')

type OwnedSocket = Socket & { [TRANSPORT]: SocketTransport }

/**
 * A connected socket of Node (TCP, TLS, Unix, or tunnelled) as a transport. Whoever has connected it listens to its errors
 * (`socketEvent`).
 */
export class SocketTransport implements Transport {
  readonly description: string
  readonly #socket: Socket
  readonly #handler: TransportHandler
  #endTimer: ReturnType<typeof setInterval> | undefined = undefined
  #hasBacklog = false
  /** When the flood that is being read began; 0 = there is none. Milliseconds of `performance.now()`. */
  #floodSince = 0
  #isPaused = false
  #hasStarted = false

  constructor(socket: Socket, description: string, handler: TransportHandler) {
    this.#socket = socket
    this.#handler = handler
    this.description = description
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
    let giveBackLater = giveBack
    socket.write(chunks[last] as Uint8Array, (error) => {
      // After an error nobody knows who still holds the memory.
      if (error == null) giveBackLater?.(chunks)
      this.#written()
    })
    if (last > 0) socket.uncork()
    this.#hasBacklog = socket.writableLength > 0
    if (this.#hasBacklog) return
    // The system has it all; the call back of the stream comes a turn later, which is late for a loop that goes on writing.
    giveBack?.(chunks)
    giveBackLater = undefined
  }

  pause(): void {
    this.#isPaused = true
    if (this.#hasStarted) this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    // A socket that flows while nobody listens throws away what it reads.
    if (this.#hasStarted) this.#socket.resume()
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
    const socket = this.#socket as OwnedSocket
    if (socket.closed) {
      this.closed()
      return
    }
    socket[TRANSPORT] = this
    // They come once. To say so would cost each idle connection 300 bytes.
    socket.on('close', onClose)
    // Bounds the life of a socket whose peer has ended but no longer reads.
    socket.on('end', onEnd)
    socket.on('data', onData)
    this.#hasStarted = true
    if (this.#isPaused) socket.pause()
  }

  /** @internal */
  received(chunk: Buffer): void {
    const isFlood = chunk.length >= FLOOD_CHUNK
    if (!isFlood) this.#floodSince = 0
    else if (this.#floodSince === 0) this.#floodSince = performance.now()
    // A plain Uint8Array: what users receive behaves the same on every transport.
    this.#handler.onBytes(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
    if (isFlood && performance.now() - this.#floodSince > READ_MS) this.#rest()
  }

  #written(): void {
    if (!this.#hasBacklog || this.#socket.writableLength > LOW_WATER) return
    this.#hasBacklog = false
    if (!this.#socket.destroyed) this.#handler.onDrain()
  }

  #rest(): void {
    this.#floodSince = 0
    this.#socket.pause()
    setImmediate(() => {
      if (!this.#isPaused) this.#socket.resume()
    })
  }

  /** @internal */
  closed(): void {
    clearInterval(this.#endTimer)
    this.#handler.onClose(errorOf(this.#socket))
  }
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  this[TRANSPORT].received(chunk)
}

function onEnd(this: OwnedSocket): void {
  this[TRANSPORT].end()
}

function onClose(this: OwnedSocket): void {
  this[TRANSPORT].closed()
}

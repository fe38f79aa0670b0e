import { ProtocolError } from '../errors.ts'
import type { Transport, TransportHandler } from './transport.ts'

/** What is used of a WebSocket: the face of the browser's, which the package `ws` has too. */
export interface WebSocketFace {
  binaryType: string
  readonly bufferedAmount: number
  /** Only `ws` knows the callback. */
  send(data: Uint8Array, onSent?: () => void): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: never) => void): void
  removeEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: never) => void): void
}

/** What Node can do and a browser can not. */
export interface WebSocketControls {
  /** All that `write` sends between them leaves as one write. */
  cork(): void
  uncork(): void
  pause(): void
  resume(): void
  /** Closes without the closing handshake. */
  terminate(): void
  /** What carries the WebSocket. */
  readonly socket: object
}

/** How long the server may take to answer a Close frame. */
const CLOSE_LIMIT_MS = 2_000
/** Browsers do not tell when a WebSocket has sent everything: they are asked this often while something is left. */
const DRAIN_POLL_MS = 20

/**
 * An open WebSocket as a transport. Messages are a stream of bytes: one may hold a part of a packet or several
 * [MQTT-6.0.0-2]; a text message ends the connection [MQTT-6.0.0-1].
 */
export class WebSocketTransport implements Transport {
  readonly description: string
  readonly #socket: WebSocketFace
  readonly #handler: TransportHandler
  readonly #controls: WebSocketControls | undefined
  /** What has arrived before the start, or while a browser's WebSocket, which can not be stopped, is paused. */
  #held: Uint8Array[] | undefined = []
  #hasStarted = false
  #isPaused = false
  #isEnding = false
  /** Closed for the owner; `#reported` says whether it knows. */
  #isClosed = false
  #reported = false
  #cause: Error | undefined
  #hasBacklog = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #drainTimer: ReturnType<typeof setTimeout> | undefined
  readonly #onSent = (): void => this.#checkDrain()

  constructor(
    socket: WebSocketFace,
    description: string,
    handler: TransportHandler,
    controls: WebSocketControls | undefined = undefined,
  ) {
    this.#socket = socket
    this.#handler = handler
    this.#controls = controls
    this.description = description
    socket.addEventListener('message', (event: { readonly data: unknown }) => this.#receive(event.data))
    socket.addEventListener('error', (event: { readonly error?: Error }) => {
      this.#cause ??= event.error
    })
    socket.addEventListener('close', (event: { readonly code: number; readonly reason: string }) => {
      this.#closed(event.code, event.reason)
    })
    // Nothing may be heard before `open` has resolved for its caller.
    setTimeout(() => this.#start())
  }

  get socket(): object | undefined {
    return this.#controls?.socket
  }

  get bufferedBytes(): number {
    return this.#isClosed ? 0 : this.#socket.bufferedAmount
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#isEnding) return
    const controls = this.#controls
    controls?.cork()
    for (const chunk of chunks) {
      if (controls === undefined) this.#socket.send(chunk)
      else this.#socket.send(chunk, this.#onSent)
    }
    controls?.uncork()
    this.#hasBacklog = this.#socket.bufferedAmount > 0
    if (this.#hasBacklog && controls === undefined) this.#pollDrain()
  }

  pause(): void {
    this.#isPaused = true
    if (this.#controls === undefined) this.#held ??= []
    else this.#controls.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#controls?.resume()
    if (this.#held !== undefined && this.#hasStarted) queueMicrotask(() => this.#release())
  }

  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.resume()
    this.#socket.close(1000)
    this.#timer = setTimeout(() => this.destroy(), CLOSE_LIMIT_MS)
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#held = undefined
    if (this.#controls === undefined) this.#socket.close()
    else this.#controls.terminate()
    // A browser may go on waiting for the server; the owner need not.
    queueMicrotask(() => this.#report())
  }

  #start(): void {
    this.#hasStarted = true
    this.#release()
    if (this.#isClosed) this.#report()
  }

  #receive(data: unknown): void {
    if (this.#isClosed) return
    if (typeof data === 'string') {
      this.#cause = new ProtocolError('The server sent a WebSocket text message; MQTT takes binary ones', {
        statement: 'MQTT-6.0.0-1',
      })
      this.destroy()
      return
    }
    // The view has the same class on every runtime.
    const chunk = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data as ArrayBuffer)
    if (chunk.byteLength > 0) this.#take(chunk)
    // In a hidden page the timer that asks may be slowed down to once a minute.
    this.#checkDrain()
  }

  /** The owner may pause between any two chunks. */
  #take(chunk: Uint8Array): void {
    if (this.#held !== undefined) this.#held.push(chunk)
    else this.#handler.onBytes(chunk)
  }

  #release(): void {
    const held = this.#held
    if (held === undefined || this.#isPaused) return
    this.#held = undefined
    for (const chunk of held) {
      if (this.#reported) return
      this.#take(chunk)
    }
  }

  #pollDrain(): void {
    this.#drainTimer ??= setTimeout(() => {
      // React Native has none.
      if (typeof MessageChannel === 'undefined') return this.#look()
      // Browsers let timers that were set by timers wait for a minute in a page that is hidden: what follows is none's doing.
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => {
        port1.close()
        this.#look()
      }
      port2.postMessage(0)
    }, DRAIN_POLL_MS)
  }

  #look(): void {
    this.#drainTimer = undefined
    this.#checkDrain()
    if (this.#hasBacklog && !this.#isClosed) this.#pollDrain()
  }

  #checkDrain(): void {
    if (!this.#hasBacklog || this.#isClosed || this.#socket.bufferedAmount > 0) return
    this.#hasBacklog = false
    this.#handler.onDrain()
  }

  #closed(code: number, reason: string): void {
    if (this.#isClosed) return
    // What was held back arrived before the close.
    this.#isPaused = false
    if (this.#hasStarted) this.#release()
    if (this.#isClosed) return
    this.#isClosed = true
    // 1000: normal, 1001: going away, 1005: no code given.
    if (![1000, 1001, 1005].includes(code)) {
      this.#cause ??= new Error(
        code === 1006
          ? 'the WebSocket was cut without a closing handshake'
          : `the server closed the WebSocket with code ${code}${reason ? `: ${reason}` : ''}`,
      )
    }
    this.#report()
  }

  #report(): void {
    // What arrived before the close is heard before it.
    if (this.#reported || !this.#hasStarted) return
    this.#reported = true
    clearTimeout(this.#timer)
    clearTimeout(this.#drainTimer)
    this.#handler.onClose(this.#isEnding ? undefined : this.#cause)
  }
}

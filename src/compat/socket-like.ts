import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import type { ManualDriver } from '../client/manual-driver.ts'
import { BlockingIOError } from './errors.ts'

/**
 * What stands for the socket in event loops of the program's own. `readable` and `writable` take the place of
 * `select()`: level triggered, they come again in every turn of the event loop as long as there is a reason and a listener.
 */
export interface SocketLike extends EventEmitter {
  /** Up to `bufsize` bytes that are there, none at the end. Throws `BlockingIOError` when there is nothing yet. */
  recv(bufsize: number): Uint8Array
  /** The number of bytes taken. Throws `BlockingIOError` when none can be. */
  send(buffer: Uint8Array): number
  /** Cuts the connection without DISCONNECT. */
  close(): void
  /** -1: Node does not tell. */
  fileno(): number
  /** Does nothing: it never blocks. */
  setblocking(flag: boolean): void
  /** Bytes received and not yet consumed. */
  pending(): number
  /** The `net.Socket` or `tls.TLSSocket` beneath; with WebSockets the stream of bytes inside. */
  readonly stream: Duplex
}

/** The connection of a manual driver as a socket. */
export class DriverSocket extends EventEmitter implements SocketLike {
  readonly #driver: ManualDriver
  readonly #socket: (Duplex & { unref?(): unknown }) | undefined
  readonly #framed: boolean
  #stream: Duplex | undefined
  #scheduled = false
  #closed = false

  /** @param framed - the bytes are inside of something else: the socket's own are not those of MQTT */
  constructor(driver: ManualDriver, framed: boolean) {
    super()
    this.#driver = driver
    const socket = driver.transport?.socket
    this.#socket = socket instanceof Duplex ? socket : undefined
    this.#framed = framed
    this.on('newListener', (event: string) => {
      if (event === 'readable') driver.listen()
      this.notify()
    })
  }

  recv(bufsize: number): Uint8Array {
    this.#driver.listen()
    if (!this.#closed && !this.#driver.isReadable) throw new BlockingIOError('nothing to read')
    return this.#driver.take(bufsize)
  }

  send(buffer: Uint8Array): number {
    if (this.#closed || !this.#driver.isWritable) throw new BlockingIOError('the connection takes nothing')
    this.#driver.transport?.write([Uint8Array.from(buffer)])
    return buffer.length
  }

  close(): void {
    this.#driver.transport?.destroy()
  }

  fileno(): number {
    return -1
  }

  setblocking(_flag: boolean): void {}

  pending(): number {
    return this.#driver.pending
  }

  get stream(): Duplex {
    this.#stream ??= this.#framed || this.#socket === undefined ? new InnerStream(this) : this.#socket
    return this.#stream
  }

  /** The connection does not keep the process alive. */
  unref(): void {
    this.#socket?.unref?.()
  }

  /** Something may have changed: looks at it in the next turn. */
  notify(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#emitDue()
    })
  }

  /** The layer has closed the connection. */
  closed(): void {
    this.#closed = true
    this.emit('close')
  }

  #emitDue(): void {
    const driver = this.#driver
    if (!this.#closed && driver.isReadable && this.listenerCount('readable') > 0) {
      this.notify()
      this.emit('readable')
    }
    if (!this.#closed && driver.isWritable && this.listenerCount('writable') > 0) {
      this.notify()
      this.emit('writable')
    }
  }
}

/** The bytes of a connection as a stream. What it reads is taken away from the client, as with a socket that two read. */
class InnerStream extends Duplex {
  readonly #socket: DriverSocket
  readonly #onReadable = (): void => {
    this.#socket.off('readable', this.#onReadable)
    const bytes = this.#socket.recv(this.readableHighWaterMark)
    this.push(bytes.length === 0 ? null : bytes)
  }

  constructor(socket: DriverSocket) {
    super()
    this.#socket = socket
    socket.once('close', () => this.destroy())
  }

  override _read(): void {
    this.#socket.off('readable', this.#onReadable)
    this.#socket.on('readable', this.#onReadable)
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const write = (): void => {
      this.#socket.off('writable', write)
      this.#socket.send(chunk)
      done()
    }
    // Asked for in a turn of its own.
    this.#socket.on('writable', write)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.close()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.off('readable', this.#onReadable)
    this.#socket.close()
    done(error)
  }
}

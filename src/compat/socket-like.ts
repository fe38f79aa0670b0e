import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
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
  /** The stream beneath. */
  readonly stream: Duplex
}

/** The connection of a manual driver as a socket. */
export class DriverSocket extends EventEmitter implements SocketLike {
  readonly #driver: ManualDriver
  #scheduled = false
  #closed = false

  constructor(driver: ManualDriver) {
    super()
    this.#driver = driver
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
    const { stream } = this.#driver.transport as unknown as { readonly stream?: Duplex }
    if (stream === undefined) throw new TypeError('this transport has no stream')
    return stream
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

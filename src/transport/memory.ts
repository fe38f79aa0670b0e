import type { Transport, TransportFactory, TransportHandler } from './transport.ts'

/**
 * Takes a connection at the server's end of an in-memory transport: gets the transport to answer on, gives what it
 * wants to be told.
 */
export type MemoryAcceptor = (peer: Transport) => TransportHandler

/**
 * A transport without a network, for tests and examples: each connection is a linked pair whose other end `accept`
 * takes. Bytes arrive in a later microtask, in order, and what one end wrote before `end()` arrives before its close.
 */
export function memoryTransport(accept: MemoryAcceptor, description = 'memory:'): TransportFactory {
  return async ({ signal, handler }) => {
    signal.throwIfAborted()
    const client = new MemoryTransport(description)
    const server = new MemoryTransport(description)
    client.link(server)
    server.link(client)
    server.handler = accept(server)
    client.handler = handler
    return client
  }
}

class MemoryTransport implements Transport {
  readonly description: string
  handler: TransportHandler | undefined
  #peer: MemoryTransport | undefined
  /** What this end has yet to be told, in order. */
  readonly #incoming: (Uint8Array | 'end')[] = []
  #incomingBytes = 0
  #isPaused = false
  #isScheduled = false
  #hasEnded = false
  #isClosed = false

  constructor(description: string) {
    this.description = description
  }

  link(peer: MemoryTransport): void {
    this.#peer = peer
  }

  get bufferedBytes(): number {
    return this.#peer?.incomingBytes ?? 0
  }

  get incomingBytes(): number {
    return this.#incomingBytes
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#hasEnded || this.#isClosed) return
    for (const chunk of chunks) this.#peer?.take(chunk)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#schedule()
  }

  end(): void {
    if (this.#hasEnded || this.#isClosed) return
    this.#hasEnded = true
    this.#isPaused = false
    this.#peer?.take('end')
    // The other end may be paused for ever: this one does not wait for it.
    this.take('end')
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#drop()
    this.take('end')
    this.#peer?.cut()
  }

  /** The other end is gone: what it wrote is lost with it. */
  cut(): void {
    if (this.#isClosed) return
    this.#drop()
    this.take('end')
  }

  take(item: Uint8Array | 'end'): void {
    if (this.#isClosed) return
    this.#incoming.push(item)
    if (item !== 'end') this.#incomingBytes += item.byteLength
    this.#schedule()
  }

  #drop(): void {
    this.#incoming.length = 0
    this.#incomingBytes = 0
    this.#isPaused = false
    this.#hasEnded = true
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed || this.#isPaused || this.#incoming.length === 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    while (!this.#isPaused && !this.#isClosed) {
      const item = this.#incoming.shift()
      if (item === undefined) return
      if (item === 'end') this.#close()
      else {
        this.#incomingBytes -= item.byteLength
        this.handler?.onBytes(item)
        if (this.#incomingBytes === 0) this.#peer?.drained()
      }
    }
  }

  drained(): void {
    if (!this.#isClosed) this.handler?.onDrain()
  }

  #close(): void {
    this.#isClosed = true
    this.#incoming.length = 0
    this.#incomingBytes = 0
    if (!this.#hasEnded) {
      // The other end has ended and hears no more.
      this.#hasEnded = true
    }
    this.handler?.onClose(undefined)
  }
}

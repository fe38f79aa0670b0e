import type { OpenContext, Transport } from '../../src/transport/transport.ts'
import type { FaultyLink, LinkEnd } from '../support/faulty-network.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import type { WireAuditor } from '../support/wire-auditor.ts'

/** A faulty link as a transport of the client, with the auditor between them. */
export class LinkTransport implements Transport {
  readonly description = 'simulated:'
  readonly #end: LinkEnd
  readonly #clock: VirtualClock
  readonly #auditor: WireAuditor
  readonly #connection: number
  #isClosed = false

  constructor(link: FaultyLink, context: OpenContext, clock: VirtualClock, auditor: WireAuditor) {
    this.#end = link.client
    this.#clock = clock
    this.#auditor = auditor
    auditor.connectionOpened()
    this.#connection = auditor.connection
    const { handler } = context
    this.#end.listener = {
      onBytes: (chunk) => {
        if (this.#isClosed) return
        if (this.#isLatest) auditor.received(chunk, clock.now())
        handler.onBytes(chunk)
        auditor.handled()
        if (this.bufferedBytes === 0) handler.onDrain()
      },
      onClose: (cause) => {
        this.#isClosed = true
        handler.onClose(cause)
      },
    }
    context.signal.addEventListener('abort', () => this.destroy(), { once: true })
  }

  /** What the peer has not got yet counts as buffered. */
  get bufferedBytes(): number {
    return this.#end.bytesUnderWay
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed || !this.#end.isOpen) return
    if (this.#isLatest) this.#auditor.sent(chunks, this.#clock.now())
    this.#end.send(chunks)
  }

  /** What was held back for the store may still be written to a connection that the server has ended. */
  get #isLatest(): boolean {
    return this.#auditor.connection === this.#connection
  }

  pause(): void {
    this.#end.pause()
  }

  resume(): void {
    this.#end.resume()
  }

  end(): void {
    this.#end.end()
  }

  destroy(): void {
    this.#end.destroy()
  }
}

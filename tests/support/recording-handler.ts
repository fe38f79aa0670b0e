import type { TransportHandler } from '../../src/transport/transport.ts'

/** A transport's owner that keeps what it is told and lets tests wait for it. */
export class RecordingHandler implements TransportHandler {
  readonly chunks: Uint8Array[] = []
  bytes = 0
  drains = 0
  closes = 0
  cause: Error | undefined
  readonly closed: Promise<Error | undefined>
  #resolveClosed: (cause: Error | undefined) => void = () => {}
  #waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = []

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  onBytes(chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.bytes += chunk.byteLength
    this.#check()
  }

  onDrain(): void {
    this.drains++
    this.#check()
  }

  onClose(cause: Error | undefined): void {
    this.closes++
    this.cause = cause
    this.#resolveClosed(cause)
    this.#check()
  }

  get received(): Uint8Array {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  /** Resolves when so many bytes have come in all. */
  async receivedBytes(count: number): Promise<void> {
    await this.until(() => this.bytes >= count)
  }

  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiters.push({ isMet, resolve })
    })
  }

  #check(): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      if (!waiter.isMet()) return true
      waiter.resolve()
      return false
    })
  }
}

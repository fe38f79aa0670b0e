import { ClosedError, type MqttError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { onAbort } from '../transport/opening.ts'

/** Above one of these a producer should wait, and below half of all it may go on. */
const MESSAGES = 1_000
const BYTES = 1_048_576
/** Exchanges under way cost memory too, and no throughput is won beyond. */
const IN_FLIGHT = 16_384

interface Waiting {
  readonly isOver: () => boolean
  resolve(): void
  reject(error: unknown): void
}

/** Back-pressure for producers: when to wait, and the promises of those who do. */
export class ProducerPressure {
  readonly #session: Session
  readonly #isCongested: () => boolean
  readonly #waiting: Set<Waiting> = new Set()

  constructor(session: Session, isCongested: () => boolean) {
    this.#session = session
    this.#isCongested = isCongested
  }

  get needsDrain(): boolean {
    return this.#exceeds(1)
  }

  /** Resolves when the queue has become short. */
  drained(signal: AbortSignal | undefined): Promise<void> {
    return this.#until(() => !this.#exceeds(0.5), signal)
  }

  /** Resolves when every publication up to this moment is settled. */
  flushed(signal: AbortSignal | undefined): Promise<void> {
    const last = this.#session.lastSequence
    return this.#until(() => this.#session.oldestUnsettled > last, signal)
  }

  turnEnded(): void {
    for (const waiting of this.#waiting) if (waiting.isOver()) waiting.resolve()
  }

  end(error: MqttError): void {
    for (const waiting of this.#waiting) {
      if (waiting.isOver()) waiting.resolve()
      else
        waiting.reject(
          new ClosedError(`Publications were left when the client ended: ${error.message}`, { cause: error }),
        )
    }
  }

  #exceeds(share: number): boolean {
    const { queuedMessages, queuedBytes, inFlight } = this.#session
    if (queuedMessages > MESSAGES * share || queuedBytes > BYTES * share || inFlight > IN_FLIGHT * share)
      return true
    return this.#isCongested()
  }

  #until(isOver: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (isOver()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(waiting)
        stop()
      }
      const waiting: Waiting = {
        isOver,
        resolve: () => {
          done()
          resolve()
        },
        reject: (error) => {
          done()
          reject(error)
        },
      }
      this.#waiting.add(waiting)
      const stop = onAbort(signal, waiting.reject)
    })
  }
}

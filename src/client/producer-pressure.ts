import { ClosedError, type MqttError } from '../errors.ts'
import { untilAborted } from '../transport/opening.ts'
import type { Clock } from './clock.ts'
import type { Driver } from './driver.ts'
import { PromiseParts } from './promise-parts.ts'
import type { Counters } from './stats.ts'

/** Above one of these a producer should wait, and below half of all it may go on. */
const MESSAGES = 1_000
const BYTES = 1_048_576
/** Exchanges under way cost memory too, and no throughput is won beyond. */
const IN_FLIGHT = 16_384

interface Waiting {
  readonly isOver: () => boolean
  readonly parts: PromiseParts<void>
}

/** Back-pressure for producers: when to wait, and the promises of those who do. */
export class ProducerPressure {
  readonly #driver: Driver
  readonly #clock: Clock
  readonly #counters: Counters
  #waiting: Set<Waiting> | undefined = undefined
  /** `bytesSent` when the last turn ended, or the first question was asked. */
  #sentBefore: number

  constructor(driver: Driver, clock: Clock, counters: Counters) {
    this.#driver = driver
    this.#clock = clock
    this.#counters = counters
    this.#sentBefore = counters.bytesSent
  }

  get needsDrain(): boolean {
    return this.#exceeds(1) || this.#hogs
  }

  /**
   * A loop that the network keeps up with would never wait. But nothing is received meanwhile, and the runtime lets go of what
   * it has written only when the event loop turns.
   */
  get #hogs(): boolean {
    return this.#counters.bytesSent - this.#sentBefore > BYTES
  }

  /** Resolves when the queue has become short. */
  drained(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#hogs) return this.#until(() => !this.#exceeds(0.5), signal)
    let hasPassed = false
    this.#clock.later(() => {
      hasPassed = true
      this.turnEnded()
    })
    return this.#until(() => hasPassed && !this.#exceeds(0.5), signal)
  }

  /** Resolves when every publication up to this moment is settled. */
  async flushed(signal: AbortSignal | undefined): Promise<void> {
    // What was published before the store was open gets its place in the order when it is.
    if (this.#driver.awaitsStore) await this.#until(() => !this.#driver.awaitsStore, signal)
    const { session } = this.#driver
    const last = session.lastSequence
    await this.#until(() => session.oldestUnsettled > last, signal)
  }

  turnEnded(): void {
    this.#sentBefore = this.#counters.bytesSent
    if (this.#waiting === undefined) return
    for (const { isOver, parts } of this.#waiting) if (isOver()) parts.resolve()
  }

  end(error: MqttError): void {
    for (const { isOver, parts } of this.#waiting ?? []) {
      if (isOver()) parts.resolve()
      else
        parts.reject(
          new ClosedError(`Publications were left when the client ended: ${error.message}`, { cause: error }),
        )
    }
  }

  #exceeds(share: number): boolean {
    const { queuedMessages, queuedBytes } = this.#driver
    const { inFlight } = this.#driver.session
    if (queuedMessages > MESSAGES * share || queuedBytes > BYTES * share || inFlight > IN_FLIGHT * share)
      return true
    return this.#driver.congested
  }

  async #until(isOver: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (isOver()) return
    const waiting: Waiting = { isOver, parts: new PromiseParts() }
    this.#waiting ??= new Set()
    this.#waiting.add(waiting)
    try {
      await untilAborted(waiting.parts.promise, signal)
    } finally {
      this.#waiting.delete(waiting)
    }
  }
}

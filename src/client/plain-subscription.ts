import type { SubscriptionRequest } from '../codec/packet.ts'
import { type MqttError, SubscribeError } from '../errors.ts'
import type { ClientHost } from './host.ts'
import type { FilterOutcome } from './subscription.ts'
import type { Claim } from './subscription-registry.ts'

/** A `subscribe()`: a claim without a consumer, settled when each of its filters has been answered. */
export class PlainSubscription implements Claim {
  readonly requests: readonly SubscriptionRequest[]
  readonly outcome: Promise<readonly FilterOutcome[]>
  readonly #host: ClientHost
  readonly #outcomes = new Map<string, FilterOutcome>()
  readonly #signal: AbortSignal | undefined
  #resolve!: (outcomes: readonly FilterOutcome[]) => void
  #reject!: (error: unknown) => void
  #refusal: MqttError | undefined
  #settled = false

  constructor(host: ClientHost, requests: readonly SubscriptionRequest[], signal: AbortSignal | undefined) {
    this.#host = host
    this.requests = requests
    this.#signal = signal
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  granted(filter: string, reasonCode: number): void {
    this.#answer(filter, { filter, reasonCode, grantedQos: reasonCode as 0 | 1 | 2 })
  }

  refused(filter: string, error: MqttError): void {
    if (this.#settled) {
      // Refused when it was asked for again: the promise of then has been kept.
      this.#host.report(error)
      return
    }
    this.#refusal ??= error
    if (!(error instanceof SubscribeError)) this.end(error)
    else this.#answer(filter, { filter, reasonCode: error.reasonCode ?? 0x80, grantedQos: undefined })
  }

  end(error: MqttError): void {
    this.#settle()
    this.#reject(error)
  }

  #answer(filter: string, outcome: FilterOutcome): void {
    this.#outcomes.set(filter, outcome)
    if (this.#outcomes.size < this.requests.length) return
    this.#settle()
    const outcomes = this.requests.map((request) => this.#outcomes.get(request.filter) ?? outcome)
    if (outcomes.some(({ grantedQos }) => grantedQos !== undefined)) this.#resolve(outcomes)
    else this.#reject(this.#refusal)
  }

  #settle(): void {
    this.#settled = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    this.#reject(this.#signal?.reason)
  }
}

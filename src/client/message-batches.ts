import type { AnyMessage } from './message.ts'
import { DONE } from './message-iterator.ts'
import { PromiseParts } from './promise-parts.ts'
import type { Subscription } from './subscription.ts'

/** A loop over everything that is there, batch by batch. A batch is never empty. */
export class MessageBatches<M extends AnyMessage>
  implements AsyncIterableIterator<M[], undefined>, AsyncDisposable
{
  readonly #subscription: Subscription<M>
  /** Handed out, to be acknowledged when the loop comes back. */
  #current: M[] | undefined
  /** The acknowledgements are being stored, and whoever asks for the next batch waits for that. */
  #storing: Promise<void> | undefined
  #begun = false
  #left = false

  /** @internal */
  constructor(subscription: Subscription<M>) {
    this.#subscription = subscription
  }

  next(): Promise<IteratorResult<M[], undefined>> {
    const current = this.#current
    if (current !== undefined) {
      this.#current = undefined
      for (const message of current) message.settle(0)
      const reliable = current.find((message) => message.qos === 2)
      if (reliable !== undefined) this.#storing ??= this.#subscription.whenFinished(reliable)
    }
    const storing = this.#storing
    if (storing === undefined) return this.#next()
    return storing.then(() => {
      if (this.#storing === storing) this.#storing = undefined
      return this.#next()
    })
  }

  #next(): Promise<IteratorResult<M[], undefined>> {
    if (this.#left) return Promise.resolve(DONE)
    if (!this.#begun) {
      this.#begun = true
      this.#subscription.begin()
    }
    if (this.#subscription.check !== undefined) return this.#nextChecked()
    const messages = this.#subscription.shiftAll()
    if (messages.length > 0) return Promise.resolve(this.#hand(messages))
    if (this.#subscription.isEnded) return this.#end()
    return this.#nextWaiting()
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    const current = this.#current
    if (current !== undefined) {
      this.#current = undefined
      this.#subscription.settleLater(current)
    }
    if (!this.#left) {
      this.#left = true
      if (!this.#begun) {
        this.#begun = true
        this.#subscription.begin()
      }
      this.#subscription.stopWaiting(this)
      this.#subscription.finish()
    }
    return Promise.resolve(DONE)
  }

  throw(error?: unknown): Promise<IteratorResult<M[], undefined>> {
    void this.return()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #hand(messages: AnyMessage[]): IteratorYieldResult<M[]> {
    if (this.#subscription.autoAck && messages.some((message) => message.qos > 0)) {
      for (const message of this.#current ?? []) message.settle(0)
      this.#current = [...messages] as M[]
    }
    return { value: messages as M[], done: false }
  }

  async #nextWaiting(): Promise<IteratorResult<M[], undefined>> {
    const messages = await this.#wait()
    return messages === undefined ? this.#end() : this.#hand(this.#withRest(messages))
  }

  async #nextChecked(): Promise<IteratorResult<M[], undefined>> {
    for (;;) {
      let messages: AnyMessage[] = this.#subscription.shiftAll()
      if (messages.length === 0) {
        const first = this.#subscription.isEnded ? undefined : await this.#wait()
        if (first === undefined) return this.#end()
        messages = this.#withRest(first)
      }
      const fitting: AnyMessage[] = []
      for (const [index, message] of messages.entries()) {
        let verdict = this.#subscription.check?.(message)
        if (verdict instanceof Promise) {
          verdict = await verdict
          if (this.#left) {
            this.#subscription.putBack([...fitting, ...messages.slice(index)])
            return DONE
          }
        }
        if (verdict === undefined) {
          fitting.push(message)
          continue
        }
        if (this.#subscription.invalid(message, verdict, messages[index + 1]) !== undefined) {
          // Those before it are handed out, and then there is nothing left but the error.
          this.#subscription.putBack([...messages.slice(index + 1), ...this.#subscription.shiftAll()])
          break
        }
      }
      if (fitting.length > 0) return this.#hand(fitting)
    }
  }

  /** What was delivered in the same turn has been queued behind them. */
  #withRest(first: AnyMessage[]): AnyMessage[] {
    const rest = this.#subscription.shiftAll()
    return rest.length === 0 ? first : first.concat(rest)
  }

  #wait(): Promise<AnyMessage[] | undefined> {
    const parts = new PromiseParts<AnyMessage[] | undefined>()
    this.#subscription.wait({
      owner: this,
      resolve: (message) => parts.resolve([message]),
      resolveAll: parts.resolve,
      end: () => parts.resolve(undefined),
    })
    return parts.promise
  }

  #end(): Promise<IteratorReturnResult<undefined>> {
    const { error } = this.#subscription
    const told = this.#left
    this.#left = true
    return error === undefined || told ? Promise.resolve(DONE) : Promise.reject(error)
  }
}

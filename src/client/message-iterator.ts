import type { AnyMessage } from './message.ts'
import { PromiseParts } from './promise-parts.ts'
import type { Subscription, Waiting } from './subscription.ts'

/**
 * One loop over a subscription. Written by hand: a message that is there costs one resolved promise and one result object,
 * and the loop's `next()` is what says that its body has finished with the message before.
 */
export class MessageIterator<M extends AnyMessage>
  implements AsyncIterableIterator<M, undefined>, AsyncDisposable
{
  readonly #subscription: Subscription<M>
  /** Handed out, to be acknowledged when the loop comes back. */
  #current: AnyMessage | undefined
  /** The acknowledgement is being stored, and whoever asks for the next message waits for that. */
  #storing: Promise<void> | undefined
  #begun = false
  #left = false

  /** @internal */
  constructor(subscription: Subscription<M>) {
    this.#subscription = subscription
  }

  next(): Promise<IteratorResult<M, undefined>> {
    const current = this.#current
    if (current !== undefined) {
      this.#current = undefined
      current.settle(0)
      this.#storing ??= this.#subscription.whenFinished(current)
    }
    const storing = this.#storing
    if (storing === undefined) return this.#next()
    return storing.then(() => {
      if (this.#storing === storing) this.#storing = undefined
      return this.#next()
    })
  }

  #next(): Promise<IteratorResult<M, undefined>> {
    if (!this.#begun) {
      this.#begun = true
      this.#subscription.begin()
    }
    if (this.#left) return Promise.resolve(DONE)
    if (this.#subscription.check !== undefined) return this.#nextChecked()
    const message = this.#subscription.shift()
    if (message !== undefined) return Promise.resolve(this.hand(message))
    if (this.#subscription.isEnded) return this.#end()
    const pending = new Pending(this)
    this.#subscription.wait(pending)
    return pending.parts.promise
  }

  /** Leaves the loop: the message in hand is acknowledged a turn later. */
  return(): Promise<IteratorReturnResult<undefined>> {
    const current = this.#current
    if (current !== undefined) {
      this.#current = undefined
      this.#subscription.settleLater([current])
    }
    this.#leave()
    return Promise.resolve(DONE)
  }

  /** As `return`, and rejects with the error. */
  throw(error?: unknown): Promise<IteratorResult<M, undefined>> {
    void this.return()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** @internal */
  hand(message: AnyMessage): IteratorYieldResult<M> {
    if (message.qos > 0 && this.#subscription.autoAck) {
      // Two calls of next() were open: the second has asked for the next one.
      this.#current?.settle(0)
      this.#current = message
    }
    return { value: message as M, done: false }
  }

  /** @internal The loop is over. Whether it has been told so before. */
  over(): boolean {
    const told = this.#left
    this.#left = true
    return told
  }

  /** With a schema, each message is looked at first; those that do not fit are passed over. */
  async #nextChecked(): Promise<IteratorResult<M, undefined>> {
    const subscription = this.#subscription
    for (;;) {
      const message = subscription.shift() ?? (await this.#wait())
      if (message === undefined) return this.#end()
      let verdict = subscription.check?.(message)
      if (verdict instanceof Promise) {
        verdict = await verdict
        if (this.#left) {
          subscription.putBack([message])
          return DONE
        }
      }
      if (verdict === undefined) return this.hand(message)
      const error = subscription.invalid(message, verdict)
      if (error !== undefined) {
        this.#leave()
        throw error
      }
    }
  }

  #wait(): Promise<AnyMessage | undefined> | undefined {
    if (this.#subscription.isEnded) return undefined
    const parts = new PromiseParts<AnyMessage | undefined>()
    this.#subscription.wait({
      owner: this,
      resolve: parts.resolve,
      end: () => parts.resolve(undefined),
    })
    return parts.promise
  }

  #end(): Promise<IteratorReturnResult<undefined>> {
    const { error } = this.#subscription
    return this.over() || error === undefined ? Promise.resolve(DONE) : Promise.reject(error)
  }

  #leave(): void {
    if (this.#left) return
    this.#left = true
    if (!this.#begun) {
      this.#begun = true
      this.#subscription.begin()
    }
    this.#subscription.stopWaiting(this)
    this.#subscription.finish()
  }
}

export const DONE: IteratorReturnResult<undefined> = Object.freeze({ value: undefined, done: true })

/** A `next()` that waits. */
class Pending<M extends AnyMessage> implements Waiting {
  readonly parts = new PromiseParts<IteratorResult<M, undefined>>()
  readonly owner: MessageIterator<M>

  constructor(iterator: MessageIterator<M>) {
    this.owner = iterator
  }

  resolve(message: AnyMessage): void {
    this.parts.resolve(this.owner.hand(message))
  }

  end(error: Error | undefined): void {
    if (this.owner.over() || error === undefined) this.parts.resolve(DONE)
    else this.parts.reject(error)
  }
}

import type { StateChange } from './state.ts'

/** The state changes of one `states()` call, kept until they are asked for; over when the client has ended. */
export class StateStream implements AsyncIterableIterator<StateChange> {
  readonly #changes: StateChange[] = []
  readonly #waiting: ((result: IteratorResult<StateChange>) => void)[] = []
  readonly #left: (stream: StateStream) => void
  #ended = false

  constructor(left: (stream: StateStream) => void) {
    this.#left = left
  }

  push(change: StateChange): void {
    if (this.#ended) return
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#changes.push(change)
    else waiting({ done: false, value: change })
    if (change.state === 'closed') this.#end()
  }

  next(): Promise<IteratorResult<StateChange>> {
    const change = this.#changes.shift()
    if (change !== undefined) return Promise.resolve({ done: false, value: change })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  return(): Promise<IteratorResult<StateChange>> {
    this.#changes.length = 0
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined })
    this.#left(this)
  }
}

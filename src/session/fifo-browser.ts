/** Takes the place of fifo.ts in browsers, whose queues are short. */
export class Fifo<T> {
  #values: T[] = []

  get size(): number {
    return this.#values.length
  }

  push(value: T): void {
    this.#values.push(value)
  }

  peek(): T | undefined {
    return this.#values[0]
  }

  shift(): T | undefined {
    return this.#values.shift()
  }

  clear(): void {
    this.#values = []
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#values.values()
  }
}

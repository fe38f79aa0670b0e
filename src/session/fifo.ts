/** The ring of all queues that are empty since they were made: it has no place that could be written to. */
const NO_RING: never[] = []

/** A first-in-first-out queue on a ring that doubles when full: no element is ever moved by a removal. */
export class Fifo<T> {
  #ring: (T | undefined)[] = NO_RING
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(value: T): void {
    const capacity = this.#ring.length
    if (this.#size === capacity) this.#grow(capacity)
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = value
    this.#size++
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#ring[this.#head]
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const value = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#size--
    return value
  }

  clear(): void {
    this.#ring = NO_RING
    this.#head = 0
    this.#size = 0
  }

  *[Symbol.iterator](): Generator<T, void> {
    const ring = this.#ring
    for (let i = 0; i < this.#size; i++) yield ring[(this.#head + i) & (ring.length - 1)] as T
  }

  #grow(capacity: number): void {
    const larger: (T | undefined)[] = new Array(capacity === 0 ? 8 : capacity * 2)
    for (let i = 0; i < this.#size; i++) larger[i] = this.#ring[(this.#head + i) & (capacity - 1)]
    this.#ring = larger
    this.#head = 0
  }
}

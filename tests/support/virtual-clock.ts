import type { Clock, Timer } from '../../src/client/clock.ts'

interface Entry extends Timer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
  cancelled: boolean
}

/**
 * Time that passes only when it is told to: a queue of callbacks ordered by their time, then by the order in which
 * they were made. It is the client's `Clock` and the agenda of the simulated network in one, so that a whole
 * simulation is one sequence of callbacks, the same in every run.
 */
export class VirtualClock implements Clock {
  #now: number
  #order = 0
  readonly #random: () => number
  /** A binary heap. */
  readonly #heap: Entry[] = []
  #soon: (() => void)[] = []
  #cancelled = 0

  constructor(start = 1_000_000, random: () => number = () => 0.5) {
    this.#now = start
    this.#random = random
  }

  now(): number {
    return this.#now
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const entry: Entry = {
      at: this.#now + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancelled: false,
      cancel: () => {
        if (!entry.cancelled) {
          entry.cancelled = true
          this.#cancelled++
        }
      },
    }
    this.#push(entry)
    return entry
  }

  soon(callback: () => void): void {
    this.#soon.push(callback)
  }

  later(callback: () => void): void {
    this.setTimer(callback, 0)
  }

  random(): number {
    return this.#random()
  }

  /** Timers that are set and not cancelled. */
  get pending(): number {
    return this.#heap.length - this.#cancelled
  }

  /** When the next timer is due; Infinity = none. */
  get nextAt(): number {
    this.#dropCancelled()
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Runs what was asked for with `soon`, also what that asks for. True when there was any. */
  runSoon(): boolean {
    if (this.#soon.length === 0) return false
    while (this.#soon.length > 0) {
      const callbacks = this.#soon
      this.#soon = []
      for (const callback of callbacks) callback()
    }
    return true
  }

  /** Goes to the next timer and runs it, then everything asked for with `soon`. False when there is none. */
  runNext(): boolean {
    this.#dropCancelled()
    const entry = this.#pop()
    if (entry === undefined) return false
    this.#now = Math.max(this.#now, entry.at)
    entry.cancelled = true
    entry.callback()
    this.runSoon()
    return true
  }

  /** Runs everything that is due within the given time, and ends that much later. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds
    while (this.nextAt <= end) this.runNext()
    this.#now = end
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.cancelled === true) {
      this.#pop()
      this.#cancelled--
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order)
}

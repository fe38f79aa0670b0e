import type { Clock, Timer } from '../../src/client/clock.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'

/** The virtual clock as one client sees it: knows which of its timers are set. */
export class CountingClock implements Clock {
  readonly #clock: VirtualClock
  readonly #live: Set<Timer> = new Set()
  #isStopped = false

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  /** Timers that are set. */
  get armed(): number {
    return this.#live.size
  }

  /** The process has died: nothing that it has asked for happens. */
  stop(): void {
    this.#isStopped = true
    for (const timer of [...this.#live]) timer.cancel()
  }

  now(): number {
    return this.#clock.now()
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const inner = this.#clock.setTimer(() => {
      this.#live.delete(timer)
      if (!this.#isStopped) callback()
    }, delayMs)
    const timer: Timer = {
      cancel: () => {
        this.#live.delete(timer)
        inner.cancel()
      },
    }
    this.#live.add(timer)
    return timer
  }

  soon(callback: () => void): void {
    this.#clock.soon(() => {
      if (!this.#isStopped) callback()
    })
  }

  later(callback: () => void): void {
    this.#clock.later(() => {
      if (!this.#isStopped) callback()
    })
  }

  random(): number {
    return this.#clock.random()
  }
}

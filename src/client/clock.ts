/** Time, timers and chance as the client sees them: a real one here, a virtual one in the simulation. */
export interface Clock {
  /** Milliseconds since the epoch, monotonic within the process. */
  now(): number
  /** Calls back once, after at least `delayMs`. The callback is never called from inside this call. */
  setTimer(callback: () => void, delayMs: number): Timer
  /** Calls back after the present turn's synchronous work and what it has queued, before I/O. */
  soon(callback: () => void): void
  /** Calls back in a later turn of the event loop, after an uncaught exception of this turn has ended the process. */
  later(callback: () => void): void
  /** [0, 1) */
  random(): number
}

export interface Timer {
  cancel(): void
}

/**
 * Node would be kept alive by nothing but sockets if timers were unreferenced; a waiting reconnect is work in
 * progress, so timers hold the process until they are cancelled.
 */
class SystemTimer implements Timer {
  readonly #handle: ReturnType<typeof setTimeout>

  constructor(callback: () => void, delayMs: number) {
    // Longer delays than 2^31-1 would fire at once.
    this.#handle = setTimeout(callback, Math.min(Math.max(Math.ceil(delayMs), 0), 2_147_483_647))
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }
}

/** In Node a tick runs after all microtasks that are due, so that one flush covers everything of the turn. */
const tick: ((callback: () => void) => void) | undefined = (
  globalThis as { process?: { nextTick?: (callback: () => void) => void } }
).process?.nextTick

const immediate: ((callback: () => void) => unknown) | undefined = (
  globalThis as { setImmediate?: (callback: () => void) => unknown }
).setImmediate

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  setTimer: (callback, delayMs) => new SystemTimer(callback, delayMs),
  soon: tick ?? ((callback) => queueMicrotask(callback)),
  later: immediate ?? ((callback) => setTimeout(callback)),
  random: Math.random,
}

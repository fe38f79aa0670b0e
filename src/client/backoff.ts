import type { MqttError } from '../errors.ts'

/** How to come back after a connection was lost. Durations in milliseconds. */
export interface ReconnectOptions {
  /** Upper end of the first delay; it doubles each time, when all servers have failed. @default 500 */
  readonly minDelayMs?: number | undefined
  /** Upper end of any delay. @default 30_000 */
  readonly maxDelayMs?: number | undefined
  /**
   * "full": anything between 0 and the upper end, so that thousands of clients that lost the same server do not come back
   * together. "none": the upper end itself. @default 'full'
   */
  readonly jitter?: 'full' | 'none' | undefined
  /** Attempts in a row before the client ends with the last error. @default Infinity */
  readonly maxAttempts?: number | undefined
  /** Treat a first attempt that fails like a lost connection, instead of rejecting `connect()`. @default false */
  readonly initial?: boolean | undefined
  /** A connection that lasted this long puts the delay back to its beginning. @default 5_000 */
  readonly stableAfterMs?: number | undefined
}

/** Milliseconds to wait before this attempt (1, 2, ...), or false to end the client with `cause`. */
export type ReconnectDelay = (attempt: number, cause: MqttError) => number | false

/** `ReconnectOptions` with its defaults. */
export type Backoff = { readonly [K in keyof ReconnectOptions]-?: NonNullable<ReconnectOptions[K]> }

/** @param pause - pauses since the last stable connection, the coming one included: 1, 2, ... */
export function backoffDelay(options: Backoff, pause: number, random: () => number): number {
  // 2^31 times the smallest delay exceeds every maximum; more would overflow to Infinity * 0.
  const ceiling = Math.min(options.maxDelayMs, options.minDelayMs * 2 ** Math.min(pause - 1, 31))
  return options.jitter === 'full' ? random() * ceiling : ceiling
}

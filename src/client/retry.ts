/** How a message whose handler has failed is tried again, in this process. */
export interface RetryOptions {
  /** Further attempts after the first. @default 0 */
  readonly attempts?: number | undefined
  /** Upper end of the first wait; it doubles with each attempt. @default 100 */
  readonly minDelayMs?: number | undefined
  /** Upper end of any wait. @default 30_000 */
  readonly maxDelayMs?: number | undefined
  /** `full`: anything between 0 and the upper end. `none`: the upper end itself. @default 'full' */
  readonly jitter?: 'full' | 'none' | undefined
}

export type ResolvedRetry = { readonly [Key in keyof RetryOptions]-?: NonNullable<RetryOptions[Key]> }

/** `retry` was checked. */
export function resolveRetry(retry: number | RetryOptions | undefined): ResolvedRetry {
  const given = typeof retry === 'number' ? { attempts: retry } : (retry ?? {})
  const { attempts = 0, minDelayMs = 100, maxDelayMs = 30_000, jitter = 'full' } = given
  return { attempts, minDelayMs, maxDelayMs, jitter }
}

/** Milliseconds to wait after the n-th failure (1, 2, ...). */
export function retryDelay(retry: ResolvedRetry, failures: number, random: () => number): number {
  // 2^31 times the smallest delay exceeds every maximum.
  const ceiling = Math.min(retry.maxDelayMs, retry.minDelayMs * 2 ** Math.min(failures - 1, 31))
  return retry.jitter === 'full' ? random() * ceiling : ceiling
}

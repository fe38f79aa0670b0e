import { expect, test } from 'vitest'
import { measured } from './measured.ts'

/**
 * What a client that does nothing costs, its socket included: there may be thousands in a process. A figure is what it was when it
 * was last looked at, and what a list or a map more would cost.
 */
test.each([
  ['connected', 'is connected', 3_950],
  ['subscribed', 'waits for messages', 7_850],
])(
  '%s: a client that %s holds no more of the heap than it did',
  async (kind, _what, bytes) => {
    const { perClient } = await measured<{ readonly perClient: number }>('idle-program', kind, 2_000)
    expect(perClient).toBeLessThan(bytes)
  },
  120_000,
)

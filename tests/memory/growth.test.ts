import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/**
 * What is done often leaves nothing behind. Ten times as often with `MEMORY_ROUNDS=10`, which makes it ten million messages.
 */
const root = fileURLToPath(new URL('../..', import.meta.url))
const rounds = Number(process.env['MEMORY_ROUNDS'] ?? '1')

/** Compiled code, caches and the noise of the collector; a hundred bytes per message would be a hundred times as much. */
const NOISE_BYTES = 3_000_000

test.each([
  ['publish', 'publications', 1_000_000 * rounds],
  ['receive', 'received messages', 1_000_000 * rounds],
  ['reconnect', 'reconnects', 1000 * rounds],
  ['subscribe', 'subscriptions made and dropped', 10_000 * rounds],
])(
  '%s: the heap does not grow with the number of %s',
  async (kind, _what, times) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--import', 'tsx', 'tests/memory/growth-program.ts', kind, String(times)],
      { cwd: root, env: { ...process.env, TSX_TSCONFIG_PATH: 'tests/tsconfig.json' } },
    )
    const { before, after } = JSON.parse(stdout) as { readonly before: number; readonly after: number }
    expect(after - before).toBeLessThan(NOISE_BYTES)
  },
  180_000 * rounds,
)

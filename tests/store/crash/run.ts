/*
 * npm run crash -- --rounds 100
 *
 * The tests of this folder with as many rounds as wanted; the totals are printed.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' } } })
const root = fileURLToPath(new URL('../../..', import.meta.url))
const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--config', 'tests/vitest.config.ts', 'tests/store/crash'],
  {
    cwd: root,
    env: { ...process.env, CRASH_ROUNDS: values.rounds },
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1

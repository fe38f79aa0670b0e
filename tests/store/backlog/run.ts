/*
 * npm run backlog -- --messages 1000000
 *
 * The test of a queue that is larger than memory, with as many messages as wanted; what it took is printed.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { messages: { type: 'string', default: '1000000' } } })
const root = fileURLToPath(new URL('../../..', import.meta.url))
const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--config', 'tests/vitest.config.ts', 'tests/store/backlog/larger-than-memory'],
  {
    cwd: root,
    env: { ...process.env, BACKLOG_MESSAGES: values.messages },
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1

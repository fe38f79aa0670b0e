import { parseArgs } from 'node:util'
import { runClientSeed, runEveryOperation, runSeed, runStoreSeed, SeedFailure } from './run-seed.ts'
import type { LabResult } from './session-lab.ts'

/**
 * npm run simulate -- --seeds 100000          as many seeds, from 1 (or --from N), with progress and rate
 * npm run simulate -- --seed 4711             one seed; a failure prints its trace
 * npm run simulate -- --seconds 600           until the time is over
 * ... --client                                the whole client instead of the bare session
 * ... --store                               a client with a store, whose processes die and whose store fails
 * ... --store --everyOperation                each seed once for every operation of its store, at which the process dies
 * ... --store --diesAt 17                     at that one alone
 * ... --keepGoing                             past the first failure, one line for each
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    client: { type: 'boolean', default: false },
    store: { type: 'boolean', default: false },
    everyOperation: { type: 'boolean', default: false },
    diesAt: { type: 'string' },
    keepGoing: { type: 'boolean', default: false },
  },
})

const first = Number(values.seed ?? values.from)
const count =
  values.seed !== undefined
    ? 1
    : values.seconds !== undefined
      ? Number.POSITIVE_INFINITY
      : Number(values.seeds)
const deadline =
  values.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.seconds) * 1000
const started = Date.now()
let steps = 0
let packets = 0
let done = 0
let shownAt = 0
const failures = new Map<string, number[]>()

for (; done < count && Date.now() < deadline; done++) {
  const seed = first + done
  try {
    const result = await run(seed)
    steps += result.steps
    packets += result.packets
  } catch (error) {
    if (!(error instanceof SeedFailure)) throw error
    const seeds = failures.get(error.rule) ?? []
    failures.set(error.rule, [...seeds, seed])
    if (!values.keepGoing) {
      console.error(`\n${error.message}\n`)
      break
    }
    console.error(`\nseed ${seed}: ${error.message.split('\n')[0]}`)
  }
  if (Date.now() - shownAt > 500) {
    shownAt = Date.now()
    progress()
  }
}
progress()
process.stderr.write('\n')
for (const [rule, seeds] of failures) {
  console.error(`${seeds.length} seeds broke [${rule}]: ${seeds.slice(0, 20).join(' ')}`)
}
console.log(
  `${done} seeds, ${steps} steps, ${packets} packets, ${failures.size === 0 ? 'no rule broken' : 'RULES BROKEN'}`,
)
process.exitCode = failures.size === 0 ? 0 : 1

async function run(seed: number): Promise<LabResult> {
  if (values.client) return runClientSeed(seed)
  if (!values.store) return runSeed(seed)
  if (values.everyOperation) return runEveryOperation(seed)
  return runStoreSeed(seed, values.diesAt === undefined ? undefined : { diesAt: Number(values.diesAt) })
}

function progress(): void {
  const seconds = (Date.now() - started) / 1000
  const part = Number.isFinite(count) ? done / count : seconds / Number(values.seconds)
  const bar = '#'.repeat(Math.round(part * 30)).padEnd(30, '.')
  process.stderr.write(
    `\r[${bar}] ${done} seeds, ${steps} steps, ${Math.round(done / Math.max(seconds, 0.001))} seeds/s `,
  )
}

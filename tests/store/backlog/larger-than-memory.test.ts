import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ProgramPlace, programPlace } from '../program-place.ts'
import { ReceivingBroker } from './receiving-broker.ts'

/** `npm run backlog -- --messages 1000000` */
const messages = Number(process.env['BACKLOG_MESSAGES'] ?? 200_000)
/** Of the tests that are variations. */
const fewer = process.env['BACKLOG_MESSAGES'] === undefined ? 50_000 : messages
/** A tenth of what a million messages would take as objects. */
const HEAP_MIB = 64
const timeout = 60_000 + messages / 4

interface Report {
  readonly queuedMessages: number
  readonly peakHeapMiB: number
}

let broker: ReceivingBroker
let place: ProgramPlace
beforeEach(async () => {
  broker = await ReceivingBroker.start()
  place = programPlace(new URL('program.ts', import.meta.url))
})
afterEach(() => {
  broker.dispose()
  place[Symbol.dispose]()
})

/** Runs the program with a small heap: to its end, or to kill -9 when everything is stored. */
async function run(mode: 'queue' | 'deliver' | 'both' | 'rush', count: number): Promise<Report> {
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, place.program, mode, broker.url, place.store, String(count)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.endsWith('stored\n')) child.kill('SIGKILL')
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`the program ended with ${code ?? signal}`)
  const report = output.split('\n')[0] ?? ''
  console.info(report)
  return JSON.parse(report) as Report
}

test(
  `${messages} messages are queued in ${HEAP_MIB} MiB of heap, survive kill -9, and are delivered in order, each once`,
  async () => {
    const queued = await run('queue', messages)
    expect(queued.queuedMessages).toBe(messages + 1)
    expect(broker.received).toBe(0)
    await run('deliver', 0)
    expect(broker.received).toBe(messages + 1)
    expect(broker.wrong).toEqual([])
  },
  timeout,
)

test.each(['both', 'rush'] as const)(
  'the same in one process: %s',
  async (mode) => {
    await run(mode, fewer)
    expect(broker.received).toBe(fewer + 1)
    expect(broker.wrong).toEqual([])
  },
  timeout,
)

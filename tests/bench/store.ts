import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { PeerScript } from './peer.ts'
import { prepare } from './prepare.ts'
import type { StoreOrder, StoreResult, StoreVariant } from './store-worker.ts'
import { TOPICS } from './wire.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))

const all: Readonly<Record<StoreVariant, number>> = {
  'no store': 400_000,
  memoryStore: 400_000,
  'levelStore, process': 400_000,
  'levelStore, disk': 100_000,
  'MQTT.js, memory store': 60_000,
  'MQTT.js, mqtt-level-store': 20_000,
  'MQTT.js, mqtt-nedb-store': 6_000,
}

/** The disk stores of MQTT.js are measured where they are installed: they are old, and one of them brings a native module. */
const require = createRequire(import.meta.url)
const variants = Object.entries(all).filter(([variant]) => {
  const name = /mqtt-\w+-store/.exec(variant)?.[0]
  if (name === undefined) return true
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}) as [StoreVariant, number][]

/** `npm run bench -- store [--runs N]`: what a store costs a publisher of QoS 1. Medians; variants take turns. */
export async function run(parameters: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...parameters], options: { runs: { type: 'string', default: '5' } } })
  await prepare()
  const results = new Map<StoreVariant, StoreResult[]>()
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const [variant, count] of variants) {
      const result = await measure(variant, count)
      results.set(variant, [...(results.get(variant) ?? []), result])
    }
  }
  const rateOf = (found: readonly StoreResult[]): number => median(found.map(({ rate }) => rate))
  const base = rateOf(results.get('no store') ?? [])
  console.log('publish QoS 1, MQTT 5, 64 bytes\n')
  for (const [variant, found] of results) {
    const rate = rateOf(found)
    const cpu = median(found.map(({ cpuMicros }) => cpuMicros)).toFixed(2)
    console.log(
      `${variant.padEnd(24)} ${Math.round(rate).toLocaleString('en').padStart(10)} msg/s   ${(rate / base).toFixed(2)} of no store   ${cpu.padStart(6)} us of processor time each`,
    )
  }
}

async function measure(variant: StoreVariant, count: number): Promise<StoreResult> {
  const script: PeerScript = {
    form: { version: 5, qos: 0, withProperties: false },
    payloadSize: 64,
    spread: TOPICS,
  }
  const peer = fork(`${folder}built/peer.js`, [JSON.stringify(script)])
  const [{ port }] = (await once(peer, 'message')) as [{ port: number }]
  const order: StoreOrder = { variant, port, count }
  const worker = fork(`${folder}built/store-worker.js`, [JSON.stringify(order)])
  let result: StoreResult | undefined
  worker.on('message', (message) => {
    result = message as StoreResult
  })
  const slow = setTimeout(() => worker.kill('SIGKILL'), 120_000)
  const [code] = (await once(worker, 'exit')) as [number | null]
  clearTimeout(slow)
  peer.kill()
  if (code !== 0 || result === undefined)
    throw new Error(`${variant}: the client process ended with ${code ?? 'a kill after 120 s'}`)
  return result
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
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
  'MQTT.js, mqtt-jsonl-store': 40_000,
}

interface Contestant {
  readonly variant: StoreVariant
  readonly count: number
  /** Of a disk store of MQTT.js: the file to load. */
  readonly module: string | undefined
}

/**
 * The disk stores of MQTT.js are measured where they are installed: they are old, and one of them brings a native module. To
 * leave this package's dependencies as they are, install them elsewhere:
 *
 *     npm install --prefix /tmp/stores mqtt-level-store mqtt-nedb-store mqtt-jsonl-store
 *     npm run bench -- store --stores /tmp/stores
 */
function contestants(place: string | undefined): Contestant[] {
  const require = createRequire(place === undefined ? import.meta.url : resolve(place, 'package.json'))
  const found: Contestant[] = []
  for (const [variant, count] of Object.entries(all) as [StoreVariant, number][]) {
    const name = /mqtt-\w+-store/.exec(variant)?.[0]
    try {
      found.push({ variant, count, module: name === undefined ? undefined : require.resolve(name) })
    } catch {
      console.log(`${variant}: not installed`)
    }
  }
  return found
}

/** `npm run bench -- store [--runs N] [--stores folder]`: what a store costs a publisher of QoS 1. Medians; variants take turns. */
export async function run(parameters: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...parameters],
    options: { runs: { type: 'string', default: '5' }, stores: { type: 'string' } },
  })
  await prepare()
  const results = new Map<StoreVariant, StoreResult[]>()
  const taking = contestants(values.stores)
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const contestant of taking) {
      const { variant } = contestant
      const result = await measure(contestant)
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

async function measure({ variant, count, module }: Contestant): Promise<StoreResult> {
  const script: PeerScript = {
    form: { version: 5, qos: 0, withProperties: false },
    payloadSize: 64,
    spread: TOPICS,
  }
  const peer = fork(`${folder}built/peer.js`, [JSON.stringify(script)])
  const [{ port }] = (await once(peer, 'message')) as [{ port: number }]
  const order: StoreOrder = { variant, port, count, module }
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

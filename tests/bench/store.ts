import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { PeerScript } from './peer.ts'
import type { StoreOrder, StoreVariant } from './store-worker.ts'
import { TOPICS } from './wire.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))

const variants: Readonly<Record<StoreVariant, number>> = {
  'no store': 400_000,
  memoryStore: 400_000,
  'levelStore, process': 400_000,
  'levelStore, disk': 100_000,
  'MQTT.js, memory store': 60_000,
}

/** `npm run bench -- store [--runs N]`: what a store costs a publisher of QoS 1. Medians; variants take turns. */
export async function run(parameters: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...parameters], options: { runs: { type: 'string', default: '5' } } })
  const rates = new Map<StoreVariant, number[]>()
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const [variant, count] of Object.entries(variants) as [StoreVariant, number][]) {
      const rate = await measure(variant, count)
      rates.set(variant, [...(rates.get(variant) ?? []), rate])
    }
  }
  const base = median(rates.get('no store') ?? [])
  console.log('publish QoS 1, MQTT 5, 64 bytes\n')
  for (const [variant, found] of rates) {
    const rate = median(found)
    console.log(
      `${variant.padEnd(24)} ${Math.round(rate).toLocaleString('en').padStart(10)} msg/s   ${(rate / base).toFixed(2)} of no store`,
    )
  }
}

async function measure(variant: StoreVariant, count: number): Promise<number> {
  const script: PeerScript = {
    form: { version: 5, qos: 0, withProperties: false },
    payloadSize: 64,
    spread: TOPICS,
  }
  const execArgv = ['--import', 'tsx']
  const peer = fork(`${folder}peer.ts`, [JSON.stringify(script)], { execArgv })
  const [{ port }] = (await once(peer, 'message')) as [{ port: number }]
  const order: StoreOrder = { variant, port, count }
  const worker = fork(`${folder}store-worker.ts`, [JSON.stringify(order)], { execArgv })
  let rate = Number.NaN
  worker.on('message', (message) => {
    rate = Number(message)
  })
  const slow = setTimeout(() => worker.kill('SIGKILL'), 120_000)
  const [code] = (await once(worker, 'exit')) as [number | null]
  clearTimeout(slow)
  peer.kill()
  if (code !== 0) throw new Error(`${variant}: the client process ended with ${code ?? 'a kill after 120 s'}`)
  return rate
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

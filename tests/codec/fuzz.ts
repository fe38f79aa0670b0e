import { parseArgs } from 'node:util'
import { fuzz } from './fuzzer.ts'

/** `npm run fuzz -- --minutes N [--seed S]`: rounds of 20,000 inputs, each from a seed of its own, until the time is up. */

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } },
})
const ROUND = 20_000
const end = performance.now() + Number(values.minutes) * 60_000
let seed = Number(values.seed ?? Date.now() % 1_000_000_000)
const totals = { rounds: 0, inputs: 0, bytes: 0, packets: 0, refused: 0 }
const faults = new Set<string>()

console.log(`first seed ${seed}`)
while (performance.now() < end) {
  const result = fuzz(seed++, (inputs) => inputs < ROUND && performance.now() < end)
  totals.rounds++
  totals.inputs += result.inputs
  totals.bytes += result.bytes
  totals.packets += result.packets
  totals.refused += result.refused
  for (const fault of result.faults) faults.add(fault)
}
console.log(totals, `${faults.size} kinds of faults`)

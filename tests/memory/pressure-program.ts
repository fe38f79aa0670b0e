/**
 * One side much faster than the other, and the heap at its fullest, in bytes: `node --expose-gc ... KIND TIMES`. The peer is the
 * bench's, in a process of its own.
 *
 * - `publish0`, `publish1`: a plain loop of publications that waits for `drained()` where it is told to;
 * - `slow0`, `slow1`, `slow2`: a flood of messages for a consumer that takes one per turn of the event loop, while another
 *   consumer of the same client gets its answers and pings come back.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client, type QoS } from 'mqtt-await'
import { ECHO_TOPIC, START_TOPIC, topics } from '../bench/wire.ts'

const [kind = '', times] = [process.argv[2], Number(process.argv[3])]
const qos = Number(kind.at(-1)) as QoS
const script = { form: { version: 5, qos, withProperties: false }, payloadSize: 64, spread: topics.length }
const peer = fork(fileURLToPath(new URL('../bench/peer.ts', import.meta.url)), [JSON.stringify(script)], {
  execArgv: ['--import', 'tsx'],
})
const [{ port }] = (await once(peer, 'message')) as [{ port: number }]
const client = new Client(`mqtt://127.0.0.1:${port}`, { reconnect: false, receiveMaximum: 5000 })
// The peer keeps to a window of 4,000 of its own.
await client.connect()

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function heap(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Collecting takes longer than anything that is watched here. */
const LOOK_EVERY_MS = 100
let fullest = 0
let lookAt = 0
function look(): void {
  if (performance.now() < lookAt) return
  fullest = Math.max(fullest, heap())
  lookAt = performance.now() + LOOK_EVERY_MS
}

async function publish(count: number): Promise<Report> {
  for (let index = 0; index < count; index++) {
    client.publish(topics[index % topics.length] as string, 'x'.repeat(64), { qos })
    if (client.needsDrain) {
      // The moment at which most is waiting.
      look()
      await client.drained()
    }
  }
  look()
  await client.flush()
  return { done: count }
}

async function slow(count: number): Promise<Report> {
  const subscription = client.messages('bench/site/#', { qos, highWaterMark: 1000 })
  const answers = client.messages(ECHO_TOPIC)
  await Promise.all([subscription.ready, answers.ready])
  client.publish(START_TOPIC, String(count))
  const others = { answered: 0, pinged: 0 }
  let isOver = false
  const other = async (): Promise<void> => {
    const loop = answers[Symbol.asyncIterator]()
    while (!isOver) {
      client.publish(ECHO_TOPIC, 'still there?')
      await loop.next()
      others.answered++
      await client.ping()
      others.pinged++
      look()
    }
  }
  const running = other()
  let seen = 0
  for await (const _ of subscription) {
    seen++
    await turn()
    if (seen + subscription.dropped === count) break
  }
  isOver = true
  await running
  return { done: seen, dropped: subscription.dropped, ...others }
}

interface Report {
  readonly done: number
  readonly dropped?: number
  readonly answered?: number
  readonly pinged?: number
}

const work = kind.startsWith('publish') ? publish : slow
if (!/^(publish|slow)[012]$/.test(kind)) throw new Error(`no such kind: ${kind}`)
if (work === publish) await work(times / 100)
fullest = lookAt = 0
for (let pass = 0; pass < 5; pass++) await turn()
const before = heap()
const report = await work(times)
await client.disconnect()
peer.kill()
console.log(JSON.stringify({ growth: fullest - before, lost: client.stats.connectionsLost, ...report }))

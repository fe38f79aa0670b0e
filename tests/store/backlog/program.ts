/*
 * Queues numbered messages without a connection, or delivers them, in a process whose heap is bounded by whoever starts it.
 *
 *     program queue URL STORE COUNT      publishes, says "stored" when all are, and waits to be killed
 *     program deliver URL STORE          connects, and sends what is in the store
 *     program both URL STORE COUNT       the one after the other
 *     program rush URL STORE COUNT       as "both", published in one loop that does not yield once the store is open
 *
 * The last line is a report as JSON.
 */
import { Client } from 'mqtt-await'
import { levelStore } from 'mqtt-await/store'

const [mode, url = '', place = '', count = '0'] = process.argv.slice(2)
const AT_ONCE = 1000

const client = new Client(url, {
  clientId: 'backlog',
  store: levelStore(place),
  reconnect: { minDelayMs: 1, maxDelayMs: 20, initial: true },
})
client.on('error', (error) => {
  console.error(error)
  process.exit(1)
})

let peakHeap = 0
let peakResident = 0
const watch = setInterval(() => {
  const { heapUsed, rss } = process.memoryUsage()
  peakHeap = Math.max(peakHeap, heapUsed)
  peakResident = Math.max(peakResident, rss)
}, 20)

const start = performance.now()
let queuedMs = 0
if (mode !== 'deliver') {
  for (let n = 0; n < Number(count); n++) {
    const publication = client.publish(`backlog/${n % 100}`, `${n} ${'x'.repeat(50)}`, {
      qos: n % 2 === 0 ? 1 : 2,
    })
    if (mode === 'rush' ? n === 0 : n % AT_ONCE === AT_ONCE - 1) await publication.stored
  }
  await client.publish('backlog/end', String(count), { qos: 1 }).stored
  queuedMs = performance.now() - start
}
if (mode === 'queue') {
  report()
  process.stdout.write('stored\n')
  setInterval(() => {}, 1000)
} else {
  await client.connect()
  const connectedMs = performance.now() - start - queuedMs
  await client.flush()
  report({ connectedMs, deliveredMs: performance.now() - start - queuedMs - connectedMs })
  await client.disconnect()
}

function report(more: object = {}): void {
  clearInterval(watch)
  const mebibytes = (bytes: number): number => Math.round(bytes / 1_048_576)
  const memory = { peakHeapMiB: mebibytes(peakHeap), peakResidentMiB: mebibytes(peakResident) }
  const { queuedMessages } = client.stats
  process.stdout.write(`${JSON.stringify({ mode, queuedMs, ...more, ...memory, queuedMessages })}\n`)
}

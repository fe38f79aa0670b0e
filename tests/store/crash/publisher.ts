/*
 * Publishes numbered messages until it is killed, and records each one whose `stored` has resolved.
 *
 *     publisher URL STORE RECORD ROUND          QoS 1 to crash/1, QoS 2 to crash/2: "ROUND.NUMBER"
 *     publisher URL STORE RECORD ROUND drain    sends what is left of earlier rounds, then "end" to both, and ends
 */
import { openSync, writeSync } from 'node:fs'
import { Client, type Publication } from 'mqtt-await'
import { levelStore } from 'mqtt-await/store'

const [url = '', place = '', record = '', round = '', mode] = process.argv.slice(2)
const client = new Client(url, {
  clientId: 'crash-publisher',
  store: levelStore(place),
  // Most of what waits does so in the store alone.
  queue: { memoryMessages: 100 },
  reconnect: { minDelayMs: 1, maxDelayMs: 20, initial: true },
})
client.on('error', (error) => {
  console.error(error)
  process.exit(1)
})
// A write is in the hands of the kernel when it returns: kill -9 does not take it back.
const file = openSync(record, 'a')
process.stdout.write('started\n')
await client.connect()
process.stdout.write('connected\n')

if (mode === 'drain') {
  await client.flush()
  await Promise.all([1, 2].map((qos) => client.publish(`crash/${qos}`, 'end', { qos: qos as 1 | 2 }).acked))
  await client.disconnect()
} else {
  const outstanding = new Set<Publication>()
  for (let n = 0; ; n++) {
    const qos = n % 2 === 0 ? 1 : 2
    const publication = client.publish(`crash/${qos}`, `${round}.${n}`, { qos })
    outstanding.add(publication)
    const settled = publication.acked.then(
      () => outstanding.delete(publication),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
    publication.stored.then(() => writeSync(file, `${qos} ${round}.${n}\n`))
    // Far more than the window: kills find messages in every stage, most of them never sent.
    if (outstanding.size >= 300) await settled
    else if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

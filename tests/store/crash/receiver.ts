/*
 * Receives QoS 2 messages in a loop, does some work for each, and records what it has begun and finished, until it is killed.
 *
 *     receiver URL STORE RECORD      ends by itself at a message "end"
 */
import { openSync, writeSync } from 'node:fs'
import { Client } from 'mqtt-await'
import { levelStore } from 'mqtt-await/store'

const [url = '', place = '', record = ''] = process.argv.slice(2)
const client = new Client(url, {
  clientId: 'crash-receiver',
  store: levelStore(place),
  reconnect: { minDelayMs: 1, maxDelayMs: 20, initial: true },
})
client.on('error', (error) => {
  console.error(error)
  process.exit(1)
})
const file = openSync(record, 'a')
process.stdout.write('started\n')
const subscription = client.messages('crash/work', { qos: 2 })
await client.connect()
await subscription.ready
process.stdout.write('subscribed\n')
for await (const message of subscription) {
  const text = message.text()
  writeSync(file, `begun ${text}\n`)
  // Work that takes its time, now and then in another turn.
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
  writeSync(file, `finished ${text}\n`)
  if (text === 'end') break
}
await client.disconnect()

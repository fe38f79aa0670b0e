/**
 * Prints every message of the filters on the command line until Ctrl-C, through every loss of the connection.
 *
 *     npx tsx examples/subscriber.ts 'sensors/#' '$SYS/#'
 */
import { Client } from 'mqtt-await'

const filters = process.argv.slice(2)
const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883', {
  protocolVersion: process.env['MQTT_VERSION'] === '4' ? 4 : 5,
})
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

await client.connect()
const messages = client.messages(filters.length === 0 ? '#' : filters, { qos: 1 })
// Ends the loop, as if it had been left.
stop.signal.addEventListener('abort', () => void messages.close())

for await (const message of messages) {
  console.log(`${message.topic} ${message.text()}`)
}
await client.disconnect()

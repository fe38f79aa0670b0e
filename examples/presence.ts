/**
 * Who is there? Each member keeps a retained "online" on a topic of its own, and leaves a will that the broker publishes when it
 * dies without a word.
 *
 *     npx tsx examples/presence.ts alice
 */
import { Client } from 'mqtt-await'

const name = process.argv[2] ?? 'alice'
const topic = `presence/${name}`
const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883', {
  keepAlive: 10,
  will: { topic, payload: 'gone without a word', qos: 1, retain: true },
})
// After every reconnect too: the broker may have published the will meanwhile.
client.on('connect', () => client.publish(topic, 'online', { qos: 1, retain: true }))
await client.connect()

const everybody = client.messages('presence/+', { qos: 1 })
process.once('SIGTERM', () => void everybody.close())
for await (const message of everybody) {
  console.log(`${message.params[0]}: ${message.text()}`)
}

await client.publish(topic, 'offline', { qos: 1, retain: true }).acked
await client.disconnect()

/**
 * Connect, publish, and read what comes, in a dozen lines.
 *
 *     MQTT_URL=mqtt://localhost:1883 npx tsx examples/quick-start.ts
 */
import { Client } from 'mqtt-await'

const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883')
await client.connect()

const messages = client.messages('sensors/#', { qos: 1 })
await messages.ready

await client.publish('sensors/kitchen/temp', '21.5', { qos: 1 }).acked

for await (const message of messages) {
  console.log(message.topic, message.text())
  // A program that stays would go on here; leaving the loop unsubscribes.
  break
}

await client.disconnect()

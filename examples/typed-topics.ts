/** Topics with named levels and a schema: what is published is typed, and what arrives is checked before the loop sees it. */
import { Client, topic } from 'mqtt-await'
import * as z from 'zod'

const temperature = topic('site/{site}/temp/{sensor}', z.object({ celsius: z.number().min(-90).max(60) }))

await using client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883')
await client.connect()
client.on('dropped', ({ reason }) => console.log(`dropped: ${reason}`))
const readings = client.messages(temperature, { qos: 1 })

temperature.publish(client, { site: 'north', sensor: 'door' }, { celsius: 18.5 }, { qos: 1 })
// A program without types, somewhere else, sends nonsense:
client.publish('site/north/temp/roof', '{"celsius":"hot"}', { qos: 1 })
temperature.publish(client, { site: 'south', sensor: 'roof' }, { celsius: 31 }, { qos: 1 })

for (const { params, value } of await readings.take(2)) {
  console.log(`${params.site}, ${params.sensor}: ${value.celsius} °C`)
}

/**
 * A publisher that knows what became of each message: wait for one, for many, or for everything so far.
 */
import { Client, PublishError } from 'mqtt-await'

const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883')
await client.connect()

// One, and the next only when the broker has it.
const { reasonCode } = await client.publish('orders/1', 'first', { qos: 1 }).acked
console.log(`orders/1 accepted with reason code ${reasonCode}`)

// Many at once; each promise is its own message's.
const publications = Array.from({ length: 100 }, (_, index) =>
  client.publish(`orders/${index}`, JSON.stringify({ index }), { qos: 2 }),
)
const outcomes = await Promise.allSettled(publications.map((publication) => publication.acked))
const refused = outcomes.filter((one) => one.status === 'rejected' && one.reason instanceof PublishError)
console.log(`${outcomes.length - refused.length} of ${outcomes.length} accepted`)

// Or publish without looking, and wait once.
for (let index = 0; index < 1000; index++) {
  client.publish('orders/log', String(index), { qos: 1 })
  // More than this would only fill memory: wait until there is room.
  if (client.needsDrain) await client.drained()
}
await client.flush()
console.log('all 1,000 acknowledged')

await client.disconnect()

/**
 * A consumer that is slower than the flood. QoS 1 loses nothing: a message is acknowledged when the loop is done with it, and the server
 * stops at what is unacknowledged (`receiveMaximum`). QoS 0 keeps what the queue holds and counts the rest. Meanwhile the
 * connection stays alive.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'mqtt-await'

const url = process.env['MQTT_URL'] ?? 'mqtt://localhost:1883'
await using consumer = new Client(url)
await consumer.connect()
const orders = consumer.messages('orders', { qos: 1 })
const ticks = consumer.messages('ticks', { highWaterMark: 5, overflow: 'drop-oldest' })
await Promise.all([orders.ready, ticks.ready])

await using producer = new Client(url)
await producer.connect()
for (let n = 1; n <= 200; n++) {
  producer.publish('orders', String(n), { qos: 1 })
  producer.publish('ticks', String(n))
}
await producer.flush()

let last = 0
for await (const order of orders) {
  if (Number(order.text()) !== last + 1) console.log(`order ${last + 1} is missing`)
  last = Number(order.text())
  await delay(1)
  if (last === 200) break
}
console.log(`orders: all ${last} in their order, the connection lost ${consumer.stats.connectionsLost} times`)
const kept = await ticks.take(ticks.queued)
console.log(`ticks: kept ${kept.map((tick) => tick.text()).join(' ')}, dropped ${ticks.dropped}`)

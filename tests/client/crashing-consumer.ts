/** A program whose loop body throws at the third message: `URL QOS HOW`. Nothing catches it, so the process ends. */
import { setTimeout as delay } from 'node:timers/promises'
import { Client, type QoS } from 'mqtt-await'

const [url = '', qos, how] = process.argv.slice(2)
const client = new Client(url, { clientId: 'crashing', cleanStart: false, sessionExpiryInterval: 600 })
const subscription = client.messages('work', { qos: Number(qos) as QoS })
await client.connect()
await subscription.ready
console.log('ready')
let seen = 0
for await (const message of subscription) {
  console.log(`begun ${message.text()}`)
  if (++seen === 3) {
    // What was acknowledged before has left: the crash alone decides about the third.
    await delay(100)
    if (how === 'exit') process.exit(3)
    throw new Error('the body has a bug')
  }
}

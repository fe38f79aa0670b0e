/**
 * A session that survives the process: kill this program with kill -9 and start it again. What `stored` has resolved for
 * is sent, QoS 2 arrives once, and a message whose loop body was not finished comes again.
 */
import { Client } from 'mqtt-await'
import { levelStore } from 'mqtt-await/store'

const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883', {
  clientId: 'durable-session',
  // One directory per client. "disk" survives power loss as well, and costs an fsync per group of messages.
  store: levelStore(process.argv[2] ?? 'durable-session.store', { durability: 'process' }),
})
client.on('error', (error) => console.error(error.message))

// Before connect(): what a kept session delivers at once finds its loop.
const work = client.messages('durable/work', { qos: 2 })
const { sessionPresent } = await client.connect()
console.log(sessionPresent ? 'going on with the session of the last process' : 'a new session')
await work.ready

const publication = client.publish('durable/work', 'measured 21.5', { qos: 2 })
await publication.stored
console.log('stored: from here on no crash of this process loses it')

for await (const message of work) {
  console.log(`working on ${message.text()}`)
  // Asking for the next message says that this one is finished, and stores that.
  break
}
await publication.acked
await client.disconnect()
console.log('done')

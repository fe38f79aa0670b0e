/**
 * What a program sees of a connection that comes and goes: the client's states as a stream, with their cause. Publishing goes on
 * meanwhile: what cannot be sent waits, and is acknowledged later.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'mqtt-await'

const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883', {
  clientId: 'watchful-publisher',
  cleanStart: false,
  sessionExpiryInterval: 3600,
  reconnect: { minDelayMs: 100, maxDelayMs: 5000 },
})

const watching = (async () => {
  for await (const { state, cause } of client.states()) {
    console.log(cause === undefined ? `state: ${state}` : `state: ${state} (${cause.message})`)
  }
})()

await client.connect()
for (let beat = 1; beat <= 20; beat++) {
  const publication = client.publish('heartbeat', String(beat), { qos: 1 })
  void publication.acked.then(() => console.log(`heartbeat ${beat} acknowledged`))
  await delay(50)
}
await client.flush()
await client.disconnect()
// The stream of states ends with the client.
await watching

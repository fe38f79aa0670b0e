/**
 * A worker that may be stopped at any time: on SIGTERM it takes no more work, finishes what it has, waits for the broker to have it
 * all, says goodbye, and the process ends by itself.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'mqtt-await'

const client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883', { clientId: 'graceful-worker' })
await client.connect()

const jobs = client.messages('jobs/#', { qos: 1 })
process.once('SIGTERM', () => {
  console.log('SIGTERM: finishing')
  void jobs.close()
})
await jobs.ready
console.log('ready')

let done = 0
for await (const job of jobs) {
  // The message is acknowledged when the loop asks for the next one: what is under way when the process dies comes again.
  await delay(20)
  client.publish('results', `${job.text()} done`, { qos: 1 })
  done++
}

const left = await client.disconnect({ timeoutMs: 5000 })
console.log(`${done} jobs done, ${left.queuedMessages + left.inFlight} results left behind`)

/**
 * One worker of a pool: start as many as you like, on as many machines as you like, each with a name of its own. They share the
 * jobs through a shared subscription. Kill one with SIGKILL: another takes over its session, and so gets what it had
 * not acknowledged. (Few servers give that to the group by themselves; Mosquitto does not.)
 *
 *     npx tsx examples/worker-pool.ts alice
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'mqtt-await'

const url = process.env['MQTT_URL'] ?? 'mqtt://localhost:1883'
const self = process.argv[2] ?? `worker-${process.pid}`
const members = new Set<string>()
const clients: Client[] = []

/** Works as this member: as ourselves, or in the place of one that has died, until it comes back and takes its session. */
async function workAs(name: string): Promise<Client> {
  const client = new Client(url, {
    clientId: `pool-${name}`,
    cleanStart: false,
    sessionExpiryInterval: 3_600,
    reconnect: name === self ? {} : false,
    will: { topic: `pool/${name}`, payload: 'died', qos: 1, retain: true },
  })
  clients.push(client)
  client.handle(
    'jobs/+',
    async (job) => {
      await delay(Number(job.text()))
      console.log(`${self} did ${job.params[0]}${name === self ? '' : ` for ${name}`}`)
    },
    { share: 'pool', concurrency: 4 },
  )
  await client.connect()
  const state = name === self ? 'up' : `taken over by ${self}`
  await client.publish(`pool/${name}`, state, { qos: 1, retain: true }).acked
  return client
}

const client = await workAs(self)
client.handle('pool/+', async (message) => {
  const name = message.params[0] ?? ''
  if (message.text() === 'up') members.add(name)
  else members.delete(name)
  // Everybody knows who is there, so everybody agrees who acts: the first in the alphabet.
  if (message.text() === 'died' && [...members].sort()[0] === self) await workAs(name)
})
console.log(`${self} is ready`)

process.once('SIGTERM', async () => {
  // What has been received and not begun stays in the session, for whoever takes it over.
  await client.publish(`pool/${self}`, 'died', { qos: 1, retain: true }).acked
  await Promise.all(clients.map((each) => each.disconnect()))
})

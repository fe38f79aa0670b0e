/**
 * Does one thing many times and prints the heap before and after, in bytes: `node --expose-gc ... KIND TIMES`. The peer is the
 * bench's, in a process of its own.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from 'mqtt-await'
import { START_TOPIC, topics } from '../bench/wire.ts'
import { heap } from './heap.ts'

const [kind, times] = [process.argv[2], Number(process.argv[3])]
const script = { form: { version: 5, qos: 1, withProperties: true }, payloadSize: 64, spread: topics.length }
const peer = fork(fileURLToPath(new URL('../bench/peer.ts', import.meta.url)), [JSON.stringify(script)], {
  execArgv: ['--import', 'tsx'],
})
const [{ port }] = (await once(peer, 'message')) as [{ port: number }]
const url = `mqtt://127.0.0.1:${port}`

/** Publishes at each QoS, and looks at every promise. */
async function publish(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const qos = (index % 3) as 0 | 1 | 2
    const publication = client.publish(topics[index % topics.length] as string, 'x'.repeat(64), {
      qos,
      contentType: 'text/plain',
    })
    void publication.acked
    if (client.needsDrain) await client.drained()
  }
  await client.flush()
}

async function receive(count: number): Promise<void> {
  const subscription = client.messages('bench/#', { qos: 1 })
  await subscription.ready
  client.publish(START_TOPIC, String(count))
  let received = 0
  for await (const message of subscription) {
    if (message.properties?.contentType === undefined)
      throw new Error('a message came without its properties')
    if (++received === count) break
  }
}

async function reconnect(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const again = new Promise((resolve) => client.once('connect', resolve))
    // The peer ends the connection when it gets a DISCONNECT; a second client's is of no use, so the socket is cut.
    for (const socket of sockets()) socket.destroy()
    await again
  }
}

/** Cuts with publications of QoS 1 and 2 at every stage of their exchange, all of which are seen through. */
async function chaos(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const acked = Array.from(
      { length: 20 },
      (_, at) => client.publish(topics[at] as string, 'x'.repeat(64), { qos: at % 2 === 0 ? 1 : 2 }).acked,
    )
    // Between none and all of the answers have been read by then.
    for (let turn = 0; turn < index % 8; turn++) await new Promise((resolve) => setImmediate(resolve))
    for (const socket of sockets()) socket.destroy()
    await Promise.all(acked)
  }
}

async function subscribe(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const subscription = client.messages(`bench/${index}/#`, { qos: 1 })
    await subscription.ready
    await subscription.close()
  }
}

/** The process's TCP connections: there is one. */
function sockets(): readonly { destroy(): void }[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): readonly object[] }
  return handles
    .call(process)
    .filter(
      (one): one is { destroy(): void } =>
        one.constructor.name === 'Socket' && 'remotePort' in one && one.remotePort === port,
    )
}

const client = new Client(url, { clientId: 'growth', reconnect: () => 0, onSessionLost: 'republish' })
await client.connect()
const work = { publish, receive, reconnect, chaos, subscribe }[kind ?? '']
if (work === undefined) throw new Error(`no such kind: ${kind}`)
await work(Math.ceil(times / 10))
const before = await heap()
await work(times)
const after = await heap()
await client.disconnect()
peer.kill()
console.log(JSON.stringify({ before, after }))

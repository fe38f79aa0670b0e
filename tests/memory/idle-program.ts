/**
 * Makes many clients that do nothing and prints what each of them holds, in bytes of heap: `node --expose-gc ... KIND TIMES`.
 *
 * - `connected`: each has its connection, and the socket of Node is counted in;
 * - `subscribed`: each waits for messages, too.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from 'mqtt-await'
import { heap } from './heap.ts'

const [kind, times] = [process.argv[2], Number(process.argv[3])]
const server = fork(fileURLToPath(new URL('./accepting-server.ts', import.meta.url)), [], {
  execArgv: ['--import', 'tsx'],
})
const [ports] = (await once(server, 'message')) as [{ tcp: number }]

async function open(): Promise<unknown> {
  const client = new Client(`mqtt://127.0.0.1:${ports.tcp}`)
  await client.connect()
  if (kind !== 'subscribed') return client
  const messages = client.messages('commands/all')
  const next = messages[Symbol.asyncIterator]().next()
  await messages.ready
  return [client, next]
}

const opened: unknown[] = []
const openMany = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index++) opened.push(await open())
}
// Until the code is compiled for good: that is memory, too.
await openMany(times)
const before = await heap()
await openMany(times)
const perClient = ((await heap()) - before) / times
server.disconnect()
console.log(JSON.stringify({ perClient }))
process.exit()

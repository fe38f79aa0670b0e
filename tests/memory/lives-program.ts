/**
 * Makes many connections one after the other and prints what they have left behind: `node --expose-gc ... KIND TIMES`.
 *
 * - `tcp`, `ws`: whole lives of clients: connect, subscribe, publish, disconnect;
 * - `close`: the same over TCP, ended by `close()`;
 * - `abort`: one client whose `connect()` is given up while it opens, or waits for CONNACK.
 */
import { fork } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from 'mqtt-await'
import { heap } from './heap.ts'

const [kind = '', times] = [process.argv[2], Number(process.argv[3])]
const server = fork(fileURLToPath(new URL('./accepting-server.ts', import.meta.url)), [], {
  execArgv: ['--import', 'tsx'],
})
const [ports] = (await once(server, 'message')) as [Record<'tcp' | 'ws' | 'silent', number>]
/** One signal for all: what listens to it and is not needed any more would pile up. */
const { signal } = new AbortController()

async function life(url: string, end: 'disconnect' | 'close'): Promise<void> {
  const client = new Client(url)
  await client.connect({ signal })
  const messages = client.messages('a/#', { signal })
  await messages.ready
  await client.publish('a', 'b', { qos: 1, signal }).acked
  await client[end]()
  await client.closed
}

const aborted = new Client(`mqtt://127.0.0.1:${ports.silent}`)
async function abort(turns: number): Promise<void> {
  const controller = new AbortController()
  const connecting = aborted.connect({ signal: controller.signal })
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new Error('enough'))
  await connecting.then(
    () => Promise.reject(new Error('connected to a server that does not answer')),
    () => {},
  )
}

const lives: Readonly<Record<string, (index: number) => Promise<void>>> = {
  tcp: () => life(`mqtt://127.0.0.1:${ports.tcp}`, 'disconnect'),
  ws: () => life(`ws://127.0.0.1:${ports.ws}`, 'disconnect'),
  close: () => life(`mqtt://127.0.0.1:${ports.tcp}`, 'close'),
  abort: (index) => abort(index % 20),
}

/** What keeps the process alive: sockets, timers. Those that were closed a moment ago go with a turn of the event loop. */
async function resources(): Promise<readonly string[]> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  return process.getActiveResourcesInfo()
}

const listeners = (): number =>
  getEventListeners(signal, 'abort').length +
  process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)

const run = lives[kind]
if (run === undefined) throw new Error(`no such kind: ${kind}`)
for (let index = 0; index < times / 10; index++) await run(index)
const before = { heap: await heap(), resources: await resources(), listeners: listeners() }
for (let index = 0; index < times; index++) await run(index)
const after = { heap: await heap(), resources: await resources(), listeners: listeners() }
await aborted.close()
server.disconnect()
console.log(JSON.stringify({ before, after }))

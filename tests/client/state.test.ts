import { readFileSync } from 'node:fs'
import { CLIENT_TRANSITIONS, Client, type ClientOptions, type ClientState, clientDiagram } from 'mqtt-await'
import { expect, test } from 'vitest'
import { acceptAll, ScriptedServer, TestClock } from './scripted-server.ts'

interface Life {
  readonly client: Client
  readonly server: ScriptedServer
  readonly clock: TestClock
}

const connected = async ({ client }: Life): Promise<void> => void (await client.connect())

const lost = async (life: Life): Promise<void> => {
  await connected(life)
  life.server.hang = true
  life.server.last.cut()
  await life.clock.settle()
}

/** One life for each line of the table, told by the state that it ends with a line of. */
const lives: Readonly<
  Record<string, readonly [options: ClientOptions, live: (life: Life) => Promise<void>]>
> = {
  'closed before it began': [{}, async () => {}],
  'closed while it connects': [
    {},
    async ({ client, server, clock }) => {
      server.hang = true
      client.connect().catch(() => {})
      await clock.settle()
    },
  ],
  'given up, then connected, and closed': [
    {},
    async (life) => {
      life.server.refuse = new Error('not there')
      await life.client.connect().catch(() => {})
      life.server.refuse = undefined
      await connected(life)
    },
  ],
  'lost, back, and disconnected': [
    {},
    async (life) => {
      await connected(life)
      life.server.last.cut()
      await life.clock.pass(5_000)
      await life.client.disconnect()
    },
  ],
  'closed while it reconnects': [{}, lost],
  'closed while it disconnects': [
    {},
    async (life) => {
      life.server.answer = (packet, connection) => {
        if (packet.type !== 'publish') acceptAll(packet, connection)
      }
      await connected(life)
      life.client.publish('a', 'b', { qos: 1 }).acked.catch(() => {})
      void life.client.disconnect()
      await life.clock.settle()
    },
  ],
  'suspended, and closed': [
    { reconnect: 'manual' },
    async (life) => {
      await connected(life)
      life.server.last.cut()
      await life.clock.settle()
    },
  ],
}

test('a client goes through every line of its table, and through nothing else', async () => {
  const lines = new Set<string>()
  for (const [name, [options, live]] of Object.entries(lives)) {
    const server = new ScriptedServer()
    const clock = new TestClock()
    const client = new Client(
      { transport: server.transport, clientId: 'me', keepAlive: 0, ...options },
      undefined,
      clock,
    )
    let last: ClientState = client.state
    client.on('state', ({ state, previous }) => {
      expect(previous, name).toBe(last)
      expect(Object.values(CLIENT_TRANSITIONS[previous]), name).toContain(state)
      last = state
      lines.add(`${previous} --> ${state}`)
    })
    await live({ client, server, clock })
    await client.close()
    expect(client.state, name).toBe('closed')
    expect(clock.virtual.pending, name).toBe(0)
  }
  const table = Object.entries(CLIENT_TRANSITIONS).flatMap(([from, nexts]) =>
    Object.values(nexts).map((to) => `${from} --> ${to}`),
  )
  expect([...lines].sort()).toEqual(table.sort())
})

test('the diagram is drawn from the table, and the one in the README is it', () => {
  const diagram = clientDiagram()
  for (const [from, nexts] of Object.entries(CLIENT_TRANSITIONS)) {
    for (const [event, to] of Object.entries(nexts))
      expect(diagram).toContain(`${from} --> ${to}: ${event}\n`)
  }
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`mermaid\n${diagram}\n\`\`\``)
})

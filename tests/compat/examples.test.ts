import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { publish } from 'mqtt-await/compat'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { Mosquitto, mosquittoPath, startAedes } from '../support/brokers.ts'
import { Program } from '../support/program.ts'
import { buildPrograms } from './build-programs.ts'
import { NameServer } from './name-server.ts'

/** The examples of Paho's documentation, each run as a program of its own against a real broker. */

interface Broker {
  readonly port: number
  readonly webSocketPort: number
  close(): Promise<void>
}

interface Run {
  readonly program: Program
  /** Starts another example against the same broker. */
  start(name: string, ...parameters: string[]): Program
  say(topic: string, payload: string, retain?: boolean): Promise<void>
}

type Script = (run: Run) => Promise<unknown>

/** What to do with an example once it runs. Those that are not here are left to end by themselves. */
const scripts: Readonly<Record<string, Script>> = {
  getting_started: async ({ program }) => {
    await program.prints(/Connected with result code Success/)
    program.kill('SIGTERM')
  },
  subscriber: async ({ program, say }) => {
    await program.prints(/Broker granted the following QoS: 0/)
    for (let n = 0; n < 10; n++) await say('paho/test/topic', String(n))
    await program.prints(/unsubscribe succeeded/)
    await program.prints(/Received the following message: 0,1,2,3,4,5,6,7,8,9/)
  },
  publisher: ({ program }) => program.prints(/published 1 and 2/),
  client_logger: ({ program }) =>
    program.prints(/Sending SUBSCRIBE \(d0, m1\)[\s\S]*Received SUBACK[\s\S]*Sending DISCONNECT/),
  on_log: ({ program }) => program.prints(/log: Received CONNACK \(0, 0\)\nlog: Sending DISCONNECT/),
  client_sub: async ({ program, say }) => {
    await program.prints(/Subscribed: 1 Granted QoS 0/)
    await say('paho/x', 'hello')
    await program.prints(/paho\/x 0 hello/)
    program.kill('SIGTERM')
  },
  'client_sub-class': async ({ program, say }) => {
    await program.prints(/Subscribed: 1 Granted QoS 0/)
    await say('paho/x', 'hello')
    await program.prints(/paho\/x 0 hello/)
    program.kill('SIGINT')
    await program.prints(/rc: 7/)
  },
  'client_sub-multiple-callback': async ({ program, say }) => {
    // It says nothing of its own when it has subscribed: tell it until it hears.
    const hears = program.prints(/SPECIAL: paho\/1\/special/)
    let heard = false
    void hears.then(() => {
      heard = true
    })
    while (!heard) await say('paho/1/special', 'x')
    await say('paho/2/other', 'y')
    await program.prints(/paho\/2\/other 1 y/)
    program.kill('SIGTERM')
  },
  'client_sub-ws': async ({ program, say }) => {
    await program.prints(/Subscribed: 1 Granted QoS 0/)
    await say('paho/x', 'hello')
    await program.prints(/paho\/x 0 hello/)
    program.kill('SIGTERM')
  },
  'client_sub-srv': async ({ program, start }) => {
    await program.prints(/Connected to 127\.0\.0\.1:\d+: Success/)
    program.kill('SIGTERM')
    names.records = []
    await start('client_sub-srv', 'no.such.domain').prints(/no broker: No SRV records for no\.such\.domain/)
  },
  client_sub_opts: async ({ program, say }) => {
    await program.prints(/Subscribed: 1 Granted QoS 0/)
    await say('paho/x', 'hello')
    await program.prints(/paho\/x 0 hello/)
    program.kill('SIGTERM')
  },
  client_pub_opts: ({ program }) => program.prints(/mid: 1[\s\S]*mid: 2/),
  'client_pub-wait': ({ program }) => program.prints(/tuple\n0 1\nclass\n[\s\S]*published: true/),
  server_rpc_math: async ({ program, start }) => {
    await program.prints(/Connected: false Success/)
    const client = start('client_rpc_math', 'add', '1', '2', '39')
    await client.prints(/result: 42/)
    expect(await client.ended).toBe(0)
    program.kill('SIGTERM')
  },
  client_session_present: ({ program }) => program.prints(/first connection: false\nsecond connection: true/),
  client_mqtt_clear_retain: async ({ program, say, start }) => {
    await say('paho/retained/1', 'old', true)
    await program.prints(/done/)
    const again = start('client_mqtt_clear_retain')
    await again.prints(/done/)
    expect(again.output).not.toContain('clearing paho/retained/1 (old)\nclearing')
    await start('client_mqtt_clear_retain').prints(/^done/)
  },
  loop_select: ({ program }) =>
    program.prints(
      /connected: Success\ngot message 1\ngot message 2\ngot message 3\ndisconnected: Normal disconnection/,
    ),
  loop_asyncio: ({ program }) =>
    program.prints(
      /Subscribing\n(Publishing\nGot response with 200000 bytes\n){3}[\s\S]*Disconnected: Normal disconnection\n[\s\S]*Finished/,
    ),
  will: ({ program }) => program.prints(/paho\/will\/mortal: gone/),
  publish_single: ({ program }) => program.prints(/published/),
  publish_multiple: ({ program }) => program.prints(/published/),
  'publish_utf8-3': ({ program }) => program.prints(/published/),
  subscribe_simple: async ({ program, say }) => {
    await say('paho/simple/1', 'one', true)
    await say('paho/simple/2', 'two', true)
    await program.prints(
      /paho\/simple\/\d \w+\n[\s\S]*paho\/simple\/1 one[\s\S]*paho\/simple\/2 two|paho\/simple\/2 two[\s\S]*paho\/simple\/1 one/,
    )
  },
  subscribe_callback: async ({ program, say }) => {
    let ended = false
    void program.ended.then(() => {
      ended = true
    })
    while (!ended) await say('paho/test/callback', 'x')
    expect(program.output).toContain('done')
  },
}

const parameters: Readonly<Record<string, readonly string[]>> = {
  'client_sub-srv': ['example.test'],
  client_pub_opts: ['-N', '2', '-q', '2'],
}

/** Run by others, or not programs. */
const notAlone = new Set(['context', 'client_rpc_math'])

const examples = readdirSync(new URL('../../examples/compat', import.meta.url))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -'.ts'.length))
  .filter((name) => !notAlone.has(name))

const brokers: Readonly<Record<string, () => Promise<Broker>>> = {
  aedes: async () => {
    const { port, broker, close } = await startAedes()
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'mqtt' })
    server.on('connection', (socket) => {
      broker.handle(createWebSocketStream(socket).on('error', () => undefined))
    })
    await once(server, 'listening')
    const end = async (): Promise<void> => {
      server.close()
      for (const socket of server.clients) socket.terminate()
      await close()
    }
    return { port, webSocketPort: (server.address() as AddressInfo).port, close: end }
  },
  Mosquitto: async () => {
    const mosquitto = await Mosquitto.start({ listeners: ['tcp', 'ws'] })
    return {
      port: mosquitto.port('tcp'),
      webSocketPort: mosquitto.port('ws'),
      close: () => mosquitto.dispose(),
    }
  },
}

let directory: string
let names: NameServer

beforeAll(async () => {
  names = await NameServer.listen()
  directory = await buildPrograms(
    [...examples, 'client_rpc_math'].map((name) => `examples/compat/${name}.ts`),
  )
})

afterAll(() => {
  names.close()
  rmSync(directory, { recursive: true, force: true })
})

test('every example has its script', () => {
  expect(examples.filter((name) => scripts[name] === undefined)).toEqual([])
})

describe.each(Object.keys(brokers))('examples against %s', (brokerName) => {
  const running: Program[] = []
  let broker: Broker | undefined
  const isThere = brokerName !== 'Mosquitto' || mosquittoPath !== undefined

  beforeAll(async () => {
    if (isThere) broker = await brokers[brokerName]?.()
  })

  afterEach(() => {
    for (const program of running.splice(0)) program.kill()
  })

  afterAll(async () => {
    await broker?.close()
  })

  test.skipIf(!isThere).each(examples)('%s', { timeout: 60_000 }, async (name) => {
    const { port = 0, webSocketPort = 0 } = broker ?? {}
    const asksUs = [
      '--import',
      `data:text/javascript,import dns from 'dns';dns.setServers(['127.0.0.1:${names.port}'])`,
    ]
    const start = (example: string, ...more: string[]): Program => {
      const environment = {
        MQTT_HOST: '127.0.0.1',
        MQTT_PORT: String(example === 'client_sub-ws' ? webSocketPort : port),
      }
      const program = new Program(join(directory, `${example}.mjs`), more, environment, asksUs)
      running.push(program)
      return program
    }
    names.records = [{ priority: 1, weight: 1, port, target: '127.0.0.1' }]
    const say = (topic: string, payload: string, retain = false): Promise<void> =>
      publish.single(topic, payload, 1, retain, { hostname: '127.0.0.1', port })
    const program = start(name, ...(parameters[name] ?? []))
    await scripts[name]?.({ program, start, say })
    expect([0, 'SIGTERM']).toContain(await program.ended)
    expect(program.errors).toBe('')
  })
})

import {
  Client,
  MQTTMessage,
  MQTTMessageInfo,
  MQTTv5,
  MQTTv311,
  PacketTypes,
  Properties,
  publish,
  ReasonCode,
  SubscribeOptions,
  subscribe,
} from 'mqtt-await/compat'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { NameServer } from './name-server.ts'
import { publish3, ScriptedPeer } from './scripted-peer.ts'

/**
 * Every function with optional parameters: how many it requires, the default of each of the others, and that each can be given by
 * position, by keyword in one trailing object, or as `undefined`. What a call does is looked at from outside: what the broker gets, what
 * the object shows.
 */

type Call = (...args: unknown[]) => unknown
/** Something to call, and what came of it: compared as JSON. */
type Probe = (call: (target: Call) => unknown) => unknown

interface Signature {
  readonly required: readonly unknown[]
  /** In order: name, default, and another value with another effect; `same` when it has none that can be seen here. */
  readonly optional: readonly (readonly [name: string, standard: unknown, other: unknown, same?: 'same'])[]
  readonly probe: Probe
  /** Nothing at all is as good as `null`. */
  readonly lenient?: true
}

const HOST = '127.0.0.1'
const CONNACK = '20020000'
const CONNACK_5 = '2003000000'
let peer: ScriptedPeer
let names: NameServer
const clients: Client[] = []

beforeAll(async () => {
  names = await NameServer.listen()
})

afterAll(() => {
  names.close()
})

beforeEach(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  peer = await ScriptedPeer.listen()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await peer.close()
})

function track(client: Client): Client {
  clients.push(client)
  return client
}

function five(): Client {
  return track(new Client(2, 'c', { protocol: MQTTv5 }))
}

/** A method of a client as something to call. */
function method(client: Client, name: keyof Client): Call {
  return (client[name] as Call).bind(client)
}

function userProperties(packetType: number): Properties {
  const properties = new Properties(packetType)
  properties.UserProperty = ['k', 'v']
  return properties
}

/** The CONNECT of a client, or the first line of what it says instead; and where it comes from. */
async function opened(client: Client, connected: boolean): Promise<unknown> {
  const opening = connected ? undefined : client.connect(HOST, peer.port)
  const connection = await peer.accept()
  if (client.transport === 'websockets') {
    opening?.catch(() => undefined)
    const request = await connection.text(/\r\n\r\n/)
    connection.destroy()
    return request.replace(/Sec-WebSocket-Key.*\r\n/i, '').replaceAll(String(peer.port), 'PORT')
  }
  await opening
  return [await connection.packet(), connection.remoteAddress]
}

/** What the client shows of itself. */
function shown(client: Client): unknown {
  const { host, keepalive, transport, protocol, callback_api_version, username, password, will_topic } =
    client
  return [
    [host, keepalive, transport, protocol, callback_api_version],
    [username, password, will_topic, String(client.will_payload), client.user_data_get()],
  ]
}

/** A setting: the CONNECT that follows from it. */
function setting(name: keyof Client, transport: 'tcp' | 'websockets' = 'tcp'): Probe {
  return async (call) => {
    const client = track(new Client(2, 'c', null, null, MQTTv5, transport))
    call(method(client, name))
    return [shown(client), await opened(client, false)]
  }
}

/** A request of a connected client: what the broker gets, and the result. */
function request(name: keyof Client): Probe {
  return async (call) => {
    const client = five()
    await client.connect(HOST, peer.port)
    const connection = await peer.accept()
    await connection.packet()
    connection.send(CONNACK_5)
    while (!client.is_connected()) await client.loop(0.05)
    const result = call(method(client, name))
    return [await connection.packet(), String(result)]
  }
}

/** A connecting function: what the broker gets, and how long the client takes no answer for one. */
function connecting(name: 'connect' | 'connect_async' | 'connect_srv'): Probe {
  return async (call) => {
    const client = five()
    const result = call(method(client, name))
    if (name === 'connect_async') client.loop_start()
    const [code, seen] = await Promise.all([result, opened(client, true)])
    return [code, shown(client), seen]
  }
}

/** A helper: what the broker gets in the first two packets. */
function helper(target: (...args: never[]) => Promise<unknown>): Probe {
  return async (call) => {
    const result = call(((...args: unknown[]) => target(...(args as never[]))) as Call) as Promise<unknown>
    const failed = result.then(() => Promise.reject(new Error('ended before it had begun')))
    const connection = await Promise.race([peer.accept(), failed])
    const greeting = await connection.anything()
    if (!greeting.startsWith('10')) {
      connection.destroy()
      // The first word: TLS has random numbers in what follows.
      const word = Buffer.from(greeting.slice(0, 6), 'hex').toString('latin1')
      return [word, await result.catch((error: Error) => error.name)]
    }
    connection.send(greeting.slice(16, 18) === '05' ? CONNACK_5 : CONNACK)
    const first = await connection.packet()
    if (first.startsWith('82')) {
      const empty = greeting.slice(16, 18) === '05' ? '00' : ''
      connection.send(`90${empty === '' ? '03' : '04'}${first.slice(4, 8)}${empty}00`)
      for (const [payload, flags] of [
        ['retained', 1],
        ['fresh', 0],
        ['fresh', 0],
      ] as const) {
        connection.send(empty === '' ? publish3('t', payload, 0, 0, flags) : publish5(payload, flags))
      }
    }
    // Its packet identifier follows the topic.
    if (first.startsWith('32')) connection.send(`4002${first.slice(10, 14)}`)
    const last = await connection.packet()
    const outcome = await result.catch((error: unknown) => String(error))
    const messages = outcome instanceof MQTTMessage ? [outcome] : Array.isArray(outcome) ? outcome : outcome
    const texts = Array.isArray(messages) ? messages.map((message) => String(message.payload)) : messages
    return [greeting, first, last, texts]
  }
}

/** PUBLISH of MQTT 5 at QoS 0. */
function publish5(payload: string, flags: number): string {
  const body = Buffer.from(`\0\x01t\0${payload}`)
  return Buffer.concat([Buffer.of(0x30 | flags, body.length), body]).toString('hex')
}

const will = { topic: 'w', payload: 'x', qos: 1, retain: true }
const port = (): number => peer.port
/** Values that depend on the peer are made when they are needed. */
function value(one: unknown): unknown {
  return one === port ? peer.port : one
}

/** For all helpers; the broker's place is always given. */
const connectionParameters: Signature['optional'] = [
  ['hostname', 'localhost', HOST, 'same'],
  ['port', port, port, 'same'],
  ['client_id', '', 'mine'],
  ['keepalive', 60, 30],
  ['will', null, will],
  ['auth', null, { username: 'u', password: 'p' }],
  ['tls', null, { insecure: true }],
  ['protocol', MQTTv311, MQTTv5],
  ['transport', 'tcp', 'websockets'],
]

const signatures: Readonly<Record<string, Signature>> = {
  'new Client': {
    required: [],
    optional: [
      ['callback_api_version', 1, 2],
      ['client_id', '', 'c'],
      ['clean_session', null, true, 'same'],
      ['userdata', null, 'mine'],
      ['protocol', MQTTv311, MQTTv5],
      ['transport', 'tcp', 'websockets'],
      ['reconnect_on_failure', true, false],
      ['manual_ack', false, true],
    ],
    probe: async (call) => {
      const client = track(call((...args) => new Client(...(args as []))) as Client)
      client.reconnect_delay_set(0.001)
      const seen = [shown(client)]
      if (client.transport !== 'tcp') return seen
      await client.connect(HOST, peer.port)
      const connection = await peer.accept()
      seen.push(await connection.packet())
      const again = new Promise<string>((resolve) => {
        client.on_pre_connect = () => {
          client.disconnect()
          resolve('again')
        }
      })
      const ended = client.loop_forever()
      const isFive = client.protocol === MQTTv5
      connection.send(isFive ? CONNACK_5 : CONNACK)
      // What the second one's callback publishes leaves after the acknowledgement of the first, if there is one.
      client.on_message = (_client, _userdata, message: MQTTMessage) => {
        if (message.mid === 10) client.publish('last')
      }
      for (const id of ['0009', '000a']) {
        connection.send(isFive ? `3207 0001 74 ${id} 00 78` : `3206 0001 74 ${id} 78`)
      }
      seen.push(await connection.packet())
      connection.destroy()
      seen.push(await Promise.race([ended.then(String), again]))
      return seen
    },
  },
  'Client.reinitialise': {
    required: [],
    optional: [
      ['client_id', '', 'c'],
      ['clean_session', true, null, 'same'],
      ['userdata', null, 'mine'],
    ],
    probe: async (call) => {
      const client = five()
      call(method(client, 'reinitialise'))
      return [shown(client), await opened(client, false)]
    },
  },
  'Client.connect': {
    required: [HOST],
    optional: [
      ['port', port, port, 'same'],
      ['keepalive', 60, 30],
      ['bind_address', '', '127.0.0.2'],
      ['bind_port', 0, 0, 'same'],
      ['clean_start', 3, false],
      ['properties', null, userProperties(PacketTypes.CONNECT)],
    ],
    probe: connecting('connect'),
  },
  'Client.connect_async': {
    required: [HOST],
    optional: [
      ['port', port, port, 'same'],
      ['keepalive', 60, 30],
      ['bind_address', '', '127.0.0.2'],
      ['bind_port', 0, 0, 'same'],
      ['clean_start', 3, false],
      ['properties', null, userProperties(PacketTypes.CONNECT)],
    ],
    probe: connecting('connect_async'),
  },
  'Client.connect_srv': {
    required: [],
    optional: [
      ['domain', 'example.test', 'example.test', 'same'],
      ['keepalive', 60, 30],
      ['bind_address', '', '127.0.0.2'],
      ['bind_port', 0, 0, 'same'],
      ['clean_start', 3, false],
      ['properties', null, userProperties(PacketTypes.CONNECT)],
    ],
    probe: (call) => {
      names.records = [{ priority: 1, weight: 1, port: peer.port, target: HOST }]
      return connecting('connect_srv')(call)
    },
  },
  'Client.disconnect': {
    required: [],
    optional: [
      ['reasoncode', null, new ReasonCode(PacketTypes.DISCONNECT, 'Disconnect with will message')],
      ['properties', null, userProperties(PacketTypes.DISCONNECT)],
    ],
    probe: request('disconnect'),
  },
  'Client.publish': {
    required: ['t'],
    optional: [
      ['payload', null, 'x'],
      ['qos', 0, 1],
      ['retain', false, true],
      ['properties', null, userProperties(PacketTypes.PUBLISH)],
    ],
    probe: request('publish'),
  },
  'Client.subscribe': {
    required: ['t'],
    optional: [
      ['qos', 0, 0, 'same'],
      ['options', null, new SubscribeOptions(1, true)],
      ['properties', null, userProperties(PacketTypes.SUBSCRIBE)],
    ],
    probe: request('subscribe'),
  },
  'Client.unsubscribe': {
    required: ['t'],
    optional: [['properties', null, userProperties(PacketTypes.UNSUBSCRIBE)]],
    probe: request('unsubscribe'),
  },
  'Client.will_set': {
    required: ['t'],
    optional: [
      ['payload', null, 'x'],
      ['qos', 0, 2],
      ['retain', false, true],
      ['properties', null, userProperties(PacketTypes.WILLMESSAGE)],
    ],
    probe: setting('will_set'),
  },
  'Client.username_pw_set': {
    required: ['u'],
    optional: [['password', null, 'p']],
    lenient: true,
    probe: setting('username_pw_set'),
  },
  'Client.ws_set_options': {
    required: [],
    optional: [
      ['path', '/mqtt', '/other'],
      ['headers', null, { 'X-Mine': '1' }],
    ],
    probe: setting('ws_set_options', 'websockets'),
  },
  'Client.loop': {
    required: [],
    optional: [['timeout', 1, -1]],
    probe: (call) => Promise.resolve(call(method(five(), 'loop'))).then(String, (error: Error) => error.name),
  },
  'Client.loop_forever': {
    required: [],
    optional: [
      ['timeout', 1, 2, 'same'],
      ['retry_first_connection', false, true],
    ],
    probe: async (call) => {
      const client = five()
      client.reconnect_delay_set(0.001)
      let failures = 0
      client.on_connect_fail = () => {
        failures += 1
        if (failures === 2) client.disconnect()
      }
      client.connect_async(HOST, 1)
      const ended = call(method(client, 'loop_forever')) as Promise<unknown>
      return [await ended.catch((error: NodeJS.ErrnoException) => error.code), failures]
    },
  },
  'MQTTMessageInfo.wait_for_publish': {
    required: [],
    optional: [['timeout', null, 0.001]],
    probe: async (call) => {
      const client = five()
      client.loop_start()
      await client.connect(HOST, peer.port)
      const connection = await peer.accept()
      await connection.packet()
      connection.send(CONNACK_5)
      const info = client.publish('t', { qos: 1 })
      await connection.packet()
      const waiting = call(info.wait_for_publish.bind(info) as Call) as Promise<void>
      const first = await Promise.race([
        waiting.then(() => 'over'),
        info.wait_for_publish(0.02).then(() => 'waits'),
      ])
      connection.send('40020001')
      await waiting
      return first
    },
  },
  'new MQTTMessage': {
    required: [],
    optional: [
      ['mid', 0, 7],
      ['topic', new Uint8Array(0), Buffer.from('t')],
    ],
    probe: (call) => {
      const message = call((...args) => new MQTTMessage(...(args as []))) as MQTTMessage
      return [message.mid, message.topic]
    },
  },
  'new ReasonCode': {
    required: [PacketTypes.PUBACK],
    optional: [
      ['aName', 'Success', 'Quota exceeded'],
      ['identifier', -1, 16],
    ],
    probe: (call) => String(call((...args) => new ReasonCode(...(args as [number])))),
  },
  'new SubscribeOptions': {
    required: [],
    optional: [
      ['qos', 0, 2],
      ['noLocal', false, true],
      ['retainAsPublished', false, true],
      ['retainHandling', 0, 2],
    ],
    probe: (call) => (call((...args) => new SubscribeOptions(...(args as []))) as SubscribeOptions).json(),
  },
  'publish.single': {
    required: ['t'],
    optional: [
      ['payload', null, 'x'],
      ['qos', 0, 1],
      ['retain', false, true],
      ...connectionParameters,
      ['proxy_args', null, null, 'same'],
    ],
    probe: helper(publish.single),
  },
  'publish.multiple': {
    required: [[['t', 'x']]],
    optional: [...connectionParameters, ['proxy_args', null, null, 'same']],
    probe: helper(publish.multiple),
  },
  'subscribe.simple': {
    required: ['t'],
    optional: [
      ['qos', 0, 1],
      ['msg_count', 1, 2],
      ['retained', true, false],
      ...connectionParameters,
      ['clean_session', true, true, 'same'],
      ['proxy_args', null, null, 'same'],
    ],
    probe: helper(subscribe.simple),
  },
  'subscribe.callback': {
    required: [
      (client: Client, userdata: unknown): void => {
        client.disconnect(null)
        if (userdata !== null) throw new Error('with userdata')
      },
      't',
    ],
    optional: [
      ['qos', 0, 1],
      ['userdata', null, 'mine'],
      ...connectionParameters,
      ['clean_session', true, true, 'same'],
      ['proxy_args', null, null, 'same'],
    ],
    probe: helper(subscribe.callback),
  },
}

describe.each(Object.entries(signatures))('%s', (_name, { required, optional, probe, lenient }) => {
  /** What must be given so that the peer is found at all. */
  const places = optional.filter(([, standard]) => standard === port).map(([name]) => name)
  const standards = optional.map(([, standard]) => value.bind(undefined, standard))

  function observe(...args: unknown[]): unknown {
    return probe((target) => target(...required, ...args))
  }

  /** With nothing but what finds the peer. */
  function plain(): unknown {
    return observe(
      ...(places.length === 0 ? [] : [Object.fromEntries(places.map((name) => [name, peer.port]))]),
    )
  }

  test('the defaults are those of the contract, by position and as undefined', async () => {
    if (required.length === 0 && optional[0]?.[0] === 'domain') return
    const seen = await plain()
    expect(await observe(...standards.map((standard) => standard()))).toEqual(seen)
    expect(
      await observe(...optional.map(([, standard]) => (standard === port ? peer.port : undefined))),
    ).toEqual(seen)
    const byName = Object.fromEntries(optional.map(([name], at) => [name, standards[at]?.()]))
    expect(await observe(byName)).toEqual(seen)
  })

  test.each(optional)('%s by position and by keyword', async (name, standard, other, same) => {
    const at = optional.findIndex(([one]) => one === name)
    const before = standards.slice(0, at).map((one) => one())
    const first = optional[0]?.[0] === 'domain' && at > 0 ? { domain: 'example.test' } : {}
    const found = Object.fromEntries(places.map((place) => [place, peer.port]))
    const positional = await observe(...before, value(other), ...standards.slice(at + 1).map((one) => one()))
    const keyword = await observe({ ...first, ...found, [String(name)]: value(other) })
    expect(keyword).toEqual(positional)
    const usual = await observe(...before, value(standard), ...standards.slice(at + 1).map((one) => one()))
    if (same === undefined) expect(positional).not.toEqual(usual)
    else expect(positional).toEqual(usual)
  })

  if (required.length === 0 || lenient === true) return
  test('what is required can not be left out', async () => {
    const failing = async (): Promise<unknown> => probe((target) => target())
    await expect(failing()).rejects.toThrow()
  })
})

test('an info is made with its number', () => {
  expect([...new MQTTMessageInfo(7)]).toEqual([0, 7])
})

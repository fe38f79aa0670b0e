import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import {
  Client,
  type Logger,
  MQTTMessage,
  MQTTMessageInfo,
  MQTTv5,
  MQTTv311,
  PacketTypes,
  Properties,
  publish,
  ReasonCode,
  SubscribeOptions,
  socks,
  ssl,
  subscribe,
} from 'mqtt-await/compat'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { certificates } from '../support/certificates.ts'
import { contractText } from './contract.ts'
import { NameServer } from './name-server.ts'
import { publish3, ScriptedPeer } from './scripted-peer.ts'

/**
 * Every function with optional parameters: how many it requires, the default of each of the others, and that each can be given by
 * position, by keyword in one trailing object, or as `undefined`. What a call does is looked at from outside: what the broker gets, what
 * the object shows, what is thrown.
 */

type Call = (...args: unknown[]) => unknown
/** Something to call, and what came of it: compared as JSON. */
type Probe = (call: (target: Call) => unknown) => unknown

interface Parameter {
  readonly name: string
  /** Its default, as the contract has it. */
  readonly standard: unknown
  /** Another value, with another effect. */
  readonly other: unknown
  /** What stands in its place in every other call, since the default would not find the peer. */
  readonly place?: unknown
  /** What must be given for it to have an effect, by name. */
  readonly along?: Readonly<Record<string, unknown>>
  /** By the contract it has no effect, or none that comes about within a test. */
  readonly without?: 'effect'
}

interface Signature {
  readonly required: readonly unknown[]
  readonly optional: readonly Parameter[]
  readonly probe: Probe
  /** Nothing at all is as good as `null`. */
  readonly lenient?: true
}

/** A value that is made when it is needed. */
class Late {
  readonly make: () => unknown

  constructor(make: () => unknown) {
    this.make = make
  }
}

function given(value: unknown): unknown {
  return value instanceof Late ? value.make() : value
}

function parameter(
  name: string,
  standard: unknown,
  other: unknown,
  more: Pick<Parameter, 'place' | 'along' | 'without'> = {},
): Parameter {
  return { name, standard, other, ...more }
}

const HOST = '127.0.0.1'
const CONNACK = '20020000'
const CONNACK_5 = '2003000000'
let peer: ScriptedPeer
let names: NameServer
let tlsServer: TlsServer
/** What the TLS server sees of each connection: version, cipher, protocol, and whose certificate. */
let tlsSeen: ((what: unknown) => void) | undefined
let directory: string
const clients: Client[] = []
/** Local ports that a connection was to be made from. */
const boundPorts = new Set<number>()

beforeAll(async () => {
  names = await NameServer.listen()
  const { server, ca, client } = certificates()
  directory = mkdtempSync(join(tmpdir(), 'compat-signatures-'))
  writeFileSync(inDirectory('both.pem'), `${client.cert}\n${client.key}`)
  tlsServer = createTlsServer({
    ...server,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['other', 'mqtt'],
  })
  tlsServer.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => undefined)
    // A client that is not content goes at once.
    socket.write(Buffer.from(CONNACK, 'hex'))
    socket.once('data', (connect) => {
      tlsSeen?.([
        socket.getProtocol(),
        socket.getCipher().name,
        socket.alpnProtocol,
        socket.getPeerCertificate().subject?.CN,
        connect[0],
      ])
    })
  })
  tlsServer.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => {
    tlsServer.listen(0, 'localhost', resolve)
  })
})

afterAll(() => {
  names.close()
  tlsServer.close()
  rmSync(directory, { recursive: true, force: true })
})

beforeEach(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  peer = await ScriptedPeer.listen()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await peer.close()
})

function inDirectory(name: string): string {
  return join(directory, name)
}

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
  opening?.catch(() => undefined)
  const connection = await peer.accept()
  const greeting = await connection.anything()
  if (!greeting.startsWith('10')) {
    connection.destroy()
    const text = Buffer.from(greeting, 'hex').toString('latin1')
    return text.replace(/Sec-WebSocket-Key.*\r\n/i, '').replaceAll(String(peer.port), 'PORT')
  }
  await opening
  return [greeting, connection.remoteAddress, boundPorts.has(connection.remotePort ?? 0)]
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

/** A connecting function: what the broker gets, what it was looked up by, and how long the client takes no answer for one. */
function connecting(name: 'connect' | 'connect_async' | 'connect_srv'): Probe {
  return async (call) => {
    const client = five()
    names.questions.length = 0
    const result = Promise.resolve(call(method(client, name)))
    if (name === 'connect_async') {
      client.reconnect_delay_set(30)
      client.loop_start()
    }
    const failed = new Promise((_resolve, reject) => {
      result.catch(reject)
      client.on_connect_fail = () => reject(new Error('no connection'))
    })
    const seen = await Promise.race([opened(client, true), failed])
    return [await result, shown(client), seen, [...names.questions]]
  }
}

/** TLS as a client of a server that its own authority has signed. */
async function tls(call: Parameters<Probe>[0], name: 'tls_set' | 'tls_set_context'): Promise<unknown> {
  const client = track(new Client(2, 'c'))
  call(method(client, name))
  const seen = new Promise((resolve) => {
    tlsSeen = resolve
  })
  const opening = client.connect('localhost', (tlsServer.address() as AddressInfo).port)
  return Promise.race([seen, opening.then(() => seen)])
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
const port = new Late(() => peer.port)
/** Nobody listens there. */
const closedPort = 1
/** A port that nobody has. */
const freePort = new Late(() => {
  const { port: free } = nextPorts.shift() ?? { port: 0 }
  boundPorts.add(free)
  return free
})
const nextPorts: AddressInfo[] = []

beforeEach(async () => {
  // Several at a time, so that they differ.
  const servers = Array.from({ length: 3 }, () => createTcpServer())
  for (const server of servers) {
    await new Promise<void>((resolve) => {
      server.listen(0, HOST, resolve)
    })
    nextPorts.push(server.address() as AddressInfo)
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
})

const throughPeer = new Late(() => ({ proxy_type: socks.HTTP, proxy_addr: HOST, proxy_port: peer.port }))

/** For all helpers; the broker's place is always given. */
const connectionParameters: readonly Parameter[] = [
  parameter('hostname', 'localhost', '127.0.0.2', { place: HOST }),
  parameter('port', 1883, closedPort, { place: port }),
  parameter('client_id', '', 'mine'),
  parameter('keepalive', 60, 30),
  parameter('will', null, will),
  parameter('auth', null, { username: 'u', password: 'p' }),
  parameter('tls', null, { insecure: true }),
  parameter('protocol', MQTTv311, MQTTv5),
  parameter('transport', 'tcp', 'websockets'),
]
const proxyParameter = parameter('proxy_args', null, throughPeer)
/** Refused with an empty client id. */
const cleanSession = parameter('clean_session', true, false)

/** The second part of what connect() and connect_async() take. */
const placeParameters: readonly Parameter[] = [
  parameter('port', 1883, closedPort, { place: port }),
  parameter('keepalive', 60, 30),
  parameter('bind_address', '', '127.0.0.2'),
  parameter('bind_port', 0, freePort),
  parameter('clean_start', 3, false),
  parameter('properties', null, userProperties(PacketTypes.CONNECT)),
]

const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const signatures: Readonly<Record<string, Signature>> = {
  'new Client': {
    required: [],
    optional: [
      parameter('callback_api_version', 1, 2),
      parameter('client_id', '', 'c'),
      parameter('clean_session', null, false),
      parameter('userdata', null, 'mine'),
      parameter('protocol', MQTTv311, MQTTv5),
      parameter('transport', 'tcp', 'websockets'),
      parameter('reconnect_on_failure', true, false),
      parameter('manual_ack', false, true),
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
      parameter('client_id', '', 'c'),
      parameter('clean_session', true, false),
      parameter('userdata', null, 'mine'),
    ],
    probe: async (call) => {
      const client = five()
      call(method(client, 'reinitialise'))
      return [shown(client), await opened(client, false)]
    },
  },
  'Client.connect': {
    required: [HOST],
    optional: [...placeParameters],
    probe: connecting('connect'),
  },
  'Client.connect_async': {
    required: [HOST],
    optional: [...placeParameters],
    probe: connecting('connect_async'),
  },
  'Client.connect_srv': {
    required: [],
    optional: [
      parameter('domain', null, 'other.test', { place: 'example.test' }),
      ...placeParameters.slice(1),
    ],
    probe: (call) => {
      names.records = [{ priority: 1, weight: 1, port: peer.port, target: HOST }]
      return connecting('connect_srv')(call)
    },
  },
  'Client.disconnect': {
    required: [],
    optional: [
      parameter('reasoncode', null, new ReasonCode(PacketTypes.DISCONNECT, 'Disconnect with will message')),
      parameter('properties', null, userProperties(PacketTypes.DISCONNECT)),
    ],
    probe: request('disconnect'),
  },
  'Client.publish': {
    required: ['t'],
    optional: [
      parameter('payload', null, 'x'),
      parameter('qos', 0, 1),
      parameter('retain', false, true),
      parameter('properties', null, userProperties(PacketTypes.PUBLISH)),
    ],
    probe: request('publish'),
  },
  'Client.subscribe': {
    required: ['t'],
    optional: [
      parameter('qos', 0, 1),
      parameter('options', null, new SubscribeOptions(1, true)),
      parameter('properties', null, userProperties(PacketTypes.SUBSCRIBE)),
    ],
    probe: request('subscribe'),
  },
  'Client.unsubscribe': {
    required: ['t'],
    optional: [parameter('properties', null, userProperties(PacketTypes.UNSUBSCRIBE))],
    probe: request('unsubscribe'),
  },
  'Client.will_set': {
    required: ['t'],
    optional: [
      parameter('payload', null, 'x'),
      parameter('qos', 0, 2),
      parameter('retain', false, true),
      parameter('properties', null, userProperties(PacketTypes.WILLMESSAGE)),
    ],
    probe: setting('will_set'),
  },
  'Client.username_pw_set': {
    required: ['u'],
    optional: [parameter('password', null, 'p')],
    lenient: true,
    probe: setting('username_pw_set'),
  },
  'Client.ws_set_options': {
    required: [],
    optional: [parameter('path', '/mqtt', '/other'), parameter('headers', null, { 'X-Mine': '1' })],
    probe: setting('ws_set_options', 'websockets'),
  },
  'Client.loop': {
    required: [],
    optional: [parameter('timeout', 1, -1)],
    probe: (call) => Promise.resolve(call(method(five(), 'loop'))).then(String, (error: Error) => error.name),
  },
  'Client.loop_forever': {
    required: [],
    optional: [
      parameter('timeout', 1, 2, { without: 'effect' }),
      parameter('retry_first_connection', false, true),
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
    optional: [parameter('timeout', null, 0.001)],
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
    optional: [parameter('mid', 0, 7), parameter('topic', new Uint8Array(0), Buffer.from('t'))],
    probe: (call) => {
      const message = call((...args) => new MQTTMessage(...(args as []))) as MQTTMessage
      return [message.mid, message.topic]
    },
  },
  'new ReasonCode': {
    required: [PacketTypes.PUBACK],
    optional: [parameter('aName', 'Success', 'Quota exceeded'), parameter('identifier', -1, 16)],
    probe: (call) => String(call((...args) => new ReasonCode(...(args as [number])))),
  },
  'new SubscribeOptions': {
    required: [],
    optional: [
      parameter('qos', 0, 2),
      parameter('noLocal', false, true),
      parameter('retainAsPublished', false, true),
      parameter('retainHandling', 0, 2),
    ],
    probe: (call) => (call((...args) => new SubscribeOptions(...(args as []))) as SubscribeOptions).json(),
  },
  'publish.single': {
    required: ['t'],
    optional: [
      parameter('payload', null, 'x'),
      parameter('qos', 0, 1),
      parameter('retain', false, true),
      ...connectionParameters,
      proxyParameter,
    ],
    probe: helper(publish.single),
  },
  'publish.multiple': {
    required: [[['t', 'x']]],
    optional: [...connectionParameters, proxyParameter],
    probe: helper(publish.multiple),
  },
  'subscribe.simple': {
    required: ['t'],
    optional: [
      parameter('qos', 0, 1),
      parameter('msg_count', 1, 2),
      parameter('retained', true, false),
      ...connectionParameters,
      cleanSession,
      proxyParameter,
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
      parameter('qos', 0, 1),
      parameter('userdata', null, 'mine'),
      ...connectionParameters,
      cleanSession,
      proxyParameter,
    ],
    probe: helper(subscribe.callback),
  },
  'Client.reconnect_delay_set': {
    required: [],
    optional: [
      parameter('min_delay', 1, 0.02),
      parameter('max_delay', 120, 0.1, { along: { min_delay: 0.1 } }),
    ],
    probe: async (call) => {
      const client = five()
      call(method(client, 'reconnect_delay_set'))
      let failures = 0
      client.on_connect_fail = () => {
        failures += 1
        if (failures === 4) client.disconnect()
      }
      client.connect_async(HOST, closedPort)
      const over = new Promise((resolve) => setTimeout(resolve, 650, 'waits'))
      const ended = client.loop_forever(1, true).then(() => 'ended')
      const outcome = await Promise.race([ended, over])
      client.disconnect()
      await ended
      return outcome
    },
  },
  'Client.tls_set': {
    required: [],
    optional: [
      parameter('ca_certs', null, new Late(() => certificates().caFile)),
      parameter('certfile', null, new Late(() => inDirectory('both.pem')), {
        along: { cert_reqs: ssl.CERT_NONE, keyfile_password: 'open sesame' },
      }),
      parameter('keyfile', null, '/no/such/file', {
        along: { certfile: new Late(() => certificates().client.certFile) },
      }),
      parameter('cert_reqs', null, ssl.CERT_NONE),
      parameter('tls_version', null, ssl.PROTOCOL_TLSv1_2, { along: { cert_reqs: ssl.CERT_NONE } }),
      parameter('ciphers', null, 'ECDHE-ECDSA-AES256-GCM-SHA384', {
        along: { cert_reqs: ssl.CERT_NONE, tls_version: ssl.PROTOCOL_TLSv1_2 },
      }),
      parameter('keyfile_password', null, new Late(() => certificates().client.passphrase), {
        along: { certfile: new Late(() => inDirectory('both.pem')), cert_reqs: ssl.CERT_NONE },
      }),
      parameter('alpn_protocols', null, ['mqtt'], { along: { cert_reqs: ssl.CERT_NONE } }),
    ],
    probe: (call) => tls(call, 'tls_set'),
  },
  'Client.tls_set_context': {
    required: [],
    optional: [parameter('context', null, new Late(() => ({ ca: certificates().ca })))],
    probe: (call) => tls(call, 'tls_set_context'),
  },
  'Client.enable_logger': {
    required: [],
    optional: [parameter('logger', null, logger)],
    probe: (call) => {
      const client = five()
      call(method(client, 'enable_logger'))
      return [client.logger !== null, client.logger === logger]
    },
  },
  'Client.loop_read': {
    required: [],
    optional: [parameter('max_packets', 1, 7, { without: 'effect' })],
    probe: (call) => call(method(five(), 'loop_read')),
  },
}

describe.each(Object.entries(signatures))('%s', (_name, { required, optional, probe, lenient }) => {
  const usual = optional.map(({ place, standard }) => place ?? standard)

  /** What came of a call, errors included. */
  async function observe(...args: unknown[]): Promise<unknown> {
    try {
      return await probe((target) => target(...required, ...args.map(given)))
    } catch (error) {
      peer.forget()
      const { name, code } = error as NodeJS.ErrnoException
      return `${name} ${code ?? ''}`
    }
  }

  /** By name, with what finds the peer. */
  function byName(more: Readonly<Record<string, unknown>>): Promise<unknown> {
    const places = optional.filter(({ place }) => place !== undefined).map(({ name, place }) => [name, place])
    const all = { ...Object.fromEntries(places), ...more }
    const entries = Object.entries(all).map(([name, value]) => [name, given(value)])
    return entries.length === 0 ? observe() : observe(Object.fromEntries(entries))
  }

  test('the defaults are those of the contract, by position and as undefined', async () => {
    const seen = await byName({})
    expect(await observe(...usual)).toEqual(seen)
    expect(await observe(...optional.map(({ place }) => place))).toEqual(seen)
    expect(await byName(Object.fromEntries(optional.map(({ name }, at) => [name, usual[at]])))).toEqual(seen)
  })

  test.each(optional)('$name by position and by keyword', async ({ name, other, along = {}, without }) => {
    const around = optional.map((one, at) => along[one.name] ?? usual[at])
    const positional = await observe(...around.map((one, at) => (optional[at]?.name === name ? other : one)))
    expect(await byName({ ...along, [name]: other })).toEqual(positional)
    const standard = await observe(...around)
    if (without === undefined) expect(positional).not.toEqual(standard)
    else expect(positional).toEqual(standard)
  })

  if (required.length === 0 || lenient === true) return
  test('what is required can not be left out', async () => {
    const failing = async (): Promise<unknown> => probe((target) => target())
    await expect(failing()).rejects.toThrow()
  })
})

describe('defaults that only a proxy gets to see', () => {
  const proxy_args = (): object => given(throughPeer) as object

  async function asked(calling: Promise<unknown>): Promise<string> {
    calling.catch(() => undefined)
    const connection = await peer.accept()
    const line = await connection.text(/\r\n/)
    connection.destroy()
    await calling.catch(() => undefined)
    return line.split(' ')[1] ?? ''
  }

  test('hostname and port of the helpers', async () => {
    const helpers = [
      () => publish.single('t', { proxy_args: proxy_args() as never }),
      () => publish.multiple([['t']], { proxy_args: proxy_args() as never }),
      () => subscribe.simple('t', { proxy_args: proxy_args() as never }),
      () => subscribe.callback(() => undefined, 't', { proxy_args: proxy_args() as never }),
    ]
    for (const one of helpers) expect(await asked(one())).toBe('localhost:1883')
  })

  test('port of connect() and connect_async()', async () => {
    const client = five()
    client.proxy_set(proxy_args() as never)
    expect(await asked(client.connect('broker.test'))).toBe('broker.test:1883')
    client.connect_async('broker.test')
    expect(client.port).toBe(1883)
    client.disconnect()
  })
})

describe('proxy_set(), whose one argument is an object of keywords', () => {
  async function seen(args: object): Promise<unknown> {
    const client = five()
    client.proxy_set(args as never)
    const opening = client.connect('localhost', 4711).catch(() => undefined)
    const connection = await peer.accept()
    const first = await connection.anything()
    const text = Buffer.from(first, 'hex').toString('latin1')
    if (text.startsWith('CONNECT')) {
      connection.destroy()
      await opening
      return [text.split('\r\n')[0], /Proxy-Authorization: (.*)\r\n/i.exec(text)?.[1]]
    }
    // SOCKS 5: the methods, then what follows the choice of the last of them.
    if (!first.startsWith('05')) {
      connection.destroy()
      await opening
      return first
    }
    const before = connection.unread.length
    connection.send(`05${first.slice(-2)}`)
    while (connection.unread.length === before) await new Promise(setImmediate)
    const next = connection.unread.slice(before)
    connection.destroy()
    await opening
    return [first, next]
  }
  const at = (): object => ({ proxy_addr: HOST, proxy_port: peer.port })
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`

  test('HTTP, without and with a user', async () => {
    expect(await seen({ proxy_type: socks.HTTP, ...at() })).toEqual([
      'CONNECT localhost:4711 HTTP/1.1',
      undefined,
    ])
    const user = { proxy_username: 'u', proxy_password: 'p' }
    expect(await seen({ proxy_type: socks.HTTP, ...at(), ...user })).toEqual([
      'CONNECT localhost:4711 HTTP/1.1',
      basic,
    ])
  })

  test('the name goes to the proxy, and with proxy_rdns false its address', async () => {
    for (const proxy_rdns of [undefined, true, false]) {
      const rdns = proxy_rdns === undefined ? {} : { proxy_rdns }
      expect(await seen({ proxy_type: socks.HTTP, ...at(), ...rdns })).toEqual([
        expect.stringMatching(
          proxy_rdns === false ? /^CONNECT (127\.0\.0\.1|\[?::1\]?):4711 / : /^CONNECT localhost:4711 /,
        ),
        undefined,
      ])
    }
  })

  test('SOCKS 4 with the name as SOCKS 4a, SOCKS 5 with a user', async () => {
    const four = (await seen({ proxy_type: socks.SOCKS4, ...at() })) as string
    expect(four.slice(0, 16)).toBe('0401126700000001')
    expect(Buffer.from(four, 'hex').toString('latin1')).toContain('localhost')
    const five = (await seen({
      proxy_type: socks.SOCKS5,
      ...at(),
      proxy_username: 'u',
      proxy_password: 'p',
    })) as string[]
    expect(five[0]?.endsWith('02')).toBe(true)
    expect(five[1]).toBe('010175 0170'.replace(' ', ''))
  })

  test('what is missing or unknown', () => {
    const client = five()
    for (const args of [
      {},
      { proxy_type: 4, proxy_addr: 'p' },
      { proxy_type: socks.HTTP },
      { proxy_addr: 'p' },
    ]) {
      expect(() => client.proxy_set(args as never)).toThrow('proxy_')
    }
  })
})

test('an info is made with its number', () => {
  expect([...new MQTTMessageInfo(7)]).toEqual([0, 7])
})

describe('the contract', () => {
  /** Where its names stand for values. */
  const values: Readonly<Record<string, unknown>> = {
    'CallbackAPIVersion.VERSION1': 1,
    MQTTv311,
    MQTT_CLEAN_START_FIRST_ONLY: 3,
    empty: new Uint8Array(0),
  }

  /** The parameters of a declaration, "name: type = default" each; undefined where it abbreviates them. */
  function declared(text: string, start: string): { name: string; standard: unknown }[] | undefined {
    const from = text.indexOf(start)
    expect(from, start).toBeGreaterThan(0)
    let depth = 0
    let at = from + start.length
    const parts = ['']
    for (; depth >= 0; at++) {
      const character = text[at] as string
      if ('([{<'.includes(character)) depth += 1
      if (')]}>'.includes(character) && text[at - 1] !== '=') depth -= 1
      if (character === ',' && depth === 0) parts.push('')
      else if (depth >= 0) parts[parts.length - 1] += character
    }
    if (parts.some((part) => part.includes('/*'))) return undefined
    return parts
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => {
        const [, name = '', standard] = /^(\w+)(?:: [^=]*(?:=> [^=]*)?)?(?: = (.*))?$/s.exec(part) ?? []
        return { name, standard: standard === undefined ? Symbol('required') : literal(standard) }
      })
  }

  function literal(text: string): unknown {
    return text in values ? values[text] : JSON.parse(text)
  }

  const starts: Readonly<Record<string, string>> = {
    'new Client': '  constructor(\n    callback_api_version',
    'new MQTTMessage': 'class MQTTMessage {\n  constructor(',
    'new ReasonCode': 'class ReasonCode {\n  constructor(',
    'new SubscribeOptions': 'RETAIN_DO_NOT_SEND = 2\n  constructor(',
    'MQTTMessageInfo.wait_for_publish': '\n  wait_for_publish(',
    'publish.single': 'function single(',
    'publish.multiple': 'function multiple(',
    'subscribe.simple': 'function simple(',
    'subscribe.callback': 'function callback(',
  }

  /** As the contract abbreviates. */
  const abbreviated = ['Client.connect_async', 'publish.multiple', 'subscribe.simple']

  test.each(Object.entries(signatures))(
    'declares %s with these names, this order and these defaults',
    (name, signature) => {
      const text = contractText()
      // Only beside the contract: what it says is in the table above.
      if (text === undefined) return
      const start = starts[name] ?? `\n${name.replace('Client.', '')}(`
      const cut = start.indexOf('callback_api_version')
      const parameters = declared(text, cut < 0 ? start : start.slice(0, cut))
      if (parameters === undefined) {
        expect(abbreviated).toContain(name)
        return
      }
      expect(parameters.slice(signature.required.length)).toEqual(
        signature.optional.map(({ name: own, standard }) => ({ name: own, standard })),
      )
    },
  )
})

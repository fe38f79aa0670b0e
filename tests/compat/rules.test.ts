import { rmSync } from 'node:fs'
import { join } from 'node:path'
import * as compat from 'mqtt-await/compat'
import {
  BlockingIOError,
  CallbackAPIVersion,
  Client,
  KeyError,
  MalformedPacket,
  MQTTException,
  MQTTv5,
  PacketTypes,
  Properties,
  UnicodeDecodeError,
  ValueError,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Program } from '../support/program.ts'
import { buildPrograms } from './build-programs.ts'
import { online } from './online.ts'
import { publish3, ScriptedPeer } from './scripted-peer.ts'

/** Sections 1 to 3 and 12.3 of the contract: how Python's things are said here. */

const V2 = CallbackAPIVersion.VERSION2
let peer: ScriptedPeer
let client: Client

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
  client = new Client(V2)
})

afterEach(async () => {
  client.disconnect()
  await peer.close()
})

test('importing has no side effects', async () => {
  const directory = await buildPrograms(['tests/compat/import-program.ts'])
  try {
    const program = new Program(join(directory, 'import-program.mjs'), [], {}, [])
    expect([await program.ended, program.output]).toEqual([0, '0 \n'])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('names that Paho has by accident are not carried over', () => {
  for (const name of ['sockpair_data', 'time_func', 'EAGAIN', 'HAVE_DNS', 'TYPE_CHECKING', 'default']) {
    expect(compat).not.toHaveProperty(name)
  }
  expect(Object.keys(compat).filter((name) => name.startsWith('_') && name !== '__version__')).toEqual([])
  expect(compat.MQTTMatcher).not.toHaveProperty('Node')
  expect(Object.keys(client).filter((name) => name.startsWith('_'))).toEqual([])
})

describe('arguments', () => {
  const loose = (): Record<string, (...args: unknown[]) => unknown> =>
    client as unknown as Record<string, (...args: unknown[]) => unknown>

  test('surplus ones are ignored, undefined is the default, and null is None', async () => {
    const connection = await online(client, peer)
    loose()['publish']?.('a', undefined, undefined, undefined, null, 'surplus', { qos: 1 })
    expect(await connection.packet()).toBe(publish3('a', ''))
    loose()['publish']?.('a', { payload: undefined, qos: undefined })
    expect(await connection.packet()).toBe(publish3('a', ''))
  })

  test('an object is taken for keywords only when all of its keys name parameters that were not given', async () => {
    const connection = await online(client, peer)
    class Keywords {
      qos = 1
    }
    for (const value of [{}, { temperature: 3 }, { qos: 1, more: 2 }, { topic: 'b' }, [1], new Keywords()]) {
      expect(() => loose()['publish']?.('a', value)).toThrow(TypeError)
    }
    const bare = Object.assign(Object.create(null), { qos: 1 })
    loose()['publish']?.('a', 'x', bare)
    expect(await connection.packet()).toBe(publish3('a', 'x', 1, 1))
    expect(() => loose()['publish']?.('a', 'x', 0, { qos: 1 })).not.toThrow()
  })

  test('required ones stand by position', () => {
    expect(() => loose()['publish']?.({ topic: 'a' })).toThrow(ValueError)
    expect(() => loose()['subscribe']?.({ topic: 'a' })).toThrow(ValueError)
  })

  test('a client id may be bytes', async () => {
    client = new Client(V2, Buffer.from('größe'))
    await client.connect('127.0.0.1', peer.port)
    expect(await (await peer.accept()).packet()).toContain(Buffer.from('größe').toString('hex'))
  })
})

describe('what comes out', () => {
  test('is the program’s own: bytes that are received or set do not change later', async () => {
    const password = Buffer.from('secret')
    client.username_pw_set('u', password)
    password.fill(0)
    expect(client.password).toBe('secret')
    const told: Uint8Array[] = []
    client.on_message = (_client, _userdata, message) => told.push(message.payload)
    const connection = await online(client, peer)
    connection.send(publish3('a', 'xyz').repeat(2))
    while (told.length < 2) await new Promise(setImmediate)
    expect(told.map((payload) => payload.buffer.byteLength)).toEqual([3, 3])
    client.will_set('w', 'x')
  })

  test('subscribe() gives a real array', () => {
    expect(Array.isArray(client.subscribe('a'))).toBe(true)
    expect(Array.isArray(client.unsubscribe('a'))).toBe(true)
  })

  test('fields of named tuples are read-only', () => {
    const flags = new compat.ConnectFlags(true)
    expect(() => Object.assign(flags, { session_present: false })).toThrow(TypeError)
    const others = new compat.DisconnectFlags(true)
    expect(() => Object.assign(others, { is_disconnect_packet_from_server: false })).toThrow(TypeError)
  })
})

test('errors have their names and their ancestors', () => {
  const direct = {
    ValueError,
    RuntimeError: compat.RuntimeError,
    KeyError,
    AssertionError: compat.AssertionError,
    MQTTException,
    WebsocketConnectionError: compat.WebsocketConnectionError,
    BlockingIOError,
  }
  for (const [name, Class] of Object.entries(direct)) {
    const error = new Class('why')
    expect([error.name, error.message, Object.getPrototypeOf(Class)]).toEqual([name, 'why', Error])
  }
  expect([new UnicodeDecodeError('why').name, new MalformedPacket('why').name]).toEqual([
    'UnicodeDecodeError',
    'MalformedPacket',
  ])
  expect(new UnicodeDecodeError('why')).toBeInstanceOf(ValueError)
  expect(new MalformedPacket('why')).toBeInstanceOf(MQTTException)
  expect(new BlockingIOError('why').code).toBe('EAGAIN')
  expect(new KeyError('why')).not.toBeInstanceOf(ValueError)
})

describe('settings', () => {
  test('a call that is refused changes nothing', () => {
    client.will_set('w', 'x')
    expect(() => client.will_set('other', {} as never)).toThrow(TypeError)
    expect(() => client.will_set('other', 'y', 3)).toThrow(ValueError)
    expect(() => client.will_set('other', 'y', { properties: {} as never })).toThrow(ValueError)
    expect([client.will_topic, String(client.will_payload)]).toEqual(['w', '120'])
    // Wildcards are not looked at.
    client.will_set('a/#')
    client.will_clear()
    expect(client.will_topic).toBe('')
  })

  test('that a property locks are locked while connecting, and the others are not', () => {
    client.connect_async('h')
    for (const name of [
      'host',
      'port',
      'keepalive',
      'transport',
      'connect_timeout',
      'username',
      'password',
      'max_inflight_messages',
      'max_queued_messages',
    ] as const) {
      expect(() => Object.assign(client, { [name]: client[name] })).toThrow(compat.RuntimeError)
    }
    client.logger = console
    client.suppress_exceptions = true
    client.on_message = () => undefined
    client.username_pw_set('u')
    client.will_set('w')
    client.user_data_set('mine')
    expect(client.user_data_get()).toBe('mine')
  })

  test('of a MQTT 5 client: a username of its own and no properties that were not asked for', async () => {
    client = new Client(V2, '', { protocol: MQTTv5 })
    client.will_set('w')
    await client.connect('127.0.0.1', peer.port)
    expect(await (await peer.accept()).packet()).toBe(
      '101300044d5154540506003c00 0000 00 0001 77 0000'.replaceAll(' ', ''),
    )
  })

  test('user data is the fourth argument, and what callbacks get is what is set at the moment', async () => {
    client = new Client(V2, '', true, { mine: 1 })
    const seen: unknown[] = []
    client.on_message = (_client, userdata) => seen.push(userdata)
    const connection = await online(client, peer)
    client.user_data_set([2])
    connection.send(publish3('a', ''))
    while (seen.length === 0) await new Promise(setImmediate)
    expect(seen).toEqual([[2]])
  })
})

test('properties of another class are refused where they are looked at', () => {
  const properties = new Properties(PacketTypes.CONNECT)
  expect(() => Object.assign(properties, { Sessionexpiryinterval: 3 })).toThrow(MQTTException)
  expect(properties.isEmpty()).toBe(true)
})

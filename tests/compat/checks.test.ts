import {
  CallbackAPIVersion,
  Client,
  MQTTErrorCode,
  MQTTv5,
  MQTTv31,
  MQTTv311,
  PacketTypes,
  Properties,
  RuntimeError,
  SubscribeOptions,
  socks,
  UnicodeDecodeError,
  ValueError,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ScriptedPeer } from './scripted-peer.ts'

const V2 = CallbackAPIVersion.VERSION2
const loose = (client: Client) => client as unknown as Record<string, (...args: unknown[]) => unknown>
let client: Client

beforeEach(() => {
  client = new Client(V2)
})

afterEach(() => {
  client.disconnect()
})

describe('the constructor', () => {
  const construct = (...args: unknown[]) =>
    new (Client as unknown as new (...args: unknown[]) => Client)(...args)

  test('says what has changed since Paho 1 to programs that give a client id first', () => {
    expect(() => construct('my-id')).toThrow(/version.*migration/i)
    expect(() => construct('my-id')).toThrow(ValueError)
    expect(() => construct(3)).toThrow(ValueError)
  })

  test('warns of version 1, which is also the default', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    expect(construct().callback_api_version).toBe(1)
    expect(warn).toHaveBeenCalledWith(expect.any(String), 'DeprecationWarning')
    warn.mockRestore()
  })

  test.each([
    ['a kept session without a client id', [V2, '', false]],
    ['clean_session with MQTT 5', [V2, 'c', true, null, MQTTv5]],
    ['an unknown transport', [V2, { transport: 'smoke' }]],
  ])('refuses %s', (_what, args) => {
    expect(() => construct(...args)).toThrow(ValueError)
  })

  test('takes an empty object as user data, and an object with names as keywords', () => {
    const userdata = {}
    expect(construct(V2, 'id', true, userdata).user_data_get()).toBe(userdata)
    expect(construct(V2, 'id', { userdata: 1, transport: 'WebSockets' }).transport).toBe('websockets')
    expect(construct(V2, 'id', true, { transport: 'tcp', mine: 1 }).user_data_get()).toEqual({
      transport: 'tcp',
      mine: 1,
    })
  })
})

describe('settings', () => {
  test.each([
    ['host', ''],
    ['port', 0],
    ['keepalive', -1],
    ['connect_timeout', 0],
    ['max_inflight_messages', -1],
    ['max_queued_messages', -1],
  ])('%s = %j is refused', (name, value) => {
    expect(() => Object.assign(client, { [name]: value })).toThrow(ValueError)
  })

  test.each(['protocol', 'callback_api_version', 'will_topic', 'will_payload'])('%s is read-only', (name) => {
    expect(() => Object.assign(client, { [name]: 1 })).toThrow(TypeError)
  })

  test('are locked from connect_async() on, until disconnect()', () => {
    client.connect_async('h')
    expect([client.host, client.port, client.keepalive]).toEqual(['h', 1883, 60])
    expect(() => client.max_inflight_messages_set(3)).toThrow(RuntimeError)
    expect(() => Object.assign(client, { host: '' })).toThrow(RuntimeError)
    client.username_pw_set('u')
    expect(client.disconnect()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    client.max_inflight_messages_set(3)
    expect(() => client.max_queued_messages_set(1.5)).toThrow(ValueError)
  })

  test('a password that is no UTF-8 can not be read', () => {
    client.username_pw_set('u', Uint8Array.of(0xff))
    expect(() => client.password).toThrow(UnicodeDecodeError)
    client.password = null
    expect(client.password).toBeNull()
  })

  test.each([
    ['will_set', [null]],
    ['will_set', ['']],
    ['will_set', ['t', 'p', 3]],
    ['will_set', ['t', 'p', 0, false, {}]],
    ['ws_set_options', ['/p', [1]]],
    ['proxy_set', [{ proxy_type: 9, proxy_addr: 'p' }]],
    ['proxy_set', [{ proxy_type: socks.HTTP }]],
    ['connect_async', ['h', 1883, 60, '', -1]],
    ['message_callback_add', [null, () => 1]],
    ['message_callback_add', ['a', null]],
  ])('%s(%j) is refused', (name, args) => {
    expect(() => loose(client)[name]?.(...args)).toThrow(ValueError)
    expect(client.will_topic).toBe('')
  })
})

describe('publish()', () => {
  test.each([[[3]], [['']], [['a/+']], [['#']], [['x'.repeat(65_536)]], [['a', 'x', 3]], [['a\u0000b']]])(
    '%j is a ValueError and uses up no number',
    (args) => {
      expect(() => loose(client)['publish']?.(...args)).toThrow(ValueError)
      expect(client.publish('a').mid).toBe(1)
    },
  )

  test('a payload of another type is a TypeError', () => {
    expect(() => loose(client)['publish']?.('t', { temperature: 3 })).toThrow(TypeError)
    expect(() => loose(client)['publish']?.('t', [1])).toThrow(TypeError)
  })

  test('an alias that has no topic yet', () => {
    client = new Client(V2, { protocol: MQTTv5 })
    const properties = new Properties(PacketTypes.PUBLISH)
    expect(() => client.publish('', 'x', { properties })).toThrow(ValueError)
    properties.TopicAlias = 1
    client.publish('known', 'x', { properties })
    expect(client.publish('', 'x', { properties }).mid).toBe(2)
  })
})

describe('subscribe() and unsubscribe()', () => {
  const o = new SubscribeOptions(1)
  const no = MQTTErrorCode.MQTT_ERR_NO_CONN

  test.each([
    [['t']],
    [['t', 1]],
    [['t', { options: o }]],
    [['t', 1, o]],
    [[['t', 1]]],
    [
      [
        [
          ['t', 1],
          ['u', 2],
        ],
      ],
    ],
  ])('MQTT 3 takes %j', (args) => {
    expect(loose(client)['subscribe']?.(...args)).toEqual([no, null])
  })

  test.each([
    [[['t', o]]],
    [[[['t', o]]]],
    [[[]]],
    [['']],
    [[3]],
    [['t', 3]],
    [['a/b+']],
    [['a/#/b']],
    [['a#']],
    [[['t']]],
    [[['t', 1, 2]]],
  ])('MQTT 3 refuses %j', (args) => {
    expect(() => loose(client)['subscribe']?.(...args)).toThrow(ValueError)
  })

  test.each([
    [['t']],
    [['t', 1]],
    [['t', { options: o }]],
    [['t', 0, o]],
    [[['t', o]]],
    [
      [
        [
          ['t', 1],
          ['u', o],
        ],
      ],
    ],
  ])('MQTT 5 takes %j', (args) => {
    client = new Client(V2, { protocol: MQTTv5 })
    expect(loose(client)['subscribe']?.(...args)).toEqual([no, null])
  })

  test.each([[['t', 1, o]], [[['t', 1]]], [[[]]], [['t', { options: {} }]]])('MQTT 5 refuses %j', (args) => {
    client = new Client(V2, { protocol: MQTTv5 })
    expect(() => loose(client)['subscribe']?.(...args)).toThrow(ValueError)
  })

  test.each([[[]], [[null]], [['']], [[[]]], [[[1]]]])('unsubscribe(...%j) is refused', (args) => {
    expect(() => loose(client)['unsubscribe']?.(...args)).toThrow(ValueError)
  })
})

describe('answers without a connection', () => {
  test('of everything', async () => {
    expect(client.loop_read()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    expect(client.loop_write()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    expect(client.loop_misc()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    expect(await client.loop()).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect(await client.loop_stop()).toBe(MQTTErrorCode.MQTT_ERR_INVAL)
    expect([client.ack(1, 1), client.socket(), client.is_connected(), client.want_write()]).toEqual([
      0,
      null,
      false,
      false,
    ])
    client.manual_ack_set(true)
    expect(client.ack(1, 1)).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    await expect(client.reconnect()).rejects.toThrow(ValueError)
  })
})

describe('what MQTT forbids in CONNECT', () => {
  test.each([
    [MQTTv31, 'x'.repeat(24), 60],
    [MQTTv311, 'c', 70_000],
    [MQTTv311, 'a\u0000b', 60],
  ] as const)('is a ValueError of connect() (protocol %d)', async (protocol, id, keepalive) => {
    const peer = await ScriptedPeer.listen()
    client = new Client(V2, id, { protocol })
    await expect(client.connect('127.0.0.1', peer.port, keepalive)).rejects.toThrow(ValueError)
    expect(client.socket()).toBeNull()
    await peer.close()
  })
})

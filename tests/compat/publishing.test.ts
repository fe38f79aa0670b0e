import {
  CallbackAPIVersion,
  Client,
  MQTTErrorCode,
  MQTTv5,
  PacketTypes,
  Properties,
  type ReasonCode,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { online } from './online.ts'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** Section 6 of the contract: numbers, windows, what is sent again, and when a message is finished. */

const V2 = CallbackAPIVersion.VERSION2
const CONNACK = '20020000'
const CONNACK5 = '2003000000'
const DUP = 8

let peer: ScriptedPeer
const clients: Client[] = []

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await peer.close()
})

function make(...args: unknown[]): Client {
  const client = new (Client as unknown as new (...args: unknown[]) => Client)(V2, ...args)
  clients.push(client)
  client.reconnect_delay_set(0.01)
  return client
}

/** The broker's side after the loop has connected again. */
async function again(connack: string): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  connection.send(connack)
  return connection
}

describe('message ids', () => {
  test('one counter for all that passes its checks, which never goes back', async () => {
    const client = make()
    expect(client.publish('a').mid).toBe(1)
    expect(() => client.publish('#')).toThrow()
    // No connection: no number is used up.
    client.subscribe('a')
    expect(client.publish('a', 'x', 1).mid).toBe(2)
    const first = await online(client, peer)
    expect([client.subscribe('a')[1], client.unsubscribe('a')[1], client.publish('b').mid]).toEqual([3, 4, 5])
    first.destroy()
    await again(CONNACK)
    while (!client.is_connected()) await new Promise(setImmediate)
    expect(client.publish('c').mid).toBe(6)
  })

  test('after 65535 comes 1, and a number that is still in use is refused', () => {
    const client = make()
    const kept = client.publish('a', 'x', 1)
    for (let mid = 2; mid <= 65_535; mid++) client.publish('a')
    const refused = client.publish('a', 'y', 2)
    expect([kept.mid, refused.mid, refused.rc]).toEqual([1, 1, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE])
    expect(() => refused.is_published()).toThrow()
    expect(client.publish('a', 'z', 1).mid).toBe(2)
    // QoS 0 minds nobody.
    for (let mid = 3; mid <= 65_535; mid++) client.publish('a')
    expect(client.publish('a')).toMatchObject({ mid: 1, rc: MQTTErrorCode.MQTT_ERR_NO_CONN })
  })
})

describe('the window', () => {
  test('is lowered by the Receive Maximum of the broker, and QoS 0 does not wait', async () => {
    const client = make('', { protocol: MQTTv5 })
    const connection = await online(client, peer, '2006000003 210001')
    client.publish('a', '1', 1)
    client.publish('a', '2', 2)
    client.publish('a', '0')
    expect(await connection.packet()).toBe('320700016100010031')
    expect(await connection.packet()).toBe('30050001610030')
    connection.send('40020001')
    expect(await connection.packet()).toBe('340700016100020032')
  })

  test('holds after a reconnect', async () => {
    const client = make('c', false)
    client.max_inflight_messages_set(2)
    const first = await online(client, peer)
    for (const payload of ['1', '2', '3']) client.publish('a', payload, 1)
    expect([await first.packet(), await first.packet()]).toEqual([
      publish3('a', '1', 1, 1),
      publish3('a', '2', 1, 2),
    ])
    first.destroy()
    const second = await again('20020100')
    expect([await second.packet(), await second.packet()]).toEqual([
      publish3('a', '1', 1, 1, DUP),
      publish3('a', '2', 1, 2, DUP),
    ])
    client.publish('mark')
    expect(await second.packet()).toBe(publish3('mark', ''))
    second.send('40020001')
    expect(await second.packet()).toBe(publish3('a', '3', 1, 3))
  })

  test('is not widened by what comes in', async () => {
    const client = make()
    client.max_inflight_messages_set(1)
    const connection = await online(client, peer)
    client.publish('a', '1', 1)
    client.publish('a', '2', 1)
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
    connection.send(publish3('in', '', 2, 9))
    expect(await connection.packet()).toBe('50020009')
    connection.send('62020009')
    expect(await connection.packet()).toBe('70020009')
    client.publish('mark')
    expect(await connection.packet()).toBe(publish3('mark', ''))
  })

  test('of zero is none', async () => {
    const client = make()
    client.max_inflight_messages = 0
    const connection = await online(client, peer)
    for (let count = 1; count <= 30; count++) client.publish('a', '', 1)
    for (let count = 1; count <= 30; count++)
      expect(await connection.packet()).toBe(publish3('a', '', 1, count))
  })
})

describe('after a reconnect', () => {
  const connack = { kept: '20020100', new: CONNACK }

  test.each([
    ['QoS 2 without PUBREC, to a kept session', 'kept', '', publish3('a', '1', 2, 1, DUP)],
    ['QoS 2 with PUBREC, to a kept session', 'kept', '50020001', '62020001'],
    ['QoS 2 without PUBREC, with a clean session', 'new', '', publish3('a', '1', 2, 2)],
    ['QoS 2 with PUBREC, with a clean session', 'new', '50020001', publish3('a', '1', 2, 2)],
  ] as const)('%s', async (_what, session, answer, sent) => {
    const client = make('c', session === 'new')
    const first = await online(client, peer)
    const info = client.publish('a', '1', 2)
    expect(await first.packet()).toBe(publish3('a', '1', 2, 1))
    if (answer !== '') {
      first.send(answer)
      expect(await first.packet()).toBe('62020001')
    }
    first.destroy()
    const second = await again(connack[session])
    expect(await second.packet()).toBe(sent)
    // With a clean session it is a new message, under another identifier.
    const id = session === 'new' ? '0002' : '0001'
    if (!sent.startsWith('62')) {
      second.send(`5002${id}`)
      expect(await second.packet()).toBe(`6202${id}`)
    }
    second.send(`7002${id}`)
    await info.wait_for_publish()
    expect(info.is_published()).toBe(true)
  })

  test('in the order of publish(), QoS 0, SUBSCRIBE and UNSUBSCRIBE not again', async () => {
    const client = make('c', false)
    const first = await online(client, peer)
    client.subscribe('s')
    first.send(`9003${(await first.packet()).slice(4, 8)}00`)
    client.unsubscribe('s')
    first.send(`b002${(await first.packet()).slice(4, 8)}`)
    client.publish('a', '1', 1)
    client.publish('a', '0')
    client.publish('a', '2', 2)
    for (let count = 0; count < 3; count++) await first.packet()
    first.destroy()
    const second = await again('20020100')
    const packets = [await second.packet(), await second.packet()]
    expect(packets.map((packet) => packet.slice(0, 2))).toEqual(['3a', '3c'])
    client.publish('mark')
    expect(await second.packet()).toBe(publish3('mark', ''))
  })
})

describe('finishing', () => {
  test('QoS 2 of MQTT 5: PUBREC, PUBREL, PUBCOMP, and on_publish with its reason and properties', async () => {
    const client = make('', { protocol: MQTTv5 })
    const connection = await online(client, peer, CONNACK5)
    const told = new Promise<string[]>((resolve) => {
      client.on_publish = (_client, _userdata, mid: number, reason: ReasonCode, properties: Properties) => {
        resolve([`${mid}`, `${reason}`, `${properties}`])
      }
    })
    client.publish('a', 'x', 2)
    expect(await connection.packet()).toBe('340700016100010078')
    connection.send('50020001')
    expect(await connection.packet()).toBe('62020001')
    connection.send('7008 0001 92 04 1f 0001 72')
    expect(await told).toEqual(['1', 'Packet identifier not found', '[ReasonString : r]'])
  })

  test('a failure is a finish too: the info is published and its rc stays', async () => {
    const client = make('', { protocol: MQTTv5 })
    const connection = await online(client, peer, CONNACK5)
    const info = client.publish('a', 'x', 1)
    await connection.packet()
    connection.send('4004 0001 97 00')
    await info.wait_for_publish()
    expect([info.rc, info.is_published()]).toEqual([0, true])
  })

  test('acknowledgements of unknown mids are ignored', async () => {
    const client = make()
    const connection = await online(client, peer)
    connection.send('40020009' + '70020009')
    connection.send(publish3('a', '', 1, 5))
    expect(await connection.packet()).toBe('40020005')
    expect(client.is_connected()).toBe(true)
  })

  test('wait_for_publish() ends with what the message ended with', async () => {
    const client = make()
    const connection = await online(client, peer)
    const info = client.publish('a', 'x', 1)
    await info.wait_for_publish(0.001)
    expect(info.is_published()).toBe(false)
    await connection.packet()
    connection.send('40020001')
    await info.wait_for_publish(5)
    expect(info.is_published()).toBe(true)
  })
})

describe('payloads', () => {
  test.each([
    ['ä', 'c3a4'],
    [Buffer.of(1, 2), '0102'],
    [1.5, '312e35'],
    [12n, '3132'],
    [true, '54727565'],
    [null, ''],
  ])('%s on the wire', async (payload, hex) => {
    const client = make()
    const connection = await online(client, peer)
    client.publish('a', payload)
    expect((await connection.packet()).slice(10)).toBe(hex)
  })

  test('bytes are copied at the call', async () => {
    const client = make()
    const connection = await online(client, peer)
    const bytes = Buffer.alloc(10_000, 'x')
    client.publish('a', bytes)
    bytes.fill('y')
    expect((await connection.packet()).slice(12)).toBe('78'.repeat(10_000))
  })

  test('properties are ignored before MQTT 5', async () => {
    const client = make()
    const connection = await online(client, peer)
    const properties = new Properties(PacketTypes.PUBLISH)
    properties.ContentType = 'text'
    client.publish('a', 'x', { properties })
    expect(await connection.packet()).toBe(publish3('a', 'x'))
  })
})

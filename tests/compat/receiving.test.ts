import {
  CallbackAPIVersion,
  Client,
  type MQTTMessage,
  MQTTv5,
  PacketTypes,
  Properties,
} from 'mqtt-await/compat'
import { memoryStore } from 'mqtt-await/store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { online } from './online.ts'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** What the broker sees of a received message, byte by byte, and when the callbacks run. */

const V2 = CallbackAPIVersion.VERSION2
const KEPT = '20020100'
const PUBREC = '50020007'
const PUBREL = '62020007'
const PUBCOMP = '70020007'
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

type Keywords = ConstructorParameters<typeof Client>[3]

/** A client of a kept session, and the payloads that it has been told of. */
function make(keywords: object = {}): { client: Client; seen: string[] } {
  const client = new Client(V2, 'c', false, { userdata: null, ...keywords } as Keywords)
  clients.push(client)
  client.reconnect_delay_set(0.01)
  const seen: string[] = []
  client.on_message = (_client, _userdata, message: MQTTMessage) => {
    seen.push(String(Buffer.from(message.payload)))
  }
  return { client, seen }
}

/** The broker's side after the loop has connected again. */
async function again(connack: string = KEPT): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  connection.send(connack)
  return connection
}

/** PINGREQ is answered by nobody here: what is published last tells that all before it has been handled. */
async function nothingBefore(client: Client, connection: PeerConnection): Promise<void> {
  client.publish('mark')
  expect(await connection.packet()).toBe(publish3('mark', ''))
}

describe('QoS 2', () => {
  test('PUBREC at once and no callback, callback at PUBREL, then PUBCOMP', async () => {
    const { client, seen } = make()
    const connection = await online(client, peer)
    connection.send(publish3('a', '1', 2, 7))
    expect(await connection.packet()).toBe(PUBREC)
    await nothingBefore(client, connection)
    expect(seen).toEqual([])
    connection.send(PUBREL)
    expect(await connection.packet()).toBe(PUBCOMP)
    expect(seen).toEqual(['1'])
  })

  test('the same with MQTT 5, properties and all', async () => {
    const client = new Client(V2, 'c', { protocol: MQTTv5 })
    clients.push(client)
    const told = new Promise<MQTTMessage>((resolve) => {
      client.on_message = (_client, _userdata, message: MQTTMessage) => resolve(message)
    })
    const connection = await online(client, peer, '2003000000')
    connection.send('340e 0001 61 0007 07 0b05 03 0002 6869 78')
    expect(await connection.packet()).toBe(PUBREC)
    connection.send(PUBREL)
    expect(await connection.packet()).toBe(PUBCOMP)
    const message = await told
    expect(String(message.properties)).toBe('[ContentType : hi, SubscriptionIdentifier : [5]]')
    expect([message.topic, message.mid, message.qos, String(message.payload)]).toEqual(['a', 7, 2, '120'])
  })

  test('what the callback publishes leaves before PUBCOMP', async () => {
    const { client } = make()
    client.on_message = () => client.publish('b', 'x')
    const connection = await online(client, peer)
    connection.send(publish3('a', '1', 2, 7))
    expect(await connection.packet()).toBe(PUBREC)
    connection.send(PUBREL)
    expect(await connection.packet()).toBe(publish3('b', 'x'))
    expect(await connection.packet()).toBe(PUBCOMP)
  })

  test('a repeated PUBLISH replaces the message and gets another PUBREC; a repeated PUBREL gets another PUBCOMP', async () => {
    const { client, seen } = make()
    const connection = await online(client, peer)
    connection.send(publish3('a', '1', 2, 7))
    expect(await connection.packet()).toBe(PUBREC)
    connection.send(publish3('a', '2', 2, 7, DUP))
    expect(await connection.packet()).toBe(PUBREC)
    for (let count = 0; count < 2; count++) {
      connection.send(PUBREL)
      expect(await connection.packet()).toBe(PUBCOMP)
    }
    expect(seen).toEqual(['2'])
  })

  test('PUBREL of an unknown mid is answered by PUBCOMP, without a callback', async () => {
    for (const manual_ack of [false, true]) {
      const { client, seen } = make({ manual_ack })
      const connection = await online(client, peer)
      connection.send(PUBREL)
      expect(await connection.packet()).toBe(PUBCOMP)
      expect(seen).toEqual([])
    }
  })

  test('over a reconnect: a message whose PUBREC has left is delivered at the PUBREL that comes then', async () => {
    const { client, seen } = make()
    const first = await online(client, peer)
    first.send(publish3('a', '1', 2, 7))
    expect(await first.packet()).toBe(PUBREC)
    first.destroy()
    const second = await again()
    second.send(PUBREL)
    expect(await second.packet()).toBe(PUBCOMP)
    expect(seen).toEqual(['1'])
  })

  test('it is forgotten with its session', async () => {
    const client = new Client(V2, 'c')
    clients.push(client)
    client.reconnect_delay_set(0.01)
    const seen: unknown[] = []
    client.on_message = (_client, _userdata, message: MQTTMessage) => seen.push(String(message.payload))
    const first = await online(client, peer)
    first.send(publish3('a', '1', 2, 7))
    expect(await first.packet()).toBe(PUBREC)
    first.destroy()
    const second = await again('20020000')
    second.send(PUBREL)
    expect(await second.packet()).toBe(PUBCOMP)
    expect(seen).toEqual([])
  })

  test('a callback that throws: the message counts as handled and PUBCOMP is not sent', async () => {
    const { client } = make()
    const seen: number[] = []
    client.on_message = (_client, _userdata, message: MQTTMessage) => {
      seen.push(message.mid)
      if (message.mid === 7) throw new Error('mine')
    }
    await client.connect('127.0.0.1', peer.port)
    const connection = await peer.accept()
    await connection.packet()
    connection.send('20020000')
    await client.loop()
    connection.send(publish3('a', '1', 2, 7) + publish3('a', '2', 2, 8))
    await client.loop()
    expect([await connection.packet(), await connection.packet()]).toEqual([PUBREC, '50020008'])
    connection.send(`${PUBREL}62020008`)
    await expect(client.loop()).rejects.toThrow('mine')
    await client.loop(0.01)
    expect(await connection.packet()).toBe('70020008')
    // Sent again, it is nobody's.
    connection.send(PUBREL)
    await client.loop()
    expect(await connection.packet()).toBe(PUBCOMP)
    expect(seen).toEqual([7, 8])
  })

  test('a callback that calls disconnect(): PUBCOMP when PUBREL comes again, without another callback', async () => {
    const { client, seen } = make()
    const record = client.on_message
    client.on_message = (...args) => {
      record?.(...args)
      client.disconnect()
    }
    const first = await online(client, peer)
    first.send(publish3('a', '1', 2, 7))
    expect(await first.packet()).toBe(PUBREC)
    first.send(PUBREL)
    expect(await first.packet()).toBe('e000')
    expect(await first.packet()).toBe('closed')
    const second = await online(client, peer, KEPT)
    second.send(PUBREL)
    expect(await second.packet()).toBe(PUBCOMP)
    expect(seen).toEqual(['1'])
  })
})

describe('a received message', () => {
  test('has everything that its packet says', async () => {
    const { client } = make()
    const told = new Promise<MQTTMessage>((resolve) => {
      client.on_message = (_client, _userdata, message) => resolve(message)
    })
    const before = performance.now() / 1000
    const connection = await online(client, peer)
    connection.send(publish3('a/b', 'x', 1, 7, DUP | 1))
    const message = await told
    expect(message).toMatchObject({ topic: 'a/b', qos: 1, mid: 7, retain: true, dup: true, properties: null })
    expect(Buffer.from(message.payload).toString()).toBe('x')
    expect(message.timestamp).toBeGreaterThan(before)
    expect(message.timestamp).toBeLessThan(performance.now() / 1000)
  })

  test('whose topic is an alias has the name, and the alias among its properties', async () => {
    const client = new Client(V2, 'c', { protocol: MQTTv5 })
    clients.push(client)
    const properties = new Properties(PacketTypes.CONNECT)
    properties.TopicAliasMaximum = 2
    const seen: string[] = []
    client.on_message = (_client, _userdata, message: MQTTMessage) => {
      seen.push(`${message.topic} ${message.properties?.TopicAlias}`)
    }
    await client.connect('127.0.0.1', peer.port, { properties })
    const connection = await peer.accept()
    connection.send('2003000000 3009 0003 612f62 03 23 0002 3006 0000 03 23 0002')
    client.loop_start()
    while (seen.length < 2) await new Promise(setImmediate)
    expect(seen).toEqual(['a/b 2', 'a/b 2'])
  })
})

describe('manual acknowledgement', () => {
  test('of QoS 2: PUBREC by itself, PUBCOMP by ack(mid, 2)', async () => {
    const { client, seen } = make({ manual_ack: true })
    const connection = await online(client, peer)
    connection.send(publish3('a', '1', 2, 7))
    expect(await connection.packet()).toBe(PUBREC)
    // Nothing to acknowledge yet.
    expect(client.ack(7, 2)).toBe(0)
    connection.send(PUBREL)
    while (seen.length === 0) await new Promise(setImmediate)
    for (const [mid, qos] of [
      [7, 0],
      [7, 1],
      [8, 2],
    ] as const) {
      expect(client.ack(mid, qos)).toBe(0)
    }
    await nothingBefore(client, connection)
    expect(client.ack(7, 2)).toBe(0)
    expect(await connection.packet()).toBe(PUBCOMP)
    client.ack(7, 2)
    await nothingBefore(client, connection)
  })

  test('of QoS 2 inside the callback', async () => {
    const { client } = make({ manual_ack: true })
    client.on_message = (_client, _userdata, message: MQTTMessage) => client.ack(message.mid, message.qos)
    const connection = await online(client, peer)
    connection.send(publish3('a', '1', 1, 6))
    expect(await connection.packet()).toBe('40020006')
    connection.send(publish3('a', '1', 2, 7))
    expect(await connection.packet()).toBe(PUBREC)
    connection.send(PUBREL)
    expect(await connection.packet()).toBe(PUBCOMP)
  })

  test('of QoS 2 over a reconnect: PUBCOMP is withheld still, and the message is not delivered again', async () => {
    const { client, seen } = make({ manual_ack: true })
    const first = await online(client, peer)
    first.send(publish3('a', '1', 2, 7))
    expect(await first.packet()).toBe(PUBREC)
    first.send(PUBREL)
    while (seen.length === 0) await new Promise(setImmediate)
    first.destroy()
    const second = await again()
    second.send(PUBREL)
    while (!client.is_connected()) await new Promise(setImmediate)
    await nothingBefore(client, second)
    expect(client.ack(7, 2)).toBe(0)
    expect(await second.packet()).toBe(PUBCOMP)
    expect(seen).toEqual(['1'])
  })

  test('of QoS 2 without a connection: MQTT_ERR_NO_CONN, and PUBCOMP when PUBREL comes again', async () => {
    const { client, seen } = make({ manual_ack: true })
    const first = await online(client, peer)
    first.send(publish3('a', '1', 2, 7))
    expect(await first.packet()).toBe(PUBREC)
    first.send(PUBREL)
    while (seen.length === 0) await new Promise(setImmediate)
    client.disconnect()
    while (client.socket() !== null) await new Promise(setImmediate)
    expect(client.ack(7, 2)).toBe(4)
    const second = await online(client, peer, KEPT)
    second.send(PUBREL)
    expect(await second.packet()).toBe(PUBCOMP)
    expect(seen).toEqual(['1'])
  })

  test('of QoS 1: what was not acknowledged before a reconnect is delivered again', async () => {
    const { client, seen } = make({ manual_ack: true })
    const first = await online(client, peer)
    first.send(publish3('a', '1', 1, 7) + publish3('a', '2', 1, 8))
    while (seen.length < 2) await new Promise(setImmediate)
    client.ack(7, 1)
    expect(await first.packet()).toBe('40020007')
    first.destroy()
    const second = await again()
    second.send(publish3('a', '2', 1, 8, DUP))
    while (seen.length < 3) await new Promise(setImmediate)
    expect(client.ack(8, 1)).toBe(0)
    expect(await second.packet()).toBe('40020008')
    expect(seen).toEqual(['1', '2', '2'])
  })
})

describe('what came after the message whose callback disconnects', () => {
  test.each([1, 2] as const)('QoS %d is told when the broker sends it again', async (qos) => {
    const { client, seen } = make()
    const record = client.on_message
    client.on_message = (...args) => {
      record?.(...args)
      if (seen.length === 1) client.disconnect()
    }
    const first = await online(client, peer)
    first.send(publish3('a', '1', qos, 7) + publish3('a', '2', qos, 8))
    if (qos === 2) {
      expect([await first.packet(), await first.packet()]).toEqual([PUBREC, '50020008'])
      first.send(`${PUBREL}62020008`)
    }
    expect(await first.packet()).toBe('e000')
    expect(seen).toEqual(['1'])
    const second = await online(client, peer, KEPT)
    second.send(qos === 1 ? publish3('a', '2', 1, 8, DUP) : '62020008')
    expect(await second.packet()).toBe(qos === 1 ? '40020008' : '70020008')
    expect(seen).toEqual(['1', '2'])
  })
})

describe('with a session store', () => {
  test('a received QoS 2 message outlives the process, and is told at its PUBREL', async () => {
    const session_store = memoryStore()
    const first = make({ session_store })
    const before = await online(first.client, peer)
    before.send(publish3('a', '1', 2, 7) + publish3('a', '2', 2, 8))
    expect([await before.packet(), await before.packet()]).toEqual([PUBREC, '50020008'])
    before.send(PUBREL)
    expect(await before.packet()).toBe(PUBCOMP)
    expect(first.seen).toEqual(['1'])
    first.client.disconnect()
    expect(await before.packet()).toBe('e000')
    await first.client.loop_stop()

    const next = make({ session_store })
    const after = await online(next.client, peer, KEPT)
    after.send(`${PUBREL}62020008`)
    expect([await after.packet(), await after.packet()]).toEqual([PUBCOMP, '70020008'])
    expect(next.seen).toEqual(['2'])
    next.client.disconnect()
    expect(await after.packet()).toBe('e000')
    await next.client.loop_stop()
  })
})

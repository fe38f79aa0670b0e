import { CallbackAPIVersion, Client, MQTTErrorCode, ValueError } from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { online } from './online.ts'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** What programs of Paho do inside their callbacks, and what must come of it. */

const HOST = '127.0.0.1'
let peer: ScriptedPeer
let client: Client

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
  client = new Client(CallbackAPIVersion.VERSION2, 'c')
  client.reconnect_delay_set(0.01)
})

afterEach(async () => {
  client.on_disconnect = null
  client.disconnect()
  await peer.close()
})

/** A connection whose CONNECT has been read and answered. */
async function accepted(): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  connection.send('20020000')
  return connection
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise(setImmediate)
}

describe('on_disconnect', () => {
  test('reconnect() is the one new connection: the loop does not make another', async () => {
    client.reconnect_delay_set(0.3)
    client.on_disconnect = () => void client.reconnect()
    const first = await online(client, peer)
    first.destroy()
    await accepted()
    await until(() => client.is_connected())
    let third = false
    void peer.accept().then(() => {
      third = true
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(third).toBe(false)
  })

  test('reconnect() after disconnect(): the loop goes on, also over the next loss', async () => {
    let connections = 0
    client.on_connect = () => {
      connections += 1
      if (connections === 1) client.disconnect()
    }
    client.on_disconnect = () => {
      if (connections === 1) void client.reconnect()
    }
    await client.connect(HOST, peer.port)
    const loop = client.loop_forever()
    expect(await (await accepted()).packet()).toBe('e000')
    const second = await accepted()
    await until(() => client.is_connected())
    second.destroy()
    await accepted()
    await until(() => client.is_connected())
    client.disconnect()
    expect(await loop).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
  })

  test('connect() to another broker', async () => {
    const other = await ScriptedPeer.listen()
    client.on_disconnect = () => void client.connect(HOST, other.port)
    const first = await online(client, peer)
    first.destroy()
    const second = await other.accept()
    await second.packet()
    second.send('20020000')
    await until(() => client.is_connected())
    client.on_disconnect = null
    client.disconnect()
    await other.close()
  })
})

describe('on_pre_connect', () => {
  test('what it throws comes out of connect(), and of the loop that connects', async () => {
    client.on_pre_connect = () => {
      throw new Error('mine')
    }
    await expect(client.connect(HOST, peer.port)).rejects.toThrow('mine')
    client.on_connect_fail = () => client.disconnect()
    client.connect_async(HOST, peer.port)
    await expect(client.loop_forever(1, true)).rejects.toThrow('mine')
  })
})

test('a CONNECT that MQTT forbids is no failed attempt: the loop rejects', async () => {
  client.on_connect_fail = () => client.disconnect()
  client.connect_async(HOST, peer.port, 70_000)
  await expect(client.loop_forever(1, true)).rejects.toThrow(ValueError)
})

test('on_publish: disconnect()', async () => {
  client.on_publish = () => client.disconnect()
  const connection = await online(client, peer)
  client.publish('a', 'x', 1)
  await connection.packet()
  connection.send('40020001')
  expect(await connection.packet()).toBe('e000')
  await client.loop_stop()
})

test('on_connect: loop_stop() and disconnect()', async () => {
  client.on_connect = () => {
    void client.loop_stop()
    client.disconnect()
  }
  client.loop_start()
  await client.connect(HOST, peer.port)
  expect(await (await accepted()).packet()).toBe('e000')
})

test('on_connect: a QoS 1 message each time, and those of before are kept', async () => {
  client.on_connect = () => client.publish('hello', '', 1)
  await client.connect(HOST, peer.port)
  client.loop_start()
  const first = await accepted()
  expect((await first.packet()).slice(0, 2)).toBe('32')
  first.destroy()
  const second = await accepted()
  const packets = [await second.packet(), await second.packet()]
  expect(packets.map((packet) => packet.slice(0, 2))).toEqual(['32', '32'])
})

test('on_message: requests and new filters', async () => {
  let messages = 0
  client.on_message = () => {
    messages += 1
    client.unsubscribe('a')
    client.subscribe('a', 1)
    if (messages === 50) client.message_callback_add('#', () => client.publish('b'))
  }
  const connection = await online(client, peer)
  connection.send(publish3('a', '').repeat(51))
  const types = []
  for (let count = 0; count < 101; count++) types.push((await connection.packet()).slice(0, 2))
  expect(types.sort()).toEqual([
    '30',
    ...Array.from({ length: 50 }, () => '82'),
    ...Array.from({ length: 50 }, () => 'a2'),
  ])
})

test('on_log: publish(), once for each kind of line', async () => {
  const kinds = new Set<string>()
  client.on_log = (_client, _userdata, _level, line) => {
    const kind = line.split(' ').slice(0, 2).join(' ')
    if (kinds.has(kind)) return
    kinds.add(kind)
    client.publish('log', kind, 1)
  }
  const connection = await online(client, peer)
  client.subscribe('s')
  connection.send(publish3('in', '', 1, 9))
  const texts: string[] = []
  while (kinds.size < 6 || texts.length < 8)
    texts.push(Buffer.from(await connection.packet(), 'hex').toString('latin1'))
  const published = texts.filter((text) => text.includes('log')).map((text) => text.slice(9))
  // Each once, and none as a repeat.
  expect(published.sort()).toEqual([...kinds].sort())
  expect(texts.filter((text) => text.charCodeAt(0) === 0x3a)).toEqual([])
})

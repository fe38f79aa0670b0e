import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CallbackAPIVersion, Client, MQTTErrorCode } from 'mqtt-await/compat'
import { levelStore, memoryStore, type SessionStore } from 'mqtt-await/store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

const V2 = CallbackAPIVersion.VERSION2
let peer: ScriptedPeer
const clients: Client[] = []

beforeEach(async () => {
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

test('with a store the next process sends what this one could not finish', async () => {
  const session_store = memoryStore()
  const first = track(new Client(V2, 'c', false, { session_store }))
  first.loop_start()
  first.publish('early', '1', 1)
  await first.connect('127.0.0.1', peer.port)
  const connection = await peer.accept()
  await connection.packet()
  connection.send('20020000')
  expect(await connection.packet()).toBe(publish3('early', '1', 1, 1))
  const gone = first.publish('a', '2', 1)
  const second = await connection.packet()
  expect(second).toBe(publish3('a', '2', 1, 2))
  expect(gone.mid).toBe(2)
  const acknowledged = new Promise((resolve) => {
    first.on_publish = resolve
  })
  connection.send('40020001')
  await acknowledged
  first.disconnect()
  expect(await connection.packet()).toBe('e000')
  await first.loop_stop()

  const next = track(new Client(V2, 'c', false, { session_store }))
  const finished = new Promise<number>((resolve) => {
    next.on_publish = (_client, _userdata, mid: number) => resolve(mid)
  })
  next.loop_start()
  await next.connect('127.0.0.1', peer.port)
  const again = await peer.accept()
  await again.packet()
  again.send('20020100')
  expect(await again.packet()).toBe(publish3('a', '2', 1, 2, 8))
  again.send('40020002')
  expect(await finished).toBe(2)
  expect(next.publish('b', '3', 1).mid).toBe(3)
})

describe('the store is open from connect() to the end of disconnect()', () => {
  /** Whether somebody has it open. */
  async function isOpen(store: SessionStore): Promise<boolean> {
    try {
      await store.open()
    } catch {
      return true
    }
    await store.close()
    return false
  }

  async function closed(store: SessionStore): Promise<void> {
    while (await isOpen(store)) await new Promise(setImmediate)
  }

  async function connected(client: Client, connack = '20020000'): Promise<PeerConnection> {
    await client.connect('127.0.0.1', peer.port)
    const connection = await peer.accept()
    await connection.packet()
    connection.send(connack)
    while (!client.is_connected()) await client.loop(0.05)
    return connection
  }

  let session_store: SessionStore
  let client: Client

  beforeEach(() => {
    session_store = memoryStore()
    client = track(new Client(V2, 'c', false, { session_store }))
  })

  test('nothing is opened before, and publish() waits', async () => {
    client.publish('a', '1', 1)
    expect(await isOpen(session_store)).toBe(false)
    const connection = await connected(client)
    expect(await isOpen(session_store)).toBe(true)
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
  })

  test('disconnect() without a loop', async () => {
    await connected(client)
    client.disconnect()
    await closed(session_store)
  })

  test('disconnect(), then loop_stop()', async () => {
    client.loop_start()
    await connected(client)
    client.disconnect()
    expect(await client.loop_stop()).toBe(0)
    expect(await isOpen(session_store)).toBe(false)
  })

  test('the lock of a directory is free then, for any process', async () => {
    const location = mkdtempSync(join(tmpdir(), 'compat-store-'))
    try {
      const own = track(new Client(V2, 'c', false, { session_store: levelStore(location) }))
      own.loop_start()
      await connected(own)
      await expect(levelStore(location).open()).rejects.toMatchObject({ code: 'ERR_MQTT_STORE_LOCKED' })
      own.disconnect()
      await own.loop_stop()
      const free = levelStore(location)
      await free.open()
      await free.close()
    } finally {
      rmSync(location, { recursive: true })
    }
  })

  test('the end of loop_forever()', async () => {
    await connected(client)
    const loop = client.loop_forever()
    client.disconnect()
    expect(await loop).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect(await isOpen(session_store)).toBe(false)
  })

  test('a connection that is lost leaves it open, and disconnect() after that closes it', async () => {
    const connection = await connected(client)
    connection.destroy()
    while (client.socket() !== null) await client.loop(0.05)
    expect(await isOpen(session_store)).toBe(true)
    expect(client.disconnect()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    await closed(session_store)
  })

  test('disconnect() while it is being opened', async () => {
    const opening = client.connect('127.0.0.1', peer.port)
    expect(client.disconnect()).toBe(0)
    await opening
    await closed(session_store)
  })

  test('an attempt that is given up for another', async () => {
    const first = client.connect('127.0.0.1', peer.port)
    await connected(client)
    expect(await first).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    client.disconnect()
    await closed(session_store)
  })

  test('an attempt that fails, and disconnect()', async () => {
    await expect(client.connect('127.0.0.1', 1)).rejects.toThrow('ECONNREFUSED')
    client.disconnect()
    await closed(session_store)
  })

  test('reinitialise() gives it up', async () => {
    await connected(client)
    client.reinitialise('other')
    await closed(session_store)
    const connection = await connected(client)
    client.publish('a', '1', 1)
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
    expect(await isOpen(session_store)).toBe(false)
  })

  test('connecting again goes on, with what was published meanwhile, and keeps it', async () => {
    const connection = await connected(client)
    const sent = client.publish('a', '1', 1)
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
    client.disconnect()
    await closed(session_store)
    const away = client.publish('a', '2', 1)
    expect(away.rc).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    const again = await connected(client, '20020100')
    expect(await again.packet()).toBe(publish3('a', '1', 1, 1, 8))
    expect(await again.packet()).toBe(publish3('a', '2', 1, 2))
    again.send('40020001')
    while (!sent.is_published()) await client.loop(0.05)
    client.disconnect()
    await closed(session_store)

    const next = track(new Client(V2, 'c', false, { session_store }))
    const last = await connected(next, '20020100')
    expect(await last.packet()).toBe(publish3('a', '2', 1, 2, 8))
  })

  test('a store that somebody else has used meanwhile is an error of connect()', async () => {
    await connected(client)
    client.disconnect()
    await closed(session_store)
    const other = track(new Client(V2, 'c', false, { session_store }))
    await connected(other)
    await expect(client.connect('127.0.0.1', peer.port)).rejects.toMatchObject({
      code: 'ERR_MQTT_STORE_LOCKED',
    })
    other.disconnect()
    await closed(session_store)
    await expect(client.connect('127.0.0.1', peer.port)).rejects.toThrow('used by another client')
    expect(await isOpen(session_store)).toBe(false)
  })
})

test('without republish_on_clean_session what was sent is dropped, and what was not is kept', async () => {
  const client = track(new Client(V2, 'c', { republish_on_clean_session: false }))
  client.reconnect_delay_set(0.01)
  client.max_inflight_messages_set(1)
  client.loop_start()
  const sent = client.publish('a', '1', 1)
  const waiting = client.publish('a', '2', 1)
  sent.rc = 0
  waiting.rc = 0
  await client.connect('127.0.0.1', peer.port)
  const connection = await peer.accept()
  await connection.packet()
  connection.send('20020000')
  expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
  connection.destroy()
  const again = await peer.accept()
  await again.packet()
  again.send('20020000')
  const packet = await again.packet()
  expect(packet.slice(0, 2)).toBe('32')
  expect(packet.endsWith('32')).toBe(true)
  expect(sent.rc).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
  again.send(`4002${packet.slice(10, 14)}`)
  await waiting.wait_for_publish()
  expect(waiting.is_published()).toBe(true)
})

test('a store that fails ends the loop with its error', async () => {
  const session_store = memoryStore()
  const client = track(new Client(V2, 'c', false, { session_store }))
  client.on_connect = async () => {
    await session_store.close()
    client.publish('a', '1', 1)
  }
  await client.connect('127.0.0.1', peer.port)
  const connection = await peer.accept()
  await connection.packet()
  connection.send('20020000')
  await expect(client.loop_forever()).rejects.toMatchObject({ name: 'StoreError' })
  expect(await connection.packet()).toBe('closed')
})

test('a store that can not be opened is named by the log of a loop that tries again', async () => {
  const session_store = memoryStore()
  await session_store.open()
  const client = track(new Client(V2, 'c', false, { session_store }))
  client.reconnect_delay_set(0.01)
  const lines: string[] = []
  client.on_log = (_client, _userdata, level, line) => {
    if (level === 8) lines.push(line)
  }
  client.connect_async('127.0.0.1', peer.port)
  client.loop_start()
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(lines[0]).toContain('in use by another client')
  // Which goes on as soon as it can.
  await session_store.close()
  expect((await (await peer.accept()).packet()).slice(0, 2)).toBe('10')
})

test('a store that is damaged is a line of the log, and what can be read goes on', async () => {
  const healthy = memoryStore()
  const first = track(new Client(V2, 'c', false, { session_store: healthy }))
  first.loop_start()
  await first.connect('127.0.0.1', peer.port)
  const before = await peer.accept()
  await before.packet()
  before.send('20020000')
  for (const payload of ['1', '2']) {
    first.publish('a', payload, 1)
    expect((await before.packet()).slice(0, 2)).toBe('32')
  }
  first.disconnect()
  await first.loop_stop()
  let isFirst = true
  const damaged: SessionStore = {
    open: () => healthy.open(),
    close: () => healthy.close(),
    write: (batch) => healthy.write(batch),
    async *load(from) {
      for await (const { position, bytes } of healthy.load(from)) {
        const copy = bytes.slice()
        // The payload of the first message: the last byte of its record.
        const at = Buffer.from(copy).indexOf(Buffer.from('\0\x01a1'))
        if (isFirst && at >= 0) {
          copy[at + 3] = 0x39
          isFirst = false
        }
        yield { position, bytes: copy }
      }
    },
  }
  const next = track(new Client(V2, 'c', false, { session_store: damaged }))
  const lines: string[] = []
  next.on_log = (_client, _userdata, level, line) => {
    if (level === 8) lines.push(line)
  }
  next.loop_start()
  expect(await next.connect('127.0.0.1', peer.port)).toBe(0)
  const after = await peer.accept()
  await after.packet()
  after.send('20020100')
  expect(await after.packet()).toBe(publish3('a', '2', 1, 2, 8))
  expect(lines).toEqual([expect.stringContaining('The session store was damaged')])
})

test.each([3, 4, 5] as const)(
  'MQTT version %i: what was published while offline leaves after what on_connect subscribes to, and before what it publishes',
  async (protocol) => {
    const client = track(new Client(V2, 'c', { protocol }))
    client.reconnect_delay_set(0.05, 0.05)
    const connack = protocol === 5 ? '2003000000' : '20020000'
    client.loop_start()
    await client.connect('127.0.0.1', peer.port)
    const first = await peer.accept()
    await first.packet()
    first.send(connack)
    const lost = new Promise((resolve) => {
      client.on_disconnect = resolve
    })
    await expect.poll(() => client.is_connected()).toBe(true)
    client.on_connect = () => {
      client.subscribe('answers', 1)
      client.publish('online', 'x', 1)
    }
    first.destroy()
    await lost
    client.publish('offline', 'x', 1)
    const second = await peer.accept()
    await second.packet()
    second.send(connack)
    const kinds = [await second.packet(), await second.packet(), await second.packet()].map((packet) => {
      const text = Buffer.from(packet, 'hex').toString('latin1')
      return /answers|offline|online/.exec(text)?.[0]
    })
    expect(kinds).toEqual(['answers', 'offline', 'online'])
  },
)

import { CallbackAPIVersion, Client, MQTTErrorCode } from 'mqtt-await/compat'
import { memoryStore } from 'mqtt-await/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { publish3, ScriptedPeer } from './scripted-peer.ts'

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
  await session_store.close()

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

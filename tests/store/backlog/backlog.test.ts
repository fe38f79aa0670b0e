import { type ClientOptions, type MqttError, PublishError, type StoreError } from 'mqtt-await'
import { expect, test } from 'vitest'
import { ScriptedBroker } from '../../client/scripted-broker.ts'
import { CrashStore } from '../../support/crash-store.ts'

const MEMORY = 16
const text = new TextDecoder()

/** Numbers of the messages that the broker has, in the order in which they came. */
const numbersAt = (broker: ScriptedBroker): number[] =>
  broker.all('publish').map(({ payload }) => Number(text.decode(payload)))
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => from + n)

function setup(options: ClientOptions = {}, store = new CrashStore()) {
  const broker = new ScriptedBroker()
  const { queue, ...others } = options
  const client = broker.idleClient({
    store,
    sessionExpiryInterval: 0xffff_ffff,
    queue: { memoryMessages: MEMORY, ...queue },
    ...others,
  })
  return { broker, client, store }
}

test('what memory has no room for waits in the store, and all leave in order', async () => {
  const { broker, client } = setup()
  const publications = upTo(500).map((n) => client.publish('t', String(n), { qos: n % 2 === 0 ? 1 : 2 }))
  await Promise.all(publications.map(({ stored }) => stored))
  expect(client.stats.queuedMessages).toBe(500)
  expect(client.stats.queuedBytes).toBe(10 + 2 * 90 + 3 * 400)
  expect(client.needsDrain).toBe(false)
  expect(publications.map(({ state }) => state)).toEqual(upTo(500).map(() => 'stored'))
  await client.connect()
  const late = upTo(100, 500).map((n) => client.publish('t', String(n), { qos: 1 }))
  await client.flush()
  expect(numbersAt(broker)).toEqual(upTo(600))
  // Each is told what became of it, asked for before or after.
  for (const { acked, sent, state, packetId } of [...publications, ...late]) {
    expect(state).toBe('acked')
    expect(packetId).toBeGreaterThanOrEqual(0)
    await sent
    expect((await acked).reasonCode).toBe(0)
  }
  expect(client.stats).toMatchObject({ queuedMessages: 0, queuedBytes: 0, inFlight: 0 })
})

test('promises that are asked for while the message is in the store', async () => {
  const { broker, client } = setup({ maxInflight: 4 })
  broker.puback = ({ payload }) => (Number(text.decode(payload)) % 10 === 7 ? 0x97 : 0)
  const errors: MqttError[] = []
  client.on('error', (error) => errors.push(error))
  const publications = upTo(100).map((n) => client.publish('t', String(n), { qos: 1 }))
  const odd = publications.filter((_, n) => n % 2 === 1).map(({ acked }) => acked)
  await publications.at(-1)?.stored
  await client.connect()
  const outcomes = await Promise.allSettled(odd)
  expect(outcomes.map(({ status }) => status)).toEqual(
    upTo(50).map((n) => (n % 5 === 3 ? 'rejected' : 'fulfilled')),
  )
  await client.flush()
  // Nobody had asked for an even one, and each of the others was told to who asked.
  expect(errors).toEqual([])
  for (const [n, publication] of publications.entries()) {
    if (n % 10 === 7) {
      await expect(publication.acked).rejects.toBeInstanceOf(PublishError)
      expect(publication.state).toBe('failed')
    } else expect(await publication.acked).toEqual({ reasonCode: 0, properties: undefined })
  }
})

test('a failure that nobody asked about is told once, and kept for who asks later', async () => {
  const { broker, client } = setup()
  broker.puback = ({ payload }) => (text.decode(payload) === '70' ? 0x97 : 0)
  const errors: MqttError[] = []
  client.on('error', (error) => errors.push(error))
  const publications = upTo(100).map((n) => client.publish('t', String(n), { qos: 1 }))
  await client.connect()
  await client.flush()
  expect(errors).toHaveLength(1)
  expect(errors[0]).toBeInstanceOf(PublishError)
  await expect(publications[70]?.acked).rejects.toBe(errors[0])
  expect(client.stats.publishFailures).toBe(1)
})

test('a message in the store can be taken back, by cancel() and by a signal', async () => {
  const { broker, client, store } = setup()
  const abort = new AbortController()
  const publications = upTo(200).map((n) =>
    client.publish('t', String(n), { qos: 1, ...(n === 150 ? { signal: abort.signal } : {}) }),
  )
  await publications.at(-1)?.stored
  abort.abort(new Error('not any more'))
  await expect(publications[150]?.acked).rejects.toThrow('not any more')
  for (const n of [3, 50, 51, 199]) {
    expect(publications[n]?.cancel()).toBe(true)
    expect(publications[n]?.cancel()).toBe(false)
    await expect(publications[n]?.acked).rejects.toMatchObject({ code: 'ERR_MQTT_CANCELLED' })
  }
  expect(client.stats.queuedMessages).toBe(195)
  // Another process must not send them either.
  await client.close()
  const { broker: second, client: next } = setup({}, store.copy())
  await next.connect()
  await next.flush()
  const gone = new Set([3, 50, 51, 150, 199])
  expect(numbersAt(second)).toEqual(upTo(200).filter((n) => !gone.has(n)))
  expect(numbersAt(broker)).toEqual([])
})

test('messages are taken back while the store is being read', async () => {
  const { broker, client, store } = setup({ maxInflight: 2 })
  const cancelled = new Set<number>()
  const publications = upTo(300).map((n) => client.publish('t', String(n), { qos: 1 }))
  await publications.at(-1)?.stored
  const cancelSome = (every: number): void => {
    for (let n = 20; n < 300; n += every) if (publications[n]?.cancel() === true) cancelled.add(n)
  }
  const load = store.load.bind(store)
  store.load = async function* (from) {
    cancelSome(11)
    try {
      yield* load(from)
    } finally {
      cancelSome(7)
    }
  }
  await client.connect()
  await client.flush()
  expect(cancelled.size).toBeGreaterThan(10)
  expect(numbersAt(broker)).toEqual(upTo(300).filter((n) => !cancelled.has(n)))
})

test('messages expire in the store, in time and in name', async () => {
  const { broker, client } = setup()
  const expiring = upTo(100).map((n) =>
    client.publish(`t/${n}`, String(n), { qos: 1, messageExpiryInterval: n < 50 ? 1 : 3600 }),
  )
  const last = client.publish('t', '100', { qos: 1 })
  await last.stored
  // Nobody is connected.
  const outcomes = await Promise.allSettled(expiring.slice(0, 50).map(({ acked }) => acked))
  for (const [n, outcome] of outcomes.entries()) {
    expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_MQTT_MESSAGE_EXPIRED' })
    expect(String((outcome as PromiseRejectedResult).reason)).toContain(`t/${n}"`)
  }
  expect(client.stats.queuedMessages).toBe(51)
  await client.connect()
  await client.flush()
  expect(numbersAt(broker)).toEqual(upTo(51, 50))
  const interval = broker.all('publish')[0]?.properties?.messageExpiryInterval
  expect(interval).toBeGreaterThan(3590)
})

test('the next process takes up what the store alone has, and holds no more in memory than it should', async () => {
  const { client, store } = setup({ maxInflight: 3 })
  const publications = upTo(400).map((n) => client.publish('t', String(n), { qos: 2 }))
  await publications.at(-1)?.stored
  await client.close()
  // Killed several times, in the midst of sending.
  let left = store.copy()
  const sent: number[] = []
  for (let round = 0; round < 4; round++) {
    const { broker, client: next } = setup({ maxInflight: 3 }, left)
    broker.connack = { sessionPresent: round > 0 }
    await next.connect()
    await broker.next('publish', ({ payload }) => Number(text.decode(payload)) >= (round + 1) * 90)
    left = left.copy()
    sent.push(...numbersAt(broker))
    await next.close()
  }
  const { broker, client: last } = setup({}, left)
  broker.connack = { sessionPresent: true }
  await last.connect()
  const appended = last.publish('t', '400', { qos: 2 })
  await appended.acked
  await last.flush()
  sent.push(...numbersAt(broker))
  // Repeated where the process was killed, in order otherwise, and none left out.
  expect([...new Set(sent)]).toEqual(upTo(401))
  expect(left.blocks.size).toBeLessThan(80)
})

test('the limits of the queue count what is in the store', async () => {
  const { client } = setup({ queue: { maxMessages: 100 } })
  const publications = upTo(120).map((n) => client.publish('t', String(n), { qos: 1 }))
  const outcomes = await Promise.allSettled(publications.slice(100).map(({ acked }) => acked))
  for (const outcome of outcomes) {
    expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_MQTT_QUEUE_FULL' })
  }
})

test('who drops the oldest keeps all in memory, and drops the oldest', async () => {
  const { broker, client } = setup({ queue: { maxMessages: 100, overflow: 'drop-oldest' } })
  for (const n of upTo(300)) client.publish('t', String(n), { qos: 1 }).acked.catch(() => {})
  await client.connect()
  await client.flush()
  expect(numbersAt(broker)).toEqual(upTo(100, 200))
})

test('when the client ends, what waits in the store is told, and kept', async () => {
  const { client, store } = setup()
  const publications = upTo(100).map((n) => client.publish('t', String(n), { qos: 1 }))
  const asked = publications.slice(0, 60).map(({ acked }) => acked)
  await publications.at(-1)?.stored
  const report = await client.close()
  expect(report).toMatchObject({ queuedMessages: 100, keptIn: 'store' })
  const outcomes = await Promise.allSettled([...asked, ...publications.slice(60).map(({ acked }) => acked)])
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
  const { broker, client: next } = setup({}, store.copy())
  await next.connect()
  await next.flush()
  expect(numbersAt(broker)).toEqual(upTo(100))
})

test('a server without the session: what was sent comes first, then what is in memory, then the store', async () => {
  const { broker, client } = setup({ maxInflight: 8 })
  const publications = upTo(200).map((n) => client.publish('t', String(n), { qos: 1 }))
  await publications.at(-1)?.stored
  // The first connection acknowledges nothing.
  broker.puback = () => {
    throw new Error('not asked')
  }
  const original = broker.send.bind(broker)
  broker.send = (...packets) => original(...packets.filter(({ type }) => type !== 'puback'))
  broker.puback = () => 0
  await client.connect()
  await broker.next('publish', ({ payload }) => text.decode(payload) === '7')
  broker.send = original
  broker.received.length = 0
  broker.drop()
  await client.flush()
  expect(numbersAt(broker)).toEqual(upTo(200))
})

test('records that are damaged while the client runs are reported, and the rest goes on', async () => {
  const { broker, client, store } = setup()
  const errors: MqttError[] = []
  client.on('error', (error) => errors.push(error))
  const publications = upTo(100).map((n) => client.publish('t', String(n), { qos: 1 }))
  await publications.at(-1)?.stored
  const [, bytes] = [...store.blocks].at(-1) as [number, Uint8Array]
  bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 0xff
  await client.connect()
  await client.flush()
  expect(numbersAt(broker)).toEqual(upTo(99))
  expect(errors.map(({ code }) => code)).toEqual(['ERR_MQTT_STORE_DAMAGED'])
  await expect(publications[99]?.acked).rejects.toBe(errors[0])
  expect(client.stats.queuedMessages).toBe(0)
})

test('a store that cannot be read ends the client with its error', async () => {
  const { client, store } = setup()
  const publications = upTo(100).map((n) => client.publish('t', String(n), { qos: 1 }))
  await publications.at(-1)?.stored
  store.load = async function* () {
    yield* []
    throw new Error('input/output error')
  }
  await client.connect()
  const { reason, error } = await client.closed
  expect(reason).toBe('error')
  expect((error as StoreError).message).toBe('The session store could not be read: input/output error')
  await expect(publications[99]?.acked).rejects.toBe(error)
})

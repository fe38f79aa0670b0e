import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, type ClientOptions, type MqttError } from 'mqtt-await'
import { clearStore, levelStore, memoryStore, type SessionStore, StoreError } from 'mqtt-await/store'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'

const root = mkdtempSync(join(tmpdir(), 'mqtt-await-client-store-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let places = 0
const newPlace = (): string => join(root, String(++places))

/** Writes of another store; a test decides how they end. */
class FaultyStore implements SessionStore {
  readonly #store = memoryStore()
  /** Called before each write. */
  beforeWrite: () => Promise<void> = async () => {}

  open(): Promise<void> {
    return this.#store.open()
  }

  load(from: number): ReturnType<SessionStore['load']> {
    return this.#store.load(from)
  }

  async write(batch: Parameters<SessionStore['write']>[0]): Promise<void> {
    await this.beforeWrite()
    await this.#store.write(batch)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

function failure(promise: Promise<unknown>): Promise<MqttError> {
  return promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (error: MqttError) => error,
  )
}

describeMosquitto('a client with a store', () => {
  let broker: Mosquitto
  beforeAll(async () => {
    broker = await Mosquitto.start()
  })
  afterAll(() => broker.dispose())

  const client = (options: ClientOptions): Client =>
    new Client(broker.url(), { reconnect: false, ...options })

  test.each([
    ['memoryStore', memoryStore],
    ['levelStore', () => levelStore(newPlace())],
    ['levelStore, disk', () => levelStore(newPlace(), { durability: 'disk' })],
  ] as const)('%s: what one client leaves unsent, the next one sends, in order', async (name, make) => {
    const store = make()
    const topic = `left/${name}`
    const subscriber = new Client(broker.url())
    await subscriber.connect()
    const subscription = subscriber.messages(topic, { qos: 2 })
    await subscription.ready

    const first = client({ store, clientId: `left-${name}` })
    await first.connect()
    // Nothing can be in flight beyond the window, and the connection is dropped before anything is acknowledged.
    const publications = Array.from({ length: 100 }, (_, n) =>
      first.publish(topic, String(n), { qos: n % 2 ? 1 : 2 }),
    )
    const outcomes = publications.map((publication) => publication.acked.catch(() => {}))
    await Promise.all(publications.map((publication) => publication.stored))
    await first.close()
    await Promise.all(outcomes)

    const second = client({ store, clientId: `left-${name}` })
    const { sessionPresent } = await second.connect()
    expect(sessionPresent).toBe(true)
    await second.flush()
    const seen: number[] = []
    for await (const message of subscription) {
      const n = Number(message.text())
      // QoS 1 may come twice: the acknowledgement of the first one was not seen.
      if (n % 2 === 1 && seen.includes(n)) continue
      seen.push(n)
      if (seen.length === 100) break
    }
    expect(seen.filter((n) => n % 2 === 0)).toEqual(Array.from({ length: 50 }, (_, n) => n * 2))
    expect(seen.filter((n) => n % 2 === 1)).toEqual(Array.from({ length: 50 }, (_, n) => n * 2 + 1))
    await second.disconnect()
    await subscriber.disconnect()
  })

  test('what disconnect() and close() leave unacknowledged is in the report', async () => {
    for (const end of ['disconnect', 'close'] as const) {
      const receiver = client({ clientId: '' })
      await receiver.connect()
      const subscription = receiver.messages(`owed/${end}`, { qos: 1, ack: 'manual' })
      await subscription.ready
      for (let n = 0; n < 3; n++) await receiver.publish(`owed/${end}`, String(n), { qos: 1 }).acked
      const iterator = subscription[Symbol.asyncIterator]()
      const first = await iterator.next()
      await iterator.next()
      await iterator.next()
      first.value?.ack()
      await receiver[end]()
      expect(await receiver.disconnect()).toMatchObject({ unacknowledged: 2, keptIn: 'nowhere' })
    }
  })

  test('the identifier that the server has assigned is used again', async () => {
    const store = memoryStore()
    const first = client({ store, clientId: '' })
    const { clientId } = await first.connect()
    expect(clientId).not.toBe('')
    await first.disconnect()
    const second = client({ store, clientId: '' })
    const info = await second.connect()
    expect(info.sessionPresent).toBe(true)
    expect(second.clientId).toBe(clientId)
    await second.disconnect()
  })

  test('a second client on the same store, another identifier, another version: errors that say what to do', async () => {
    const place = newPlace()
    const first = client({ store: levelStore(place), clientId: 'owner' })
    await first.connect()
    const second = await failure(client({ store: levelStore(place), clientId: 'owner' }).connect())
    expect(second).toBeInstanceOf(StoreError)
    expect(second.code).toBe('ERR_MQTT_STORE_LOCKED')
    expect(second.message).toMatch(/in use by another client.*give each client its own/)
    await first.disconnect()

    const other = await failure(client({ store: levelStore(place), clientId: 'other' }).connect())
    expect(other.code).toBe('ERR_MQTT_STORE_CLIENT_ID')
    expect(other.message).toMatch(/belongs to client identifier "owner", not "other"/)

    const older = await failure(
      client({ store: levelStore(place), clientId: 'owner', protocolVersion: 4 }).connect(),
    )
    expect(older.code).toBe('ERR_MQTT_STORE_PROTOCOL_VERSION')
    expect(older.message).toMatch(/MQTT 5\.0, not 3\.1\.1: set protocolVersion to 5/)

    // What is published before connect() opens the store; connect() tells what is wrong, and the client is over.
    const holder = client({ store: levelStore(place), clientId: 'owner' })
    await holder.connect()
    const waiting = client({ store: levelStore(place), clientId: 'owner' })
    const { acked } = waiting.publish('later', 'x', { qos: 1 })
    const [unsent, refused] = await Promise.all([failure(acked), failure(waiting.connect())])
    expect(refused.code).toBe('ERR_MQTT_STORE_LOCKED')
    expect(unsent).toBe(refused)
    expect((await waiting.closed).error).toBe(refused)
    await holder.disconnect()

    // Each failure has given the store back.
    await clearStore(levelStore(place))
    const anew = client({ store: levelStore(place), clientId: 'other', protocolVersion: 4 })
    await anew.connect()
    await anew.disconnect()
  })

  test('nothing leaves before it is stored; a full disk ends the client with a StoreError', async () => {
    const store = new FaultyStore()
    const topic = 'full/disk'
    const subscriber = new Client(broker.url())
    await subscriber.connect()
    const subscription = subscriber.messages(topic, { qos: 1 })
    await subscription.ready

    const publisher = client({ store, clientId: 'full-disk' })
    await publisher.connect()
    const errors: MqttError[] = []
    publisher.on('error', (error) => errors.push(error))
    await publisher.publish(topic, 'kept', { qos: 1 }).acked
    store.beforeWrite = async () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    }
    const lost = publisher.publish(topic, 'lost', { qos: 1 })
    const [stored, acked] = await Promise.all([failure(lost.stored), failure(lost.acked)])
    for (const error of [stored, acked]) {
      expect(error).toBeInstanceOf(StoreError)
      expect(error.message).toMatch(/no space left on device/)
      expect((error.cause as { code: string }).code).toBe('ENOSPC')
    }
    const { reason, error } = await publisher.closed
    expect(reason).toBe('error')
    expect(error).toBeInstanceOf(StoreError)
    expect(errors).toHaveLength(1)

    store.beforeWrite = async () => {}
    const next = client({ store, clientId: 'full-disk' })
    await next.connect()
    await next.publish(topic, 'after', { qos: 1 }).acked
    const seen: string[] = []
    for await (const message of subscription) {
      seen.push(message.text())
      if (message.text() === 'after') break
    }
    expect(seen).toEqual(['kept', 'after'])
    await next.disconnect()
    await subscriber.disconnect()
  })

  test('a slow store groups what comes meanwhile, and holds it back', async () => {
    const store = new FaultyStore()
    const publisher = client({ store, clientId: 'slow' })
    await publisher.connect()
    let writes = 0
    let openGate = (): void => {}
    const gate = new Promise<void>((resolve) => {
      openGate = resolve
    })
    store.beforeWrite = async () => {
      if (++writes === 1) await gate
    }
    const first = publisher.publish('slow', '1', { qos: 1 })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    await turn()
    const later = []
    for (let n = 0; n < 100; n++) {
      later.push(publisher.publish('slow', String(n), { qos: 1 }))
      await turn()
    }
    expect(writes).toBe(1)
    expect(first.state).not.toBe('stored')
    openGate()
    await Promise.all(later.map((publication) => publication.acked))
    expect(writes).toBeLessThan(20)
    await publisher.disconnect()
  })
})

const NEVER = new Promise<never>(() => {})

test('a store that cannot be opened ends a client that has published and not connected', async () => {
  const place = newPlace()
  const store = levelStore(place)
  await store.open()
  const client = new Client('mqtt://127.0.0.1:1', { clientId: 'c', store: levelStore(place) })
  const errors: MqttError[] = []
  client.on('error', (error) => errors.push(error))
  const publication = client.publish('a', 'b', { qos: 1 })
  const error = await failure(publication.stored)
  expect(error.code).toBe('ERR_MQTT_STORE_LOCKED')
  expect(await failure(publication.acked)).toBe(error)
  expect(await client.closed).toEqual({ reason: 'error', error })
  expect(errors).toEqual([error])
  expect(await failure(client.connect())).toBe(error)
  await store.close()
})

test('a store whose open() throws at once fails like one that rejects', async () => {
  const store = memoryStore()
  store.open = () => {
    throw new Error('no room')
  }
  const client = new Client('mqtt://127.0.0.1:1', { clientId: 'c', store })
  const publication = client.publish('a', 'b', { qos: 1 })
  const error = await failure(client.connect())
  expect(error).toBeInstanceOf(StoreError)
  expect(error.message).toBe('The session store could not be opened: no room')
  expect(await failure(publication.stored)).toBe(error)
})

test.each(['open', 'write', 'close'] as const)(
  'disconnect() and close() end although %s of the store hangs',
  async (method) => {
    const store = memoryStore()
    Object.assign(store, { [method]: () => NEVER })
    const client = new Client('mqtt://127.0.0.1:1', { clientId: 'c', store })
    const errors: string[] = []
    client.on('error', (error) => errors.push(error.message))
    client.publish('a', 'b', { qos: 1 })
    await new Promise((resolve) => setTimeout(resolve, 50))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const ended = Promise.all([client.disconnect({ timeoutMs: 10 }), client.close(), client.closed])
      await vi.advanceTimersByTimeAsync(60_000)
      await ended
    } finally {
      vi.useRealTimers()
    }
    expect(errors).toEqual([expect.stringMatching(/^The session store did not close within/)])
  },
)

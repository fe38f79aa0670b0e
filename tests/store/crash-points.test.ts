import { Client } from 'mqtt-await'
import { expect, test } from 'vitest'
import { ModelBroker } from '../../src/testing/model-broker.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { CrashStore } from '../support/crash-store.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const text = new TextDecoder()
const MESSAGES = 24
/** By then a life is past its beginning, and its writes are all alike. */
const MOST_WRITES = 20
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** How a life ends: at a write of the store, of which so many bytes still reach the disk. */
interface Death {
  readonly atWrite: number
  readonly bytes: number
  /** The write fails, and the process goes on until the client has ended; else the process is gone. */
  readonly failsOnly: boolean
}

/** A store under a client that is to die. */
class MortalStore extends CrashStore {
  death: Death | undefined = undefined
  isDead = false
  onDeath: () => void = () => {}

  override async write(batch: Parameters<CrashStore['write']>[0]): Promise<void> {
    if (this.isDead) return new Promise(() => {})
    if (this.death === undefined || this.writes < this.death.atWrite) return super.write(batch)
    this.failAfter = this.death.bytes
    if (this.death.failsOnly) return super.write(batch)
    await super.write(batch).catch(() => {})
    this.isDead = true
    this.onDeath()
    return new Promise(() => {})
  }
}

/** A broker that stays, and a client that dies and comes back. */
class World {
  readonly accepted: { readonly qos: number; readonly n: number }[] = []
  readonly stored: Set<string> = new Set()
  readonly finished: string[] = []
  readonly broker: ModelBroker = new ModelBroker({
    receiveMaximum: 4,
    onAccepted: ({ topic, qos, payload }) => {
      if (topic === 'up') this.accepted.push({ qos, n: Number(text.decode(payload)) })
    },
  })
  /** Finished as the last thing of a life: its end may not have been stored. */
  readonly edges: Set<string> = new Set()
  #next = 0

  /** One process, from its start to its death or its orderly end. */
  async life(store: MortalStore, isLast: boolean): Promise<void> {
    const peers = new Set<Transport>()
    const client = new Client({
      clientId: 'mortal',
      store,
      queue: { memoryMessages: 6 },
      reconnect: { minDelayMs: 0, maxDelayMs: 0 },
      transport: memoryTransport((peer) => this.#accept(peer, peers, store)),
    })
    const died = new Promise<void>((resolve) => {
      store.onDeath = () => {
        for (const peer of peers) peer.destroy()
        resolve()
      }
    })
    const ended = Promise.race([died, client.closed])
    const before = this.finished.length
    this.#consume(client, store).catch(() => {})
    if (!isLast) this.#publish(client, store)
    client.connect().catch(() => {})
    const work = isLast ? this.#drained(client) : Promise.all([client.flush(), this.#idle()]).catch(() => {})
    await Promise.race([work, ended])
    const last = this.finished.at(-1)
    if (last !== undefined && this.finished.length > before) this.edges.add(last)
    if (store.isDead) return
    await client.close()
  }

  async #drained(client: Client): Promise<void> {
    await client.connect()
    await client.flush()
    while (new Set(this.finished).size < 30) await turn()
    await client.publish('end', '', { qos: 1 }).acked
  }

  async #idle(): Promise<void> {
    for (let n = 0; n < 20; n++) await turn()
  }

  #publish(client: Client, store: MortalStore): void {
    for (let count = 0; count < MESSAGES; count++) {
      const n = this.#next++
      const qos = n % 2 === 0 ? 1 : 2
      const publication = client.publish('up', String(n), { qos })
      publication.acked.catch(() => {})
      publication.stored.then(
        () => {
          if (!store.isDead) this.stored.add(`${qos} ${n}`)
        },
        () => {},
      )
    }
  }

  async #consume(client: Client, store: MortalStore): Promise<void> {
    for await (const message of client.messages('down', { qos: 2 })) {
      if (store.isDead) return
      this.finished.push(message.text())
      await turn()
      if (store.isDead) return
    }
  }

  #accept(peer: Transport, peers: Set<Transport>, store: MortalStore) {
    const connection = this.broker.connect(Date.now())
    if (store.isDead) peer.destroy()
    else peers.add(peer)
    const flush = (): void => {
      const chunks = connection.take()
      if (chunks.length > 0 && !store.isDead) peer.write(chunks)
      if (connection.isClosing) peer.destroy()
    }
    return {
      onBytes: (chunk: Uint8Array) => {
        if (store.isDead) return
        connection.receive(chunk, Date.now())
        flush()
      },
      onDrain: () => {},
      onClose: () => {
        peers.delete(peer)
        connection.transportClosed(Date.now())
      },
    }
  }

  check(): void {
    const seen = new Set(this.accepted.map(({ qos, n }) => `${qos} ${n}`))
    expect([...this.stored].filter((message) => !seen.has(message))).toEqual([])
    for (const qos of [1, 2]) {
      const numbers = this.accepted.filter((message) => message.qos === qos).map(({ n }) => n)
      const first = [...new Set(numbers)]
      expect(first).toEqual([...first].sort((a, b) => a - b))
      if (qos === 2) expect(numbers).toEqual(first)
    }
    expect(this.broker.violations).toEqual([])
    const again = this.finished.filter((message, at) => this.finished.indexOf(message) !== at)
    expect(again.filter((message) => !this.edges.has(message))).toEqual([])
    expect(new Set(this.finished).size).toBe(30)
  }
}

async function simulate(deaths: readonly Death[]): Promise<number> {
  const world = new World()
  let store = new MortalStore()
  // Subscribed once, so that the broker keeps what comes.
  await world.life(store, false)
  const { writes } = store
  for (let n = 0; n < 30; n++) {
    world.broker.publish('down', new TextEncoder().encode(String(n)), Date.now(), { qos: 2 })
  }
  for (const death of deaths) {
    store = new MortalStore(store.blocks)
    store.death = death
    await world.life(store, false)
  }
  store = new MortalStore(store.blocks)
  await world.life(store, true)
  world.check()
  return Math.max(writes, store.writes)
}

test('killed at every write of the store, with every part of it on the disk: nothing is lost, nothing is doubled', async () => {
  const writes = await simulate([])
  expect(writes).toBeGreaterThan(4)
  const random = new SeededRandom(7)
  let lives = 0
  for (let atWrite = 0; atWrite <= Math.min(writes, MOST_WRITES); atWrite++) {
    for (const bytes of [0, random.integer(1, 40), random.integer(41, 2000), Number.POSITIVE_INFINITY]) {
      for (const failsOnly of [false, true]) {
        if (failsOnly && bytes === Number.POSITIVE_INFINITY) continue
        await simulate([{ atWrite, bytes, failsOnly }]).catch((error: Error) => {
          error.message = `${JSON.stringify({ atWrite, bytes, failsOnly })}: ${error.message}`
          throw error
        })
        lives++
      }
    }
  }
  expect(lives).toBeGreaterThan(60)
}, 120_000)

test('killed again and again, anywhere', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = new SeededRandom(seed)
    const deaths = Array.from({ length: 6 }, () => ({
      atWrite: random.integer(0, 9),
      bytes: random.pick([0, random.integer(1, 100), random.integer(1, 3000), Number.POSITIVE_INFINITY]),
      failsOnly: random.chance(0.3),
    }))
    await simulate(deaths).catch((error: Error) => {
      error.message = `seed ${seed}: ${error.message}`
      throw error
    })
  }
}, 120_000)

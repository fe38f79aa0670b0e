import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import {
  levelStore,
  memoryStore,
  type SessionStore,
  type StoreContractSubject,
  storeContract,
} from 'mqtt-await/store'
import { afterAll, describe, expect, test } from 'vitest'
import { fileStore } from '../support/file-store.ts'

const root = mkdtempSync(join(tmpdir(), 'mqtt-await-store-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let places = 0
const newPlace = (): string => join(root, String(++places))

/** Stores that find their place again by where it is. */
function placed(make: (place: string) => SessionStore): StoreContractSubject {
  const placeOf = new WeakMap<SessionStore, string>()
  const at = (place: string): SessionStore => {
    const store = make(place)
    placeOf.set(store, place)
    return store
  }
  return { create: () => at(newPlace()), reopen: (store) => at(placeOf.get(store) as string) }
}

const borrowedDatabases = new WeakMap<SessionStore, Level<string, string>>()
const borrowing: StoreContractSubject = {
  create: () => borrow(new Level(newPlace())),
  reopen: (store) => borrow(borrowedDatabases.get(store) as Level<string, string>),
}

function borrow(database: Level<string, string>): SessionStore {
  const store = levelStore(database)
  borrowedDatabases.set(store, database)
  return store
}

const subjects: Record<string, StoreContractSubject> = {
  'memoryStore()': { create: memoryStore, reopen: (store) => store },
  'levelStore(location)': placed((place) => levelStore(place)),
  'levelStore(location, disk)': placed((place) => levelStore(place, { durability: 'disk' })),
  'levelStore(database)': borrowing,
  'a store of files, as a user would write it': placed(fileStore),
}

for (const [name, subject] of Object.entries(subjects)) {
  describe(`the contract on ${name}`, () => {
    for (const { name: rule, run } of storeContract(subject)) test(rule, run)
  })
}

describe('the contract', () => {
  test('notices a store that forgets, and one that lets two in', async () => {
    const forgetful = storeContract({
      create: () => ({
        open: async () => {},
        load: async function* () {},
        write: async () => {},
        close: async () => {},
      }),
      reopen: (store) => store,
    })
    const broken: string[] = []
    for (const { name, run } of forgetful) await run().catch(() => broken.push(name))
    expect(broken).toContain('replaces a block at the same position')
    expect(broken).toContain('keeps what was written when it is closed and opened again')
    expect(broken).toContain('lets in one at a time: a second open rejects with ERR_MQTT_STORE_LOCKED')
  })
})

describe('levelStore(database)', () => {
  test('leaves the keys of others alone, and the database open', async () => {
    const database = new Level<string, string>(newPlace())
    await database.put('mine', 'a')
    await database.put('zebra', 'b')
    const store = levelStore(database)
    await store.open()
    await store.write({ put: [{ position: 1, bytes: Uint8Array.of(1) }], remove: [] })
    const positions: number[] = []
    for await (const { position } of store.load(0)) positions.push(position)
    expect(positions).toEqual([1])
    await store.close()
    expect(await database.get('mine')).toBe('a')
    expect(await database.get('zebra')).toBe('b')
    await database.close()
  })

  test('serves several clients, each on a sublevel', async () => {
    const database = new Level<string, string>(newPlace())
    const stores = ['one', 'two'].map((name) => levelStore(database.sublevel(name)))
    for (const [n, store] of stores.entries()) {
      await store.open()
      await store.write({ put: [{ position: 1, bytes: Uint8Array.of(n) }], remove: [] })
    }
    for (const [n, store] of stores.entries()) {
      for await (const { bytes } of store.load(0)) expect([...bytes]).toEqual([n])
      await store.close()
    }
    await database.close()
  })
})

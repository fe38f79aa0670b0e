import { StoreError } from '../errors.ts'
import type { SessionStore, StoredBlock } from './store.ts'

/** One rule of the contract. `run` rejects when the store breaks it. */
export interface StoreContractCase {
  readonly name: string
  run(): Promise<void>
}

/** How to make the stores that are tested. */
export interface StoreContractSubject {
  /** A store on an empty place of its own, not opened. */
  create(): SessionStore | Promise<SessionStore>
  /**
   * Another store on the place of this one, as another process would make it. The same object, when a store of this kind does not outlive
   * the process.
   */
  reopen(store: SessionStore): SessionStore | Promise<SessionStore>
}

/**
 * What every `SessionStore` must do, as cases for any test runner:
 *
 *     for (const { name, run } of storeContract({ create, reopen })) test(name, run)
 *
 * They cannot see durability (kill -9, power loss): that is for you to prove.
 */
export function storeContract(subject: StoreContractSubject): StoreContractCase[] {
  const inStore = async (work: (store: SessionStore) => Promise<void>): Promise<void> => {
    const store = await subject.create()
    await store.open()
    try {
      await work(store)
    } finally {
      await store.close()
    }
  }
  return [
    {
      name: 'is empty at first',
      run: () => inStore(async (store) => expectBlocks(await all(store), [])),
    },
    {
      name: 'gives blocks back in the order of their positions, whatever the order of writing',
      run: () =>
        inStore(async (store) => {
          await store.write({ put: [block(2, 'b'), block(10, 'd')], remove: [] })
          await store.write({ put: [block(1, 'a'), block(9, 'c')], remove: [] })
          expectBlocks(await all(store), [block(1, 'a'), block(2, 'b'), block(9, 'c'), block(10, 'd')])
        }),
    },
    {
      name: 'loads from a position on',
      run: () =>
        inStore(async (store) => {
          await store.write({ put: [block(1, 'a'), block(2, 'b'), block(3, 'c')], remove: [] })
          expectBlocks(await all(store, 2), [block(2, 'b'), block(3, 'c')])
          expectBlocks(await all(store, 4), [])
        }),
    },
    {
      name: 'orders positions as numbers, large ones too',
      run: () =>
        inStore(async (store) => {
          const positions = [9, 10, 99, 100, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]
          await store.write({ put: positions.map((position) => block(position, 'x')), remove: [] })
          const found = (await all(store)).map(({ position }) => position)
          expect(found.join() === positions.join(), `positions ${positions}, got ${found}`)
        }),
    },
    {
      name: 'replaces a block at the same position',
      run: () =>
        inStore(async (store) => {
          await store.write({ put: [block(1, 'old and longer')], remove: [] })
          await store.write({ put: [block(1, 'new')], remove: [] })
          expectBlocks(await all(store), [block(1, 'new')])
        }),
    },
    {
      name: 'removes blocks, and does not mind those that are not there',
      run: () =>
        inStore(async (store) => {
          await store.write({ put: [block(1, 'a'), block(2, 'b'), block(3, 'c')], remove: [] })
          await store.write({ put: [block(4, 'd')], remove: [1, 2, 77] })
          expectBlocks(await all(store), [block(3, 'c'), block(4, 'd')])
        }),
    },
    {
      name: 'keeps every byte value, and views into larger buffers',
      run: () =>
        inStore(async (store) => {
          const large = Uint8Array.from({ length: 1024 }, (_, n) => n & 0xff)
          const view = { position: 1, bytes: large.subarray(100, 900) }
          await store.write({ put: [view], remove: [] })
          expectBlocks(await all(store), [view])
        }),
    },
    {
      name: 'keeps a block of several megabytes',
      run: () =>
        inStore(async (store) => {
          const bytes = Uint8Array.from({ length: 5_000_000 }, (_, n) => (n * 31 + (n >> 9)) & 0xff)
          await store.write({ put: [{ position: 1, bytes }], remove: [] })
          expectBlocks(await all(store), [{ position: 1, bytes }])
        }),
    },
    {
      name: 'keeps a batch of many blocks',
      run: () =>
        inStore(async (store) => {
          const blocks = Array.from({ length: 500 }, (_, n) => block(n + 1, `block ${n}`))
          await store.write({ put: blocks, remove: [] })
          expectBlocks(await all(store), blocks)
        }),
    },
    {
      name: 'takes a batch that only removes, and an empty one',
      run: () =>
        inStore(async (store) => {
          await store.write({ put: [block(1, 'a')], remove: [] })
          await store.write({ put: [], remove: [] })
          await store.write({ put: [], remove: [1] })
          expectBlocks(await all(store), [])
        }),
    },
    {
      name: 'allows a reader to stop early',
      run: () =>
        inStore(async (store) => {
          await store.write({ put: [block(1, 'a'), block(2, 'b')], remove: [] })
          for await (const { position } of store.load(0)) {
            expect(position === 1, `position 1 first, got ${position}`)
            break
          }
          await store.write({ put: [block(3, 'c')], remove: [] })
          expectBlocks(await all(store), [block(1, 'a'), block(2, 'b'), block(3, 'c')])
        }),
    },
    {
      name: 'keeps what was written when it is closed and opened again',
      run: async () => {
        const first = await subject.create()
        await first.open()
        await first.write({ put: [block(1, 'a'), block(2, 'b')], remove: [] })
        await first.write({ put: [], remove: [1] })
        await first.close()
        const second = await subject.reopen(first)
        await second.open()
        try {
          expectBlocks(await all(second), [block(2, 'b')])
        } finally {
          await second.close()
        }
      },
    },
    {
      name: 'lets in one at a time: a second open rejects with ERR_MQTT_STORE_LOCKED',
      run: async () => {
        const first = await subject.create()
        await first.open()
        const second = await subject.reopen(first)
        let error: unknown
        try {
          await second.open()
          await second.close()
        } catch (caught) {
          error = caught
        }
        await first.close()
        expect(
          error instanceof StoreError && error.code === 'ERR_MQTT_STORE_LOCKED',
          `StoreError ERR_MQTT_STORE_LOCKED, got ${String(error)}`,
        )
        // The one that was refused has left no mark.
        await second.open()
        await second.close()
      },
    },
    {
      name: 'can be closed twice, and before it was opened',
      run: async () => {
        const store = await subject.create()
        await store.close()
        await store.open()
        await store.close()
        await store.close()
      },
    },
  ]
}

function block(position: number, text: string): StoredBlock {
  return { position, bytes: new TextEncoder().encode(text) }
}

async function all(store: SessionStore, from: number = 0): Promise<StoredBlock[]> {
  const blocks: StoredBlock[] = []
  for await (const { position, bytes } of store.load(from)) blocks.push({ position, bytes })
  return blocks
}

function expectBlocks(actual: readonly StoredBlock[], expected: readonly StoredBlock[]): void {
  expect(actual.length === expected.length, `${expected.length} blocks, got ${actual.length}`)
  expected.forEach(({ position, bytes }, n) => {
    const found = actual[n]
    expect(found?.position === position, `position ${position}, got ${found?.position}`)
    const same = found?.bytes.length === bytes.length && bytes.every((byte, at) => found.bytes[at] === byte)
    expect(same, `at position ${position} the ${bytes.length} bytes that were written, got others`)
  })
}

function expect(condition: boolean | undefined, what: string): void {
  if (condition !== true) throw new Error(`The store breaks its contract: expected ${what}`)
}

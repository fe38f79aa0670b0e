import { StoreError } from '../errors.ts'
import { type BrowserLock, lockInBrowser } from './browser-lock.ts'
import type { SessionStore, StoreBatch, StoredBlock } from './store.ts'

/** What is used of an `abstract-level` database: `level`, `classic-level`, `browser-level`, `memory-level`, a sublevel ... */
export interface LevelDatabase {
  open(): Promise<void>
  batch(operations: LevelOperation[], options: LevelBatchOptions): Promise<void>
  iterator(options: LevelIteratorOptions): AsyncIterable<[string, Uint8Array]>
}

export type LevelOperation = { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }

export interface LevelBatchOptions {
  keyEncoding: 'utf8'
  valueEncoding: 'view'
  sync: boolean
}

export interface LevelIteratorOptions {
  keyEncoding: 'utf8'
  valueEncoding: 'view'
  gte: string
  lt: string
}

export interface LevelStoreOptions {
  /**
   * What a stored message survives. `"process"`: the end of the process, kill -9 included. `"disk"`: power loss too; every
   * group of writes is synced to the disk, which costs milliseconds per group. IndexedDB has no such choice: there,
   * the browser decides.
   *
   * @default "process"
   */
  readonly durability?: 'process' | 'disk'
  /**
   * When LevelDB finds its own files damaged: recover what can be read, instead of failing with `ERR_MQTT_STORE_CORRUPT`.
   * LevelDB does not say what it has dropped. Only for a location, not for a database that was handed in.
   *
   * @default false
   */
  readonly repair?: boolean
}

/** Keys of a database that may hold other things too. Positions have 16 digits, so that their order as text is theirs as numbers. */
const KEY_PREFIX = 'mqtt-await:'
const KEY_END = 'mqtt-await;'

/** A few blocks of the log. LevelDB's default (4 MiB) rewrites more often; up to two buffers are in memory at once. */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024

interface OpenDatabase {
  readonly database: LevelDatabase
  release(): Promise<void>
}

class LevelStore implements SessionStore {
  readonly #acquire: () => Promise<OpenDatabase>
  readonly #name: string
  readonly #sync: boolean
  readonly #copies: boolean
  #open: OpenDatabase | undefined

  /** @param copies - the database may keep the bytes themselves, as one in memory does */
  constructor(name: string, sync: boolean, copies: boolean, acquire: () => Promise<OpenDatabase>) {
    this.#name = name
    this.#copies = copies
    this.#sync = sync
    this.#acquire = acquire
  }

  async open(): Promise<void> {
    if (this.#open !== undefined) throw locked(this.#name, undefined)
    this.#open = await this.#acquire()
  }

  async *load(from: number): AsyncGenerator<StoredBlock> {
    const database = this.#database()
    try {
      const range = { gte: keyOf(from), lt: KEY_END }
      for await (const [key, bytes] of database.iterator({
        ...range,
        keyEncoding: 'utf8',
        valueEncoding: 'view',
      })) {
        yield { position: Number(key.slice(KEY_PREFIX.length)), bytes }
      }
    } catch (cause) {
      throw cause instanceof StoreError ? cause : readFailure(this.#name, cause)
    }
  }

  async write(batch: StoreBatch): Promise<void> {
    const operations: LevelOperation[] = []
    for (const { position, bytes } of batch.put) {
      operations.push({ type: 'put', key: keyOf(position), value: this.#copies ? bytes.slice() : bytes })
    }
    for (const position of batch.remove) operations.push({ type: 'del', key: keyOf(position) })
    const options = { keyEncoding: 'utf8', valueEncoding: 'view', sync: this.#sync } as const
    await this.#database().batch(operations, options)
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.release()
  }

  #database(): LevelDatabase {
    if (this.#open !== undefined) return this.#open.database
    throw new StoreError(`The store ${this.#name} is not open`, { code: 'ERR_MQTT_STORE_CLOSED' })
  }
}

/**
 * Keeps a session in LevelDB (Node) or IndexedDB (browsers), by the package `level`, which must be installed.
 * One client per location at a time.
 *
 * @param target - a directory (Node) or a name (browsers) of its own, or an `abstract-level` database: that one stays
 * open and yours, only keys that begin with `mqtt-await:` are used, and its own durability applies; give several clients
 * a sublevel each
 */
export function levelStore(target: string | LevelDatabase, options: LevelStoreOptions = {}): SessionStore {
  const sync = options.durability === 'disk'
  if (typeof target !== 'string') {
    return new LevelStore('(a database that was handed in)', sync, true, () => borrow(target))
  }
  return new LevelStore(JSON.stringify(target), sync, false, () =>
    openLocation(target, options.repair === true),
  )
}

/** Databases that were handed in and are in use: they have no lock of their own. */
const borrowed: WeakSet<LevelDatabase> = new WeakSet()

async function borrow(database: LevelDatabase): Promise<OpenDatabase> {
  if (borrowed.has(database)) throw locked('of this database', undefined)
  borrowed.add(database)
  try {
    await database.open()
  } catch (cause) {
    borrowed.delete(database)
    throw new StoreError('The database of the session store could not be opened', { cause })
  }
  return {
    database,
    release: async () => {
      borrowed.delete(database)
    },
  }
}

async function openLocation(location: string, repair: boolean): Promise<OpenDatabase> {
  const Level = await loadLevel()
  const name = JSON.stringify(location)
  // LevelDB locks its directory; IndexedDB lets every tab in.
  const lock = await lockInBrowser(`mqtt-await:${location}`)
  if (lock === 'taken') throw locked(name, undefined)
  const database = new Level<string, Uint8Array>(location, { keyEncoding: 'utf8', valueEncoding: 'view' })
  const open = (): Promise<void> => database.open({ writeBufferSize: WRITE_BUFFER_BYTES })
  try {
    try {
      await open()
    } catch (error) {
      if (!repair || reasonOf(error) !== 'LEVEL_CORRUPTION') throw error
      await repairLocation(Level, location)
      await open()
    }
  } catch (cause) {
    lock?.release()
    throw openFailure(name, cause)
  }
  return { database, release: () => closeDatabase(database, lock) }
}

async function closeDatabase(
  database: { close(): Promise<void> },
  lock: BrowserLock | undefined,
): Promise<void> {
  try {
    await database.close()
  } finally {
    lock?.release()
  }
}

type LevelModule = Pick<typeof import('level'), 'Level'>
type LevelClass = LevelModule['Level']

async function loadLevel(): Promise<LevelClass> {
  try {
    const loaded: Partial<LevelModule> & { readonly default?: LevelModule } = await import('level')
    // It is CommonJS: some bundlers give its exports as the default one alone.
    const Level = loaded.Level ?? loaded.default?.Level
    if (Level === undefined) throw new Error('it exports no "Level"')
    return Level
  } catch (cause) {
    throw new StoreError(
      'levelStore needs the package "level", which could not be loaded: install it with "npm install level"',
      { code: 'ERR_MQTT_STORE_PACKAGE', cause },
    )
  }
}

async function repairLocation(level: unknown, location: string): Promise<void> {
  // Only classic-level (Node) has it.
  const { repair } = level as { repair?: (location: string) => Promise<void> }
  if (repair !== undefined) await repair.call(level, location)
}

function keyOf(position: number): string {
  return KEY_PREFIX + String(position).padStart(16, '0')
}

/** LevelDB's own reason: `open()` wraps it. */
function reasonOf(error: unknown): string | undefined {
  const { cause, code } = error as { cause?: { code?: string }; code?: string }
  return cause?.code ?? code
}

function openFailure(name: string, cause: unknown): StoreError {
  const reason = reasonOf(cause)
  if (reason === 'LEVEL_LOCKED') return locked(name, cause)
  if (reason === 'LEVEL_CORRUPTION') return corrupt(name, cause)
  const detail = (cause as { cause?: Error }).cause?.message ?? (cause as Error).message
  return new StoreError(`The session store ${name} could not be opened: ${detail}`, { cause })
}

function readFailure(name: string, cause: unknown): StoreError {
  if (reasonOf(cause) === 'LEVEL_CORRUPTION') return corrupt(name, cause)
  return new StoreError(`The session store ${name} could not be read: ${(cause as Error).message}`, { cause })
}

function corrupt(name: string, cause: unknown): StoreError {
  return new StoreError(
    `LevelDB found its files of the session store ${name} damaged: pass { repair: true } to recover what can be read, or remove them and lose the session`,
    { code: 'ERR_MQTT_STORE_CORRUPT', cause },
  )
}

function locked(name: string, cause: unknown): StoreError {
  return new StoreError(
    `The session store ${name} is in use by another client, of this process or another: a store holds one session, give each client its own`,
    { code: 'ERR_MQTT_STORE_LOCKED', ...(cause === undefined ? {} : { cause }) },
  )
}

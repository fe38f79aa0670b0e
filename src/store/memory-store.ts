import { StoreError } from '../errors.ts'
import type { SessionStore, StoreBatch, StoredBlock } from './store.ts'

class MemoryStore implements SessionStore {
  readonly #blocks: Map<number, Uint8Array> = new Map()
  #open: boolean = false

  async open(): Promise<void> {
    if (this.#open) {
      throw new StoreError('The memory store is in use by another client: a store holds one session', {
        code: 'ERR_MQTT_STORE_LOCKED',
      })
    }
    this.#open = true
  }

  async *load(from: number): AsyncGenerator<StoredBlock> {
    this.#check()
    const positions = [...this.#blocks.keys()].filter((position) => position >= from).sort((a, b) => a - b)
    for (const position of positions) {
      const bytes = this.#blocks.get(position)
      if (bytes !== undefined) yield { position, bytes }
    }
  }

  async write(batch: StoreBatch): Promise<void> {
    this.#check()
    for (const { position, bytes } of batch.put) this.#blocks.set(position, bytes.slice())
    for (const position of batch.remove) this.#blocks.delete(position)
  }

  async close(): Promise<void> {
    this.#open = false
  }

  #check(): void {
    if (!this.#open) throw new StoreError('The memory store is not open', { code: 'ERR_MQTT_STORE_CLOSED' })
  }
}

/**
 * Keeps a session in memory: it survives the client, not the process. For tests, and for handing a session from one
 * client of a program to the next.
 */
export function memoryStore(): SessionStore {
  return new MemoryStore()
}

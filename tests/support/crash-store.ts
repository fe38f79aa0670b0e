import { type SessionStore, type StoreBatch, type StoredBlock, StoreError } from 'mqtt-await/store'

/** A store in memory that can be looked at, copied, damaged, and made to fail in the midst of a write. */
export class CrashStore implements SessionStore {
  readonly blocks: Map<number, Uint8Array>
  writes = 0
  /** Bytes of the next batch that are still written; then the write fails, as when the power goes. */
  failAfter: number = Number.POSITIVE_INFINITY
  #open = false

  constructor(blocks: ReadonlyMap<number, Uint8Array> = new Map()) {
    this.blocks = new Map(blocks)
  }

  /** What another process finds now. */
  copy(): CrashStore {
    return new CrashStore(this.blocks)
  }

  get size(): number {
    let size = 0
    for (const bytes of this.blocks.values()) size += bytes.length
    return size
  }

  async open(): Promise<void> {
    if (this.#open) throw new StoreError('in use', { code: 'ERR_MQTT_STORE_LOCKED' })
    this.#open = true
  }

  async *load(from: number): AsyncGenerator<StoredBlock> {
    const positions = [...this.blocks.keys()].filter((position) => position >= from).sort((a, b) => a - b)
    for (const position of positions) {
      const bytes = this.blocks.get(position)
      if (bytes !== undefined) yield { position, bytes }
    }
  }

  async write(batch: StoreBatch): Promise<void> {
    this.writes++
    let left = this.failAfter
    for (const { position, bytes } of batch.put) {
      if (bytes.length > left) {
        if (left > 0) this.blocks.set(position, bytes.slice(0, left))
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      }
      left -= bytes.length
      this.blocks.set(position, bytes.slice())
    }
    for (const position of batch.remove) {
      if (left <= 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      this.blocks.delete(position)
    }
  }

  async close(): Promise<void> {
    this.#open = false
  }
}

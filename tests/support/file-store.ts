import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type SessionStore, type StoreBatch, type StoredBlock, StoreError } from 'mqtt-await/store'

/** A store of one file per block: what a user might write, and easy to damage in tests. */
class FileStore implements SessionStore {
  readonly #directory: string
  #open = false

  constructor(directory: string) {
    this.#directory = directory
  }

  get #lock(): string {
    return join(this.#directory, 'lock')
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    try {
      await (await open(this.#lock, 'wx')).close()
    } catch (cause) {
      throw new StoreError(`${this.#directory} is in use`, { code: 'ERR_MQTT_STORE_LOCKED', cause })
    }
    this.#open = true
  }

  async *load(from: number): AsyncGenerator<StoredBlock> {
    const names = (await readdir(this.#directory)).filter((name) => /^\d+$/.test(name)).sort()
    for (const name of names) {
      const position = Number(name)
      if (position >= from) yield { position, bytes: await readFile(this.path(position)) }
    }
  }

  async write(batch: StoreBatch): Promise<void> {
    for (const { position, bytes } of batch.put) {
      await writeFile(`${this.path(position)}.new`, bytes)
      await rename(`${this.path(position)}.new`, this.path(position))
    }
    for (const position of batch.remove) await rm(this.path(position), { force: true })
  }

  async close(): Promise<void> {
    if (this.#open && existsSync(this.#lock)) await rm(this.#lock)
    this.#open = false
  }

  path(position: number): string {
    return join(this.#directory, String(position).padStart(16, '0'))
  }
}

export function fileStore(directory: string): FileStore {
  return new FileStore(directory)
}

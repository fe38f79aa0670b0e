import { type SessionStore, type StoreBatch, type StoredBlock, StoreError } from 'mqtt-await/store'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'

/** What happens at an operation of a store instead of its success. */
export type Accident = 'death' | 'failure'

/** Who has the store open. */
export interface StoreUser {
  /** It dies at this operation: nothing comes back to it. */
  onDeath(): void
  /** An operation begins; what it answers is called when it has succeeded. */
  onOperation(kind: 'open' | 'load' | 'write' | 'close'): () => void
}

/**
 * What the stores of all processes of a simulation lie on. An operation takes time; it may fail, or the process may die at
 * it. Of a write that did not succeed some part is there: a beginning, down to the byte.
 */
export class SimulatedMedium {
  readonly blocks: Map<number, Uint8Array> = new Map()
  /** Operations so far, over all processes. */
  operations = 0
  /** Some write has left a part of a block. */
  isTorn = false
  /** Asked before each operation. */
  accidentAt: (operation: number) => Accident | undefined = () => undefined
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #delays: readonly number[]
  #user: MediumStore | undefined

  /** @param delays - milliseconds that an operation takes, of which one is drawn; 0 = none of the clock's time */
  constructor(clock: VirtualClock, random: SeededRandom, delays: readonly number[]) {
    this.#clock = clock
    this.#random = random
    this.#delays = delays
  }

  /** The store as the next process opens it. */
  store(user: StoreUser): MediumStore {
    return new MediumStore(this, user)
  }

  /** @internal */
  take(store: MediumStore): void {
    if (this.#user?.isDead === false) throw new StoreError('in use', { code: 'ERR_MQTT_STORE_LOCKED' })
    this.#user = store
  }

  /** @internal */
  release(store: MediumStore): void {
    if (this.#user === store) this.#user = undefined
  }

  /** @internal */
  async pass(): Promise<void> {
    const delay = this.#random.pick(this.#delays)
    if (delay > 0) await new Promise<void>((resolve) => this.#clock.setTimer(resolve, delay))
  }

  /** @internal Puts in their order, then removals. */
  apply(batch: StoreBatch): void {
    for (const { position, bytes } of batch.put) this.blocks.set(position, bytes.slice())
    for (const position of batch.remove) this.blocks.delete(position)
  }

  /** @internal A part of what `apply` does, or all of it. A block that replaces another does so as a whole or not at all. */
  applyPart(batch: StoreBatch): void {
    const random = this.#random
    const total = batch.put.reduce((sum, { bytes }) => sum + bytes.length, 0)
    let left = random.pick([0, random.integer(0, 50), random.integer(0, total), total, total])
    for (const { position, bytes } of batch.put) {
      if (bytes.length > left) {
        if (left === 0 || this.blocks.has(position)) return
        this.blocks.set(position, bytes.slice(0, left))
        this.isTorn = true
        return
      }
      left -= bytes.length
      this.blocks.set(position, bytes.slice())
    }
    const removed = random.integer(0, batch.remove.length)
    for (const position of batch.remove.slice(0, removed)) this.blocks.delete(position)
  }
}

class MediumStore implements SessionStore {
  isDead = false
  readonly #medium: SimulatedMedium
  readonly #user: StoreUser
  /** What is being written when the process dies by other means. */
  #writing: StoreBatch | undefined

  constructor(medium: SimulatedMedium, user: StoreUser) {
    this.#medium = medium
    this.#user = user
  }

  /** The process dies. */
  die(): void {
    if (this.isDead) return
    this.isDead = true
    const writing = this.#writing
    this.#writing = undefined
    if (writing !== undefined) this.#medium.applyPart(writing)
  }

  async open(): Promise<void> {
    const succeed = await this.#operation('open')
    this.#medium.take(this)
    succeed()
  }

  async *load(from: number): AsyncGenerator<StoredBlock> {
    const succeed = await this.#operation('load')
    const { blocks } = this.#medium
    for (const position of [...blocks.keys()].sort((a, b) => a - b)) {
      const bytes = blocks.get(position)
      if (position >= from && bytes !== undefined) yield { position, bytes }
    }
    succeed()
  }

  async write(batch: StoreBatch): Promise<void> {
    this.#writing = { put: [...batch.put], remove: [...batch.remove] }
    const succeed = await this.#operation('write')
    this.#writing = undefined
    this.#medium.apply(batch)
    succeed()
  }

  async close(): Promise<void> {
    const succeed = await this.#operation('close')
    this.#medium.release(this)
    succeed()
  }

  /** Resolves when the operation may do its work. Of a dead process nothing comes back. */
  async #operation(kind: 'open' | 'load' | 'write' | 'close'): Promise<() => void> {
    if (this.isDead) return new Promise(() => {})
    const succeed = this.#user.onOperation(kind)
    const accident = this.#medium.accidentAt(++this.#medium.operations)
    if (accident !== 'death') await this.#medium.pass()
    if (this.isDead) return new Promise(() => {})
    if (accident === undefined) return succeed
    if (accident === 'death') {
      this.die()
      this.#user.onDeath()
      return new Promise(() => {})
    }
    if (this.#writing !== undefined) this.#medium.applyPart(this.#writing)
    this.#writing = undefined
    // A store that could not be closed is closed all the same.
    if (kind === 'close') this.#medium.release(this)
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
}

export type { MediumStore }

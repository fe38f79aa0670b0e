import { type MqttError, StoreError } from '../errors.ts'
import type { Backlog } from '../session/backlog.ts'
import type { OutboundMessage } from '../session/outbound-message.ts'
import type { SequenceIndex } from './sequence-index.ts'

/** Expired ones are looked for at most this often: intervals are whole seconds. */
const EXPIRY_GRAIN_MS = 500
const NEVER = Number.POSITIVE_INFINITY

/** Who is told of what happens in a backlog, between the inputs of a session. */
export interface BacklogOwner {
  /** A publication is in the store alone from now on. */
  onSpilled(message: OutboundMessage): void
  /** The next ones, in order: for `Session.recall`. */
  onFetched(messages: readonly OutboundMessage[]): void
  /** For `Session.expireRecalled`. */
  onExpired(messages: readonly OutboundMessage[]): void
  /** Could not be read although they had been written: for `Session.forgetSpilled`. */
  onUnreadable(sequences: readonly number[], bytes: readonly number[], error: StoreError): void
  onFailed(error: StoreError): void
  /** The client has ended. */
  onEnd(error: MqttError): void
}

/** How much waits in memory before publications are spilled. */
export interface BacklogLimits {
  readonly messages: number
  readonly bytes: number
}

/** What a backlog needs of its journal. */
export interface BacklogSource {
  /**
   * Reads a stretch of the log in which `sequence` is: its publications that are in the store alone. Without
   * those that could not be read.
   */
  read(sequence: number): Promise<StretchOfLog>
  /** They are in memory from now on. */
  recalled(messages: readonly OutboundMessage[]): void
}

export interface StretchOfLog {
  readonly messages: ReadonlyMap<number, OutboundMessage>
  /** Whether a publication's record is in the stretch. */
  holds(sequence: number): boolean
}

/** Publications that are in the log alone: what little is known of them, and how they come back. */
export class StoredBacklog implements Backlog {
  readonly #source: BacklogSource
  readonly #limits: BacklogLimits
  readonly #owner: BacklogOwner
  readonly #index: SequenceIndex
  #first: number
  #isFetching = false
  #isExpiring = false
  #expiryDue: number
  #ended = false

  constructor(source: BacklogSource, limits: BacklogLimits, owner: BacklogOwner, index: SequenceIndex) {
    this.#source = source
    this.#limits = limits
    this.#owner = owner
    this.#index = index
    this.#first = index.first
    this.#expiryDue = index.expired(Number.NEGATIVE_INFINITY).next
  }

  get size(): number {
    return this.#index.size
  }

  get first(): number {
    return this.#first
  }

  get expiryDue(): number {
    return this.#isExpiring || this.#ended ? NEVER : this.#expiryDue
  }

  takes(queuedMessages: number, queuedBytes: number): boolean {
    const { messages, bytes } = this.#limits
    return this.#index.size > 0 || queuedMessages >= messages || queuedBytes >= bytes
  }

  add(message: OutboundMessage): void {
    const dropAt = message.expiry?.dropAt ?? NEVER
    if (this.#index.size === 0) this.#first = message.sequence
    this.#index.add(message.sequence, message.payload.length, dropAt)
    if (dropAt < this.#expiryDue) this.#expiryDue = dropAt
    this.#owner.onSpilled(message)
  }

  remove(sequence: number): number {
    const bytes = this.#index.remove(sequence)
    if (sequence === this.#first) this.#first = this.#index.first
    return bytes
  }

  fetch(queuedMessages: number, queuedBytes: number): void {
    const { messages, bytes } = this.#limits
    const isLittle =
      queuedMessages - this.#index.size <= messages / 2 && queuedBytes - this.#index.bytes <= bytes / 2
    if (!isLittle || this.#isFetching || this.#index.size === 0 || this.#ended) return
    this.#isFetching = true
    this.#source.read(this.#first).then(
      (stretch) => {
        this.#isFetching = false
        if (!this.#ended) this.#recall(stretch)
      },
      (cause: unknown) => this.#fail(cause),
    )
  }

  expire(now: number): void {
    if (this.#isExpiring || this.#ended) return
    const { sequences, next } = this.#index.expired(now)
    this.#expiryDue = next === NEVER ? NEVER : Math.max(next, now + EXPIRY_GRAIN_MS)
    if (sequences.length === 0) return
    this.#isExpiring = true
    this.#expireAll(sequences).then(
      () => {
        this.#isExpiring = false
      },
      (cause: unknown) => this.#fail(cause),
    )
  }

  fail(error: MqttError): void {
    this.#ended = true
    this.#owner.onEnd(error)
  }

  /** As many as come next, in order, with none left out: a later one may stand in the same stretch. */
  #recall(stretch: StretchOfLog): void {
    const messages: OutboundMessage[] = []
    const unreadable: number[] = []
    for (const sequence of this.#index.sequences()) {
      const message = stretch.messages.get(sequence)
      if (message !== undefined) messages.push(message)
      else if (stretch.holds(sequence)) unreadable.push(sequence)
      else break
    }
    for (const { sequence } of messages) this.#index.remove(sequence)
    this.#source.recalled(messages)
    this.#giveUp(unreadable)
    this.#first = this.#index.first
    this.#owner.onFetched(messages)
  }

  async #expireAll(sequences: readonly number[]): Promise<void> {
    const left = new Set(sequences)
    for (const sequence of sequences) {
      if (!left.has(sequence) || !this.#index.has(sequence)) continue
      const stretch = await this.#source.read(sequence)
      if (this.#ended) return
      const messages: OutboundMessage[] = []
      const unreadable: number[] = []
      for (const other of left) {
        if (!stretch.holds(other)) continue
        left.delete(other)
        if (!this.#index.has(other)) continue
        const message = stretch.messages.get(other)
        if (message === undefined) unreadable.push(other)
        else {
          this.#index.remove(other)
          messages.push(message)
        }
      }
      this.#giveUp(unreadable)
      this.#first = this.#index.first
      this.#owner.onExpired(messages)
    }
  }

  #giveUp(unreadable: readonly number[]): void {
    if (unreadable.length === 0) return
    const bytes = unreadable.map((sequence) => this.#index.remove(sequence))
    const error = new StoreError(
      `The session store was damaged while it was in use: ${unreadable.length} queued publications could not be read back; they are set aside when the store is opened again, and the rest of the session goes on`,
      { code: 'ERR_MQTT_STORE_DAMAGED' },
    )
    this.#owner.onUnreadable(unreadable, bytes, error)
  }

  #fail(cause: unknown): void {
    if (this.#ended) return
    this.#ended = true
    const error =
      cause instanceof StoreError ? cause : new StoreError('The session store could not be read', { cause })
    this.#owner.onFailed(error)
  }
}

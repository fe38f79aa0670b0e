import type { Journal, RestoredSession, SessionRecord } from '../../src/session/journal.ts'
import { MessageExpiry, OutboundMessage, Stage } from '../../src/session/outbound-message.ts'
import { type HeldMessage, ReleaseFlow } from '../../src/session/release-flow.ts'

interface Stored {
  readonly message: OutboundMessage
  readonly sequence: number
  packetId: number
  releaseOrder: number
  /** Seconds written in its first PUBLISH. */
  interval: number
}

/**
 * A store that survives the client's process: what the session records is kept in memory until `flush`, and only what was
 * flushed is there afterwards.
 */
export class SimulatedJournal implements Journal {
  readonly #stored: Map<number, Stored> = new Map()
  readonly #received: Set<number> = new Set()
  readonly #held: Map<number, HeldMessage> = new Map()
  #session: SessionRecord | undefined
  #lastSequence = 0
  #releases = 0
  #pending: (() => void)[] = []

  flush(): void {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    for (const operation of pending) operation()
  }

  /** What a new process finds; what was not flushed is lost. */
  restore(): RestoredSession {
    this.#pending = []
    const held = [...this.#held.values()]
    const stored = [...this.#stored.values()].sort((a, b) => a.sequence - b.sequence)
    const made = new Map(stored.map((record) => [record, renew(record)] as const))
    const released = stored
      .filter((record) => record.releaseOrder > 0)
      .sort((a, b) => a.releaseOrder - b.releaseOrder)
      .map((record) => made.get(record) as OutboundMessage)
    return {
      session: this.#session,
      lastSequence: this.#lastSequence,
      publications: [...made.values()],
      released,
      received: [...this.#received],
      inbound: held.length === 0 ? undefined : (publishClass) => ReleaseFlow.holding(held, publishClass),
    }
  }

  /** Sequence numbers of the publications that it holds. */
  get sequences(): number[] {
    return [...this.#stored.keys()]
  }

  published(message: OutboundMessage): void {
    const { sequence, packetId } = message
    const interval = message.expiry?.interval ?? -1
    this.#pending.push(() => {
      this.#stored.set(sequence, { message, sequence, packetId, releaseOrder: 0, interval })
      this.#lastSequence = sequence
    })
  }

  sent(message: OutboundMessage): void {
    const { sequence, packetId } = message
    const interval = message.expiry?.interval ?? -1
    this.#pending.push(() => {
      const record = this.#stored.get(sequence)
      if (record !== undefined) this.#stored.set(sequence, { ...record, packetId, releaseOrder: 0, interval })
    })
  }

  released(message: OutboundMessage): void {
    const { sequence } = message
    this.#pending.push(() => {
      const record = this.#stored.get(sequence)
      if (record !== undefined) record.releaseOrder = ++this.#releases
    })
  }

  settled(message: OutboundMessage): void {
    const { sequence } = message
    this.#pending.push(() => this.#stored.delete(sequence))
  }

  received(packetId: number): void {
    this.#pending.push(() => {
      this.#received.add(packetId)
      this.#held.delete(packetId)
    })
  }

  held(message: HeldMessage): void {
    const { packetId, topic, retain } = message
    const [payload, propertyBytes] = [message.payload.slice(), message.propertyBytes.slice()]
    this.#pending.push(() => this.#held.set(packetId, { packetId, topic, retain, payload, propertyBytes }))
  }

  completed(packetId: number): void {
    this.#pending.push(() => {
      this.#received.delete(packetId)
      this.#held.delete(packetId)
    })
  }

  session(record: SessionRecord): void {
    this.#pending.push(() => {
      this.#session = record
    })
  }

  sessionLost(): void {
    this.#pending.push(() => {
      this.#received.clear()
      this.#held.clear()
    })
  }
}

/** The message as a new process has it. */
function renew({ message, sequence, packetId, interval }: Stored): OutboundMessage {
  const { expiry } = message
  const copy = new OutboundMessage(
    message.topic,
    message.payload,
    message.qos,
    message.retain,
    message.properties,
    expiry === undefined ? undefined : new MessageExpiry(expiry.dropAt, expiry.endsAt),
    0,
  )
  if (copy.expiry !== undefined) copy.expiry.interval = interval
  copy.sequence = sequence
  copy.packetId = packetId
  copy.stage = packetId === 0 ? Stage.queued : Stage.sent
  return copy
}

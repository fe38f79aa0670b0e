import type { Backlog } from '../session/backlog.ts'
import type { Journal, SessionRecord } from '../session/journal.ts'
import type { OutboundMessage } from '../session/outbound-message.ts'
import type { HeldMessage } from '../session/release-flow.ts'

/** A journal that keeps what it records, in groups. */
export interface DurableJournal extends Journal {
  /** Something is recorded that is not stored yet. */
  readonly dirty: boolean
  /** Something is recorded on which output may depend: that output leaves after the next flush. */
  readonly binding: boolean
  /** Every publication up to this sequence number is stored. */
  readonly storedThrough: number
  /** Resolves when everything recorded before the call is stored; rejects with `StoreError`, from then on always. */
  flush(): Promise<void>
  /** Stores what is left and closes the store. */
  close(): Promise<void>
  /** The same, until `resume`: what is recorded meanwhile is stored then. */
  suspend(): Promise<void>
  /** Rejects with `StoreError` when the store cannot be opened again, or somebody else has used it. */
  resume(): Promise<void>
}

/**
 * The session is made before its store is open, and records nothing until then (the driver keeps publications back).
 * This is the place where the journal comes in.
 */
export class JournalGate implements Journal {
  journal: DurableJournal | undefined = undefined

  get isOpen(): boolean {
    return this.journal !== undefined
  }

  get backlog(): Backlog | undefined {
    return this.journal?.backlog
  }

  published(message: OutboundMessage): void {
    this.journal?.published(message)
  }

  sent(message: OutboundMessage): void {
    this.journal?.sent(message)
  }

  released(message: OutboundMessage): void {
    this.journal?.released(message)
  }

  settled(message: OutboundMessage): void {
    this.journal?.settled(message)
  }

  received(packetId: number): void {
    this.journal?.received(packetId)
  }

  held(message: HeldMessage): void {
    this.journal?.held(message)
  }

  completed(packetId: number): void {
    this.journal?.completed(packetId)
  }

  session(record: SessionRecord): void {
    this.journal?.session(record)
  }

  sessionLost(): void {
    this.journal?.sessionLost()
  }
}

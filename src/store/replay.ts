import type { OwnerRecord, PublicationPlace, RecordVisitor } from '../session/stored-record.ts'
import type { SessionRecord } from '../session/journal.ts'
import type { LogBlock, MessageLog } from './message-log.ts'
import { SPILLED } from './message-log.ts'

/** How far an unfinished publication had come. Those without one were never sent. */
export interface FlightState {
  packetId: number
  /** 0 = no PUBREC received. */
  releaseOrder: number
  /** Message Expiry Interval of its first PUBLISH, in seconds; -1 = it had none. */
  interval: number
}

/**
 * Reads a log from its beginning and finds out what is unfinished, and how far it had come. The messages themselves
 * stay where they are: a log may be larger than memory.
 */
export class Replay<M> implements RecordVisitor {
  readonly #log: MessageLog<M>
  #block!: LogBlock<M>
  readonly flights: Map<number, FlightState> = new Map()
  readonly received: Set<number> = new Set()
  session: SessionRecord | undefined
  owner: OwnerRecord | undefined
  lastSequence: number = 0
  lastReleaseOrder: number = 0

  constructor(log: MessageLog<M>) {
    this.#log = log
  }

  /** The records that follow are from this block. */
  enter(block: LogBlock<M>): void {
    this.#block = block
  }

  publication(place: PublicationPlace): void {
    const { sequence, packetId, releaseOrder } = place
    const bytes = place.end - place.start
    // A first record of a number that is known, or does not ascend, can only be read as a later word on the same message.
    const known = this.#log.find(sequence) !== undefined
    if (place.moved || known || !this.#log.fits(this.#block, sequence)) {
      this.#log.move(this.#block, sequence, SPILLED, bytes)
    } else {
      this.#log.add(this.#block, sequence, SPILLED, bytes)
    }
    this.lastSequence = Math.max(this.lastSequence, sequence)
    if (packetId !== 0) this.#flight(sequence, packetId, releaseOrder)
    else this.flights.delete(sequence)
  }

  sent(sequence: number, packetId: number): void {
    if (this.#log.find(sequence) !== undefined) this.#flight(sequence, packetId, 0)
  }

  expiryInterval(sequence: number, interval: number): void {
    const flight = this.flights.get(sequence)
    if (flight !== undefined) flight.interval = interval
  }

  released(sequence: number, releaseOrder: number): void {
    const flight = this.flights.get(sequence)
    if (flight !== undefined) flight.releaseOrder = releaseOrder
    this.lastReleaseOrder = Math.max(this.lastReleaseOrder, releaseOrder)
  }

  settled(first: number, count: number): void {
    for (let sequence = first; sequence < first + count; sequence++) {
      this.#log.remove(sequence)
      this.flights.delete(sequence)
    }
    this.lastSequence = Math.max(this.lastSequence, first + count - 1)
  }

  received_(packetId: number): void {
    this.received.add(packetId)
  }

  completed(packetId: number): void {
    this.received.delete(packetId)
  }

  receivedSet(packetIds: readonly number[]): void {
    this.received.clear()
    for (const id of packetIds) this.received.add(id)
  }

  sessionLost(): void {
    this.received.clear()
    // Packet ids belong to the session that is gone.
    this.flights.clear()
  }
}

import type { SessionRecord } from '../session/journal.ts'
import type { OwnerRecord, PublicationPlace, RecordVisitor } from '../session/stored-record.ts'
import type { LogSegment, MessageLog } from './message-log.ts'
import { SPILLED } from './message-log.ts'
import { SequenceIndex } from './sequence-index.ts'

/** How far an unfinished publication had come. Those without one were never sent. */
export interface FlightState {
  /** 0 = not sent in the present session. */
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
  #segment!: LogSegment<M>
  readonly unfinished: SequenceIndex = new SequenceIndex()
  readonly flights: Map<number, FlightState> = new Map()
  readonly received: Set<number> = new Set()
  /** As `encodeHeld` made them. */
  readonly held: Map<number, Uint8Array> = new Map()
  session: SessionRecord | undefined
  owner: OwnerRecord | undefined
  lastSequence: number = 0
  lastReleaseOrder: number = 0

  constructor(log: MessageLog<M>) {
    this.#log = log
  }

  /** The records that follow are from this segment. */
  enter(segment: LogSegment<M>): void {
    this.#segment = segment
  }

  onPublication(place: PublicationPlace): void {
    const { sequence, packetId, releaseOrder } = place
    this.unfinished.add(sequence, place.payloadBytes, place.dropAt)
    const bytes = place.end - place.start
    // A number that does not ascend, or leaves too wide a gap, is kept the other way: it costs more, and is rare.
    const ascends = sequence > this.lastSequence && this.#log.fits(this.#segment, sequence)
    if (place.moved || !ascends) {
      this.#log.move(this.#segment, sequence, SPILLED, bytes)
    } else {
      this.#log.add(this.#segment, sequence, SPILLED, bytes)
    }
    this.lastSequence = Math.max(this.lastSequence, sequence)
    if (packetId !== 0) this.#flight(sequence, packetId, releaseOrder)
    else this.flights.delete(sequence)
  }

  onSent(sequence: number, packetId: number): void {
    if (this.#log.find(sequence) !== undefined) this.#flight(sequence, packetId, 0)
  }

  onExpiryInterval(sequence: number, interval: number): void {
    const flight = this.flights.get(sequence)
    if (flight !== undefined) flight.interval = interval
  }

  onReleased(sequence: number, releaseOrder: number): void {
    const flight = this.flights.get(sequence)
    if (flight !== undefined) flight.releaseOrder = releaseOrder
    this.lastReleaseOrder = Math.max(this.lastReleaseOrder, releaseOrder)
  }

  onSettled(first: number, count: number): void {
    for (let sequence = first; sequence < first + count; sequence++) {
      this.#log.remove(sequence)
      this.unfinished.remove(sequence)
      this.flights.delete(sequence)
    }
    this.lastSequence = Math.max(this.lastSequence, first + count - 1)
  }

  onReceived(packetId: number): void {
    this.received.add(packetId)
    this.held.delete(packetId)
  }

  onHeld(packetId: number, held: Uint8Array): void {
    this.held.set(packetId, new Uint8Array(held))
  }

  onCompleted(packetId: number): void {
    this.received.delete(packetId)
    this.held.delete(packetId)
  }

  onReceivedSet(packetIds: readonly number[]): void {
    this.received.clear()
    this.held.clear()
    for (const id of packetIds) this.received.add(id)
  }

  onSessionLost(): void {
    this.received.clear()
    this.held.clear()
    // Packet ids belong to the session that is gone; an interval stays what the first PUBLISH said.
    for (const [sequence, flight] of this.flights) {
      if (flight.interval < 0) this.flights.delete(sequence)
      flight.packetId = 0
      flight.releaseOrder = 0
    }
  }

  onSession(record: SessionRecord): void {
    this.session = record
  }

  onOwner(record: OwnerRecord): void {
    this.owner = record
  }

  #flight(sequence: number, packetId: number, releaseOrder: number): void {
    const interval = this.flights.get(sequence)?.interval ?? -1
    this.flights.set(sequence, { packetId, releaseOrder, interval })
    this.lastReleaseOrder = Math.max(this.lastReleaseOrder, releaseOrder)
  }
}

/** Looks at nothing: for those who want one kind of record. */
export const IGNORE_RECORDS: RecordVisitor = {
  onPublication: ignore,
  onSent: ignore,
  onExpiryInterval: ignore,
  onReleased: ignore,
  onSettled: ignore,
  onReceived: ignore,
  onCompleted: ignore,
  onReceivedSet: ignore,
  onHeld: ignore,
  onSession: ignore,
  onSessionLost: ignore,
  onOwner: ignore,
}

function ignore(): void {}

import type { ProtocolVersion } from '../codec/packet.ts'
import { StoreError } from '../errors.ts'
import type { Journal, RestoredSession, SessionRecord } from '../session/journal.ts'
import { type OutboundMessage, Stage } from '../session/outbound-message.ts'
import type { HeldMessage } from '../session/release-flow.ts'
import {
  BlockWriter,
  encodeHeld,
  type OwnerRecord,
  type StoredPublication,
} from '../session/stored-record.ts'
import { journalSizes } from './journal-sizes.ts'
import { LogSegment, type MessageLog, SPILLED } from './message-log.ts'
import { readSpilled, restoreLog } from './restore.ts'
import type { SessionStore, StoredBlock } from './store.ts'
import {
  type BacklogLimits,
  type BacklogOwner,
  type BacklogSource,
  StoredBacklog,
  type StretchOfLog,
} from './stored-backlog.ts'

export interface JournalOptions {
  /** As in the client's options; empty = the one in the store, or whatever the server assigns. */
  readonly clientId: string
  /** As in the client's options; 0 = the one in the store, or what the server speaks. */
  readonly protocolVersion: ProtocolVersion | 0
  /** Makes the object that stands for a restored publication. */
  readonly createMessage: (fields: StoredPublication) => OutboundMessage
  /** Keeps publications beyond `limits` in the store alone. Without it all are in memory. */
  readonly backlog?: { readonly limits: BacklogLimits; readonly owner: BacklogOwner } | undefined
}

/** What a store held when it was opened. */
export interface OpenedJournal {
  readonly journal: DurableJournal
  readonly restored: RestoredSession
  /** Client identifier in use in the stored session; empty = none is known. */
  readonly clientId: string
  /** 0 = none is known. */
  readonly protocolVersion: ProtocolVersion | 0
  /** Damaged records were found: which, how many, and what became of them. */
  readonly damage: StoreError | undefined
}

/** Bytes that one call of the store writes, about: it may copy them. What a long turn has published is more. */
const WRITE_BYTES = 8 * 1024 * 1024
const FIRST_BYTES = 2048
/** What a block may have more than its full size: the last record may be longer than what was left. */
const ROOM_BYTES = 4096
/** Blocks from this size on leave their memory to later ones: to those of a turn while those of the last one are written. */
const REUSED_BYTES = 32 * 1024
const REUSED_BLOCKS = 16
/** What may be left at the end: less is not worth a write. */
const CLOSING_BYTES = 1024

/**
 * The journal of a session in a `SessionStore`: records what happens as bytes, at once, and writes them in groups, one
 * group per flush. The records form a log; see message-log.ts for how its space is reclaimed.
 *
 * One write is under way at a time. What is recorded meanwhile makes up the next group, so that a slow store
 * gets larger groups, not more of them.
 */
export class DurableJournal implements Journal, BacklogSource {
  readonly #store: SessionStore
  readonly #log: MessageLog<OutboundMessage>
  readonly #createMessage: (fields: StoredPublication) => OutboundMessage
  readonly backlog: StoredBacklog | undefined
  #position: number
  #owner: OwnerRecord
  #session: SessionRecord | undefined
  readonly #received: Set<number>
  readonly #held: Map<number, Uint8Array>
  /** Publications that wait for PUBCOMP, with their place among the PUBRECs. */
  readonly #released: Map<OutboundMessage, number> = new Map()
  #releaseOrder: number

  /** The block that is being filled, and the segment that it belongs to. */
  #writer: BlockWriter | undefined
  #segment: LogSegment<OutboundMessage> = new LogSegment()
  /** Memory of blocks that have been written, for the next ones; none after small blocks, so that an idle client holds none. */
  #spare: Uint8Array[] = []
  /** Finished, and not in the store yet. */
  #finished: LogSegment<OutboundMessage>[] = []
  #finishedBytes: StoredBlock[] = []
  /** A run of settled publications that has not become a record yet: most finish in order. */
  #settledFirst = 0
  #settledCount = 0
  #binding = false
  /** The write that is under way has such records in it. */
  #isWritingBinding = false
  #lastSequence: number

  #writing: Promise<void> | undefined
  #next: Promise<void> | undefined
  #failure: StoreError | undefined
  #closing = false
  #isClosed = false
  /** The last position in the store when it was closed for a while. */
  #suspendedAt = 0
  #storedThrough: number

  private constructor(
    store: SessionStore,
    state: Awaited<ReturnType<typeof restoreLog>>,
    options: JournalOptions,
  ) {
    this.#store = store
    this.#createMessage = options.createMessage
    const { backlog } = options
    this.backlog =
      backlog === undefined
        ? undefined
        : new StoredBacklog(this, backlog.limits, backlog.owner, state.unfinished)
    this.#log = state.log
    this.#position = state.lastPosition
    this.#owner = state.owner
    this.#session = state.session
    this.#received = state.received
    this.#held = state.held
    for (const [message, order] of state.releaseOrders) this.#released.set(message, order)
    this.#releaseOrder = state.lastReleaseOrder
    this.#lastSequence = state.restored.lastSequence
    this.#storedThrough = state.restored.lastSequence
  }

  /**
   * Opens the store and reads the session in it.
   *
   * @throws StoreError when the store cannot be opened or read, belongs to another client identifier or protocol version, or
   * was written by a newer release. The store is closed again then.
   */
  static async open(store: SessionStore, options: JournalOptions): Promise<OpenedJournal> {
    await attempt(() => store.open(), 'The session store could not be opened')
    try {
      const state = await attempt(() => restoreLog(store, options), 'The session store could not be read')
      const journal = new DurableJournal(store, state, options)
      if (state.isNew) {
        journal.#open().owner(state.owner)
        await journal.flush()
      }
      return {
        journal,
        restored: state.restored,
        clientId: state.session?.clientId ?? state.owner.clientId,
        protocolVersion: state.session?.protocolVersion ?? state.owner.protocolVersion,
        damage: state.damage,
      }
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Something is recorded that is not in the store yet. */
  get dirty(): boolean {
    if (this.#failure !== undefined || this.#isClosed) return false
    const isRecorded = this.#writer !== undefined || this.#settledCount > 0 || this.#finished.length > 0
    return isRecorded || this.#isWritingBinding
  }

  /**
   * Something is recorded, or just being written, on which output may depend: the output must not leave before the next
   * flush. False while only ends of publications are recorded: if those get lost, the server just hears of a publication
   * again, in the way that MQTT provides for.
   */
  get binding(): boolean {
    return (this.#binding || this.#isWritingBinding) && !this.#isClosed
  }

  /** Every publication up to this sequence number is in the store. */
  get storedThrough(): number {
    return this.#storedThrough
  }

  /** Why the store can not be written to any more. */
  get failure(): StoreError | undefined {
    return this.#failure
  }

  // ------------------------------------------------------------------------------------------------ Journal

  published(message: OutboundMessage): void {
    const { sequence } = message
    if (!this.#log.fits(this.#segment, sequence)) {
      this.#finish()
      this.#segment = new LogSegment()
    }
    const writer = this.#open()
    const before = writer.length
    writer.publication(message, sequence, message.packetId, 0, false)
    const slot = message.stage === Stage.spilled ? SPILLED : message
    this.#log.add(this.#segment, sequence, slot, writer.length - before)
    this.#lastSequence = sequence
    this.#binding = true
    if (writer.length >= journalSizes.block) this.#finish()
  }

  sent(message: OutboundMessage): void {
    const writer = this.#open()
    writer.sent(message.sequence, message.packetId)
    const interval = message.expiry?.interval ?? -1
    if (interval >= 0) writer.expiryInterval(message.sequence, interval)
    this.#released.delete(message)
    this.#binding = true
  }

  released(message: OutboundMessage): void {
    const order = ++this.#releaseOrder
    this.#open().released(message.sequence, order)
    this.#released.set(message, order)
    this.#binding = true
  }

  settled(message: OutboundMessage): void {
    const { sequence } = message
    if (!this.#log.remove(sequence)) return
    if (message.qos === 2) this.#released.delete(message)
    if (sequence === this.#settledFirst + this.#settledCount) {
      this.#settledCount++
      return
    }
    this.#recordSettled()
    this.#settledFirst = sequence
    this.#settledCount = 1
  }

  received(packetId: number): void {
    this.#open().received(packetId)
    this.#received.add(packetId)
    this.#held.delete(packetId)
    this.#binding = true
  }

  held(message: HeldMessage): void {
    const held = encodeHeld(message)
    const writer = this.#open()
    writer.held(held)
    this.#held.set(message.packetId, held)
    this.#binding = true
    if (writer.length >= journalSizes.block) this.#finish()
  }

  completed(packetId: number): void {
    this.#open().completed(packetId)
    this.#received.delete(packetId)
    this.#held.delete(packetId)
    this.#binding = true
  }

  session(record: SessionRecord): void {
    this.#open().session(record)
    this.#session = record
    this.#binding = true
  }

  sessionLost(): void {
    this.#open().sessionLost()
    this.#received.clear()
    this.#held.clear()
    this.#released.clear()
    this.#binding = true
  }

  // ------------------------------------------------------------------------------------------------ the backlog

  async read(sequence: number): Promise<StretchOfLog> {
    if (sequence > this.#storedThrough) await this.flush()
    const segment = this.#log.find(sequence)
    // It is nowhere: to say so ends the matter, to say nothing would have it asked for again and again.
    if (segment === undefined) return { messages: new Map(), holds: (other) => other === sequence }
    const through = this.#storedThrough
    const reading = readSpilled(this.#store, this.#log, segment, this.#createMessage)
    const messages = await attempt(() => reading, 'The session store could not be read')
    return {
      messages,
      holds: (other) => (messages.has(other) || other <= through) && this.#log.find(other) === segment,
    }
  }

  recalled(messages: readonly OutboundMessage[]): void {
    for (const message of messages) this.#log.replace(message.sequence, message)
  }

  // ------------------------------------------------------------------------------------------------ writing

  /**
   * Writes what has been recorded so far; resolves when the store has it.
   *
   * @throws StoreError (rejects) when the store failed, now or earlier
   */
  flush(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#writing === undefined) return this.#write()
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined
      // Somebody else may have begun the next write by now: what was recorded before is in it.
      return this.flush()
    })
    return this.#next
  }

  /** Writes what is left and closes the store until `resume`. What is recorded meanwhile is written after that. */
  async suspend(): Promise<void> {
    try {
      if (this.#failure === undefined) await this.flush()
    } finally {
      this.#suspendedAt = this.#position
      await attempt(() => this.#store.close(), 'The session store could not be closed')
    }
  }

  /**
   * Opens the store again.
   *
   * @throws StoreError when it cannot be opened, had failed before, or somebody else has used it meanwhile
   */
  async resume(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    await attempt(() => this.#store.open(), 'The session store could not be opened')
    try {
      await attempt(() => this.#checkUntouched(), 'The session store could not be read')
    } catch (error) {
      await this.#store.close()
      throw error
    }
  }

  /** Whoever uses a store appends to it. */
  async #checkUntouched(): Promise<void> {
    for await (const _ of this.#store.load(this.#suspendedAt + 1)) {
      throw new StoreError(
        'The session store has been used by another client since this one closed it: make a new client to go on from there',
      )
    }
  }

  /** Writes what is left and closes the store. What is recorded after that is nobody's concern. */
  async close(): Promise<void> {
    if (this.#closing) return
    try {
      this.#closing = true
      if (this.#failure === undefined) await this.flush()
    } finally {
      this.#isClosed = true
      await attempt(() => this.#store.close(), 'The session store could not be closed')
    }
  }

  #write(): Promise<void> {
    // From here on, what is recorded belongs to the next group.
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const remove = this.#compact()
    this.#finish()
    const segments = this.#finished
    const put = this.#finishedBytes
    if (put.length === 0 && remove.length === 0) return Promise.resolve()
    this.#finished = []
    this.#finishedBytes = []
    // Whoever has begun this write, be it the backlog, the output waits for its end.
    this.#isWritingBinding = this.#binding
    this.#binding = false
    const through = this.#lastSequence
    const writing = attempt(
      () => writeInPieces(this.#store, put, remove),
      'The session store could not be written',
    ).then(
      () => {
        put.forEach(({ position }, n) => {
          ;(segments[n] as LogSegment<OutboundMessage>).written = position
        })
        this.#reuse(put)
        this.#storedThrough = through
        this.#isWritingBinding = false
        this.#writing = undefined
      },
      (error: StoreError) => {
        this.#failure = error
        this.#binding = false
        this.#isWritingBinding = false
        throw error
      },
    )
    this.#writing = writing
    return writing
  }

  /** The writer to record with. */
  #open(): BlockWriter {
    if (this.#writer === undefined) {
      // Where one block was not enough, the next is filled as well: to grow step by step would cost more than the block.
      const size = this.#finished.length > 0 ? journalSizes.block + ROOM_BYTES : FIRST_BYTES
      this.#writer = new BlockWriter(this.#spare.pop() ?? new Uint8Array(size))
    }
    return this.#writer
  }

  /** The store has let go of the bytes. */
  #reuse(put: readonly StoredBlock[]): void {
    for (const { bytes } of put) {
      const isWorthIt = bytes.length >= REUSED_BYTES && bytes.buffer.byteLength <= 2 * journalSizes.block
      if (!isWorthIt) this.#spare.length = 0
      else if (this.#spare.length < REUSED_BLOCKS) this.#spare.push(new Uint8Array(bytes.buffer))
    }
  }

  #recordSettled(): void {
    if (this.#settledCount > 0) this.#open().settled(this.#settledFirst, this.#settledCount)
    this.#settledCount = 0
  }

  #finish(): void {
    this.#recordSettled()
    const writer = this.#writer
    if (writer === undefined) return
    const bytes = writer.finish()
    const segment = this.#segment
    const position = ++this.#position
    this.#log.extend(segment, position, bytes.length)
    this.#finished.push(segment)
    this.#finishedBytes.push({ position, bytes })
    this.#writer = undefined
    if (segment.isFull) this.#segment = new LogSegment()
  }

  /**
   * Positions at the front of the log that are no longer needed, if they are many enough. Records first what must not be
   * lost with them: the state of the session, and publications that hold up too much.
   */
  #compact(): number[] {
    const log = this.#log
    const bytes = this.#closing ? CLOSING_BYTES : journalSizes.cut
    const blocks = this.#closing ? 2 : journalSizes.cutBlocks
    if (log.totalBytes - log.liveBytes > log.liveBytes + journalSizes.slack) this.#moveFront()
    let count = 0
    let size = 0
    let gone = 0
    for (const segment of log.segments) {
      if (segment.live > 0 || !segment.isWritten) break
      count++
      size += segment.size
      gone += segment.last - segment.position + 1
    }
    if (count === 0 || (size < bytes && gone < blocks)) return []
    if (count === log.segments.length && this.#segment.position !== 0) this.#segment = new LogSegment()
    const writer = this.#open()
    writer.owner(this.#owner)
    if (this.#session !== undefined) writer.session(this.#session)
    writer.receivedSet(this.#received)
    for (const held of this.#held.values()) writer.held(held)
    return log.cut(count)
  }

  /** Records unfinished publications of the oldest blocks anew, so that those can go. */
  #moveFront(): void {
    let moved = 0
    for (const segment of this.#log.segments) {
      if (!segment.isWritten || segment === this.#segment || moved >= journalSizes.move) return
      if (segment.live === 0) continue
      const messages = [...segment.slots, ...segment.moved.values()]
      // What is in the store alone waits to be sent: it will be read soon, and is not in the way for long.
      if (messages.includes(SPILLED)) return
      for (const message of messages) {
        if (message !== undefined && message !== SPILLED) moved += this.#move(message)
      }
    }
  }

  #move(message: OutboundMessage): number {
    const writer = this.#open()
    const before = writer.length
    const { sequence } = message
    writer.publication(message, sequence, message.packetId, this.#released.get(message) ?? 0, true)
    const bytes = writer.length - before
    this.#log.move(this.#segment, sequence, message, bytes)
    if (writer.length >= journalSizes.block) this.#finish()
    return bytes
  }
}

async function writeInPieces(
  store: SessionStore,
  put: readonly StoredBlock[],
  remove: readonly number[],
): Promise<void> {
  let from = 0
  let size = 0
  for (let n = 0; n < put.length - 1; n++) {
    size += (put[n] as StoredBlock).bytes.length
    if (size < WRITE_BYTES) continue
    await store.write({ put: put.slice(from, n + 1), remove: [] })
    from = n + 1
    size = 0
  }
  await store.write({ put: from === 0 ? put : put.slice(from), remove })
}

/** @param work - of a store of the user's own: it may also throw at once */
async function attempt<T>(work: () => Promise<T>, what: string): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof StoreError) throw cause
    throw new StoreError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

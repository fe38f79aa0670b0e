import { StoreError } from '../errors.ts'
import type { RestoredSession, SessionRecord } from '../session/journal.ts'
import { type OutboundMessage, Stage } from '../session/outbound-message.ts'
import { ReleaseFlow } from '../session/release-flow.ts'
import {
  decodeHeld,
  isSetAside,
  type OwnerRecord,
  readBlock,
  readPublication,
  type StoredPublication,
  setAside,
} from '../session/stored-record.ts'
import type { JournalOptions } from './durable-journal.ts'
import { LogSegment, MessageLog, SPILLED } from './message-log.ts'
import { type FlightState, IGNORE_RECORDS, Replay } from './replay.ts'
import type { SequenceIndex } from './sequence-index.ts'
import type { SessionStore, StoredBlock } from './store.ts'

/** A log that has been read: what the journal goes on from. */
export interface RestoredLog {
  readonly isNew: boolean
  readonly log: MessageLog<OutboundMessage>
  readonly restored: RestoredSession
  /** Those that are left in the store alone. */
  readonly unfinished: SequenceIndex
  readonly owner: OwnerRecord
  readonly session: SessionRecord | undefined
  readonly received: Set<number>
  /** As `encodeHeld` made them, by packet id. */
  readonly held: Map<number, Uint8Array>
  /** In the order of the PUBRECs. */
  readonly releaseOrders: readonly (readonly [OutboundMessage, number])[]
  readonly lastReleaseOrder: number
  readonly lastPosition: number
  readonly damage: StoreError | undefined
}

function holding(held: readonly Uint8Array[]): NonNullable<RestoredSession['inbound']> {
  return (publishClass) => ReleaseFlow.holding(held.map(decodeHeld), publishClass)
}

/** Reads a store in two passes: what is unfinished, then just that. */
export async function restoreLog(store: SessionStore, options: JournalOptions): Promise<RestoredLog> {
  const log = new MessageLog<OutboundMessage>()
  const replay = new Replay(log)
  const repairs = new Repairs()
  let lastPosition = 0
  let segment = new LogSegment<OutboundMessage>()
  for await (const { position, bytes } of store.load(0)) {
    // A segment has no gaps: what lies between its blocks is not the log's.
    if (segment.isFull || (segment.position !== 0 && position !== segment.last + 1)) {
      segment = new LogSegment()
    }
    // The log is cut at its front alone: what is missing behind its first block has been lost by the medium.
    const isBehindGap = log.segments.length > 0 && position > lastPosition + 1
    lastPosition = position
    if (isSetAside(bytes)) continue
    if (isBehindGap) repairs.addGap(position - 1)
    replay.enter(segment)
    const damage = readBlock(bytes, replay)
    if (damage !== undefined) repairs.add(position, bytes, damage)
    log.extend(segment, position, damage?.repaired.length ?? bytes.length)
    segment.written = position
  }
  checkOwner(replay, options)
  lastPosition = await repairs.write(store, lastPosition)
  const { unfinished } = replay
  const messages = await loadMessages(store, log, replay, options)
  for (const { sequence } of messages) unfinished.remove(sequence)
  const orderOf = (message: OutboundMessage): number =>
    replay.flights.get(message.sequence)?.releaseOrder ?? 0
  const released = messages.filter((message) => orderOf(message) > 0).sort((a, b) => orderOf(a) - orderOf(b))
  return {
    isNew: replay.owner === undefined,
    log,
    restored: {
      session: replay.session,
      lastSequence: replay.lastSequence,
      publications: messages,
      spilled: unfinished.sizes(),
      released,
      received: [...replay.received],
      inbound: replay.held.size === 0 ? undefined : holding([...replay.held.values()]),
    },
    unfinished,
    owner: replay.owner ?? { clientId: options.clientId, protocolVersion: options.protocolVersion },
    session: replay.session,
    received: replay.received,
    held: replay.held,
    releaseOrders: released.map((message) => [message, orderOf(message)]),
    lastReleaseOrder: replay.lastReleaseOrder,
    lastPosition,
    damage: repairs.report(),
  }
}

/**
 * The unfinished publications in the order of their sequence numbers: as many as memory is to hold, and all that have been sent.
 */
async function loadMessages(
  store: SessionStore,
  log: MessageLog<OutboundMessage>,
  { flights, unfinished }: Replay<OutboundMessage>,
  options: JournalOptions,
): Promise<OutboundMessage[]> {
  const wanted = firstOf(unfinished, flights, options)
  const messages: OutboundMessage[] = []
  for (const segment of log.segments) {
    if (wanted.size === 0) break
    if (segment.live === 0) continue
    const found = await readSpilled(
      store,
      log,
      segment,
      (stored) => createMessage(stored, flights.get(stored.sequence), options),
      wanted,
    )
    for (const message of found.values()) {
      wanted.delete(message.sequence)
      log.replace(message.sequence, message)
      messages.push(message)
    }
  }
  return messages.sort((a, b) => a.sequence - b.sequence)
}

/** The sequence numbers that memory has room for, and in any case those up to the last one that has been sent. */
function firstOf(
  unfinished: SequenceIndex,
  flights: ReadonlyMap<number, FlightState>,
  { backlog }: JournalOptions,
): Set<number> {
  let lastSent = 0
  for (const [sequence, { packetId }] of flights) if (packetId !== 0) lastSent = Math.max(lastSent, sequence)
  const { messages, bytes } = backlog?.limits ?? { messages: Infinity, bytes: Infinity }
  const wanted = new Set<number>()
  let size = 0
  for (const sequence of unfinished.sequences()) {
    if (sequence > lastSent && (wanted.size >= messages || size >= bytes)) break
    wanted.add(sequence)
    size += unfinished.bytesOf(sequence)
  }
  return wanted
}

/** Publications of a segment that are not in memory, by their sequence numbers. */
export async function readSpilled(
  store: SessionStore,
  log: MessageLog<OutboundMessage>,
  segment: LogSegment<OutboundMessage>,
  create: (stored: StoredPublication) => OutboundMessage,
  wanted?: ReadonlySet<number>,
): Promise<Map<number, OutboundMessage>> {
  const found = new Map<number, OutboundMessage>()
  const through = segment.written
  for await (const { position, bytes } of store.load(segment.position)) {
    if (position > through) break
    if (isSetAside(bytes)) continue
    readBlock(bytes, {
      ...IGNORE_RECORDS,
      onPublication: (place) => {
        const { sequence } = place
        if (wanted?.has(sequence) === false || log.slotIn(segment, sequence) !== SPILLED) return
        // The last record of a message counts: it may have been moved within a segment.
        const message = create(readPublication(bytes, place))
        message.sequence = sequence
        found.set(sequence, message)
      },
    })
  }
  return found
}

function createMessage(
  stored: StoredPublication,
  flight: FlightState | undefined,
  options: JournalOptions,
): OutboundMessage {
  const message = options.createMessage(stored)
  if (flight === undefined) return message
  if (flight.packetId !== 0) {
    message.packetId = flight.packetId
    message.stage = Stage.sent
  }
  if (message.expiry !== undefined && flight.interval >= 0) message.expiry.interval = flight.interval
  return message
}

function checkOwner(replay: Replay<OutboundMessage>, options: JournalOptions): void {
  const clientId = replay.session?.clientId ?? replay.owner?.clientId ?? ''
  if (clientId !== '' && options.clientId !== '' && clientId !== options.clientId) {
    throw new StoreError(
      `The session store belongs to client identifier "${clientId}", not "${options.clientId}": give each client a store of its own, or set clientId to "${clientId}"`,
      { code: 'ERR_MQTT_STORE_CLIENT_ID' },
    )
  }
  const version = replay.session?.protocolVersion ?? replay.owner?.protocolVersion ?? 0
  if (version !== 0 && options.protocolVersion !== 0 && version !== options.protocolVersion) {
    throw new StoreError(
      `The session store holds a session of MQTT ${VERSION_NAMES[version]}, not ${VERSION_NAMES[options.protocolVersion]}: set protocolVersion to ${version} to finish it, or use another store (clearStore gives this one up, with what is in it)`,
      { code: 'ERR_MQTT_STORE_PROTOCOL_VERSION' },
    )
  }
}

const VERSION_NAMES = { 3: '3.1', 4: '3.1.1', 5: '5.0' } as const

/** Damaged blocks: each is replaced by what can be read of it, and kept as it was behind the end of the log. */
class Repairs {
  readonly #found: { block: StoredBlock; repaired: Uint8Array }[] = []
  /** What marks a gap as known, so that it is reported once. */
  readonly #gaps: StoredBlock[] = []
  #stretches = 0
  #bytes = 0

  add(
    position: number,
    bytes: Uint8Array,
    damage: { stretches: number; bytes: number; repaired: Uint8Array },
  ): void {
    this.#found.push({ block: { position, bytes }, repaired: damage.repaired })
    this.#stretches += damage.stretches
    this.#bytes += damage.bytes
  }

  /** @param position - the last one that is missing */
  addGap(position: number): void {
    this.#gaps.push({ position, bytes: setAside(new Uint8Array(0)) })
  }

  /** Answers the last position that is in use then. */
  async write(store: SessionStore, lastPosition: number): Promise<number> {
    if (this.#gaps.length > 0) await store.write({ put: this.#gaps, remove: [] })
    if (this.#found.length === 0) return lastPosition
    let last = lastPosition
    // The copies first: if the replacements do not survive, the damage is found again.
    const copies = this.#found.map(({ block }) => ({ position: ++last, bytes: setAside(block.bytes) }))
    await store.write({ put: copies, remove: [] })
    const put = this.#found.map(({ block, repaired }) => ({ position: block.position, bytes: repaired }))
    await store.write({ put, remove: [] })
    return last
  }

  report(): StoreError | undefined {
    const what: string[] = []
    if (this.#found.length > 0) {
      what.push(
        `at least ${this.#stretches} records (${this.#bytes} bytes) could not be read and were set aside`,
      )
    }
    if (this.#gaps.length > 0) {
      what.push(`blocks of records are missing in ${this.#gaps.length} places, and what they held is lost`)
    }
    if (what.length === 0) return undefined
    return new StoreError(
      `The session store was damaged: ${what.join('; ')}; the rest of the session goes on`,
      { code: 'ERR_MQTT_STORE_DAMAGED' },
    )
  }
}

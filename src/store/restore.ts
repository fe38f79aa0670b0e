import { StoreError } from '../errors.ts'
import type { RestoredSession, SessionRecord } from '../session/journal.ts'
import { type OutboundMessage, Stage } from '../session/outbound-message.ts'
import {
  isSetAside,
  type OwnerRecord,
  type PublicationPlace,
  readBlock,
  readPublication,
  setAside,
} from '../session/stored-record.ts'
import type { JournalOptions } from './durable-journal.ts'
import { LogBlock, MessageLog } from './message-log.ts'
import { type FlightState, IGNORE_RECORDS, Replay } from './replay.ts'
import type { SessionStore, StoredBlock } from './store.ts'

/** A log that has been read: what the journal goes on from. */
export interface RestoredLog {
  readonly isNew: boolean
  readonly log: MessageLog<OutboundMessage>
  readonly restored: RestoredSession
  readonly owner: OwnerRecord
  readonly session: SessionRecord | undefined
  readonly received: Set<number>
  /** In the order of the PUBRECs. */
  readonly releaseOrders: readonly (readonly [OutboundMessage, number])[]
  readonly lastReleaseOrder: number
  readonly lastPosition: number
  readonly damage: StoreError | undefined
}

/** Reads a store in two passes: what is unfinished, then just that. */
export async function restoreLog(store: SessionStore, options: JournalOptions): Promise<RestoredLog> {
  const log = new MessageLog<OutboundMessage>()
  const replay = new Replay(log)
  const repairs = new Repairs()
  let lastPosition = 0
  for await (const { position, bytes } of store.load(0)) {
    lastPosition = position
    if (isSetAside(bytes)) continue
    const block = new LogBlock<OutboundMessage>()
    replay.enter(block)
    const damage = readBlock(bytes, replay)
    if (damage !== undefined) repairs.add(position, bytes, damage)
    block.position = position
    block.size = damage?.repaired.length ?? bytes.length
    block.isWritten = true
    log.push(block)
  }
  checkOwner(replay, options)
  lastPosition = await repairs.write(store, lastPosition)
  const messages = await loadMessages(store, log, replay.flights, options)
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
      released,
      received: [...replay.received],
    },
    owner: replay.owner ?? { clientId: options.clientId, protocolVersion: options.protocolVersion },
    session: replay.session,
    received: replay.received,
    releaseOrders: released.map((message) => [message, orderOf(message)]),
    lastReleaseOrder: replay.lastReleaseOrder,
    lastPosition,
    damage: repairs.report(),
  }
}

/** The unfinished publications, in the order of their sequence numbers. */
async function loadMessages(
  store: SessionStore,
  log: MessageLog<OutboundMessage>,
  flights: ReadonlyMap<number, FlightState>,
  options: JournalOptions,
): Promise<OutboundMessage[]> {
  const messages: OutboundMessage[] = []
  const first = log.blocks.find((block) => block.live > 0)
  if (first === undefined) return messages
  const blocks = new Map(log.blocks.map((block) => [block.position, block]))
  for await (const { position, bytes } of store.load(first.position)) {
    const block = blocks.get(position)
    if (block === undefined || block.live === 0) continue
    readPublications(bytes, (place) => {
      if (log.find(place.sequence) !== block) return
      const message = createMessage(bytes, place, flights.get(place.sequence), options)
      log.replace(place.sequence, message)
      messages.push(message)
    })
  }
  return messages.sort((a, b) => a.sequence - b.sequence)
}

function readPublications(bytes: Uint8Array, visit: (place: PublicationPlace) => void): void {
  readBlock(bytes, { ...IGNORE_RECORDS, onPublication: visit })
}

function createMessage(
  bytes: Uint8Array,
  place: PublicationPlace,
  flight: FlightState | undefined,
  options: JournalOptions,
): OutboundMessage {
  const stored = readPublication(bytes, place)
  const message = options.createMessage(stored)
  message.sequence = place.sequence
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

  /** Answers the last position that is in use then. */
  async write(store: SessionStore, lastPosition: number): Promise<number> {
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
    if (this.#found.length === 0) return undefined
    return new StoreError(
      `The session store was damaged: at least ${this.#stretches} records (${this.#bytes} bytes) could not be read and were set aside; the rest of the session goes on`,
      { code: 'ERR_MQTT_STORE_DAMAGED' },
    )
  }
}

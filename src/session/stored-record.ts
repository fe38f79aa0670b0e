/*
 * The byte form of what a store keeps of a session: blocks of records, appended in order and read back in order.
 *
 *     block   = magic "MQAL" | format version (1) | check of these 5 bytes (3) | frame ...
 *     frame   = length of the body (4) | checksum of the body (4) | body
 *     body    = one publication, one held message, or one or more small records
 *
 * All numbers are big-endian. Each message has a frame of its own, so that damage costs the records it hits and no
 * others; the frames behind a damaged one are found again by their checksums. A block is a unit of writing, not of
 * meaning: what counts is the order of the records, and the later one about a message replaces what earlier ones said.
 *
 * The format version changes only when an older release would misread what a newer one wrote. A release reads every
 * version up to its own. Record types may be added within a version: who does not know one sets it aside and says so.
 */

import type { ProtocolVersion, PublishProperties, QoS } from '../codec/packet.ts'
import { StoreError } from '../errors.ts'
import { checksum } from './checksum.ts'
import type { SessionRecord } from './journal.ts'
import type { MessageExpiry } from './outbound-message.ts'
import type { HeldMessage } from './release-flow.ts'

/** What this release writes; it reads versions up to this one. */
export const FORMAT_VERSION = 1

/** "MQAL": a block of the log. */
const MAGIC_LOG = 0x4d51414c
/** "MQAX": bytes that could not be read, kept as they were. */
const MAGIC_SET_ASIDE = 0x4d514158
const BLOCK_HEADER = 8
const FRAME_HEADER = 8

const RecordType = {
  publication: 1,
  sent: 2,
  released: 3,
  settled: 4,
  received: 5,
  completed: 6,
  receivedSet: 7,
  session: 8,
  sessionLost: 9,
  owner: 10,
  expiryInterval: 11,
  held: 12,
} as const

/** Bits of a publication's flags; the two lowest are its QoS. */
const Flag = { retain: 0x04, properties: 0x08, expiry: 0x10, state: 0x20, moved: 0x40 } as const

/** dropAt, endsAt, interval: numbers of 8 bytes. */
const EXPIRY_SIZE = 24

/** What a publication record takes, in the shape in which the session keeps it. */
export interface PublicationFields {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly properties: PublishProperties | undefined
  readonly expiry: Pick<MessageExpiry, 'dropAt' | 'endsAt' | 'interval'> | undefined
}

/** One publication as a store gives it back. */
export interface StoredPublication extends PublicationFields {
  readonly sequence: number
  /** 0 = never sent. */
  readonly packetId: number
  /** Position among the received PUBRECs; 0 = none received. */
  readonly releaseOrder: number
}

/** Who may use a store: known from the first start on, before any server has said who the client is. */
export interface OwnerRecord {
  /** Empty = the server is to assign one. */
  readonly clientId: string
  /** 0 = the client takes what the server speaks. */
  readonly protocolVersion: ProtocolVersion | 0
}

/** Gathers records into one block. */
export class BlockWriter {
  #bytes: Uint8Array
  #view: DataView
  #length: number = BLOCK_HEADER
  /** Start of the frame that is being written; its header is filled in when it ends. 0 = none. */
  #frame: number = 0
  #frameIsMessage: boolean = false

  /** @param bytes - memory to begin with, at least 256 bytes, of a buffer of its own; when it is full, more is made */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
    writeBlockHeader(this.#view, MAGIC_LOG)
  }

  get isEmpty(): boolean {
    return this.#length === BLOCK_HEADER
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** @param releaseOrder - 0 while no PUBREC has come @param moved - the message has an older record further ahead in the log */
  publication(
    message: PublicationFields,
    sequence: number,
    packetId: number,
    releaseOrder: number,
    moved: boolean,
  ): void {
    const { topic, payload, properties, expiry } = message
    this.#endFrame()
    this.#need(FRAME_HEADER + 48 + topic.length * 3 + payload.length)
    this.#beginFrame(true)
    const view = this.#view
    let at = this.#length
    let flags: number = message.qos
    if (message.retain) flags |= Flag.retain
    if (moved) flags |= Flag.moved
    const flagsAt = at + 1
    view.setUint8(at, RecordType.publication)
    writeSequence(view, at + 2, sequence)
    view.setUint16(at + 8, packetId)
    at += 10
    if (releaseOrder !== 0) {
      flags |= Flag.state
      writeSequence(view, at, releaseOrder)
      at += 6
    }
    if (expiry !== undefined) {
      flags |= Flag.expiry
      view.setFloat64(at, expiry.dropAt)
      view.setFloat64(at + 8, expiry.endsAt)
      view.setFloat64(at + 16, expiry.interval)
      at += EXPIRY_SIZE
    }
    const topicBytes = writeText(this.#bytes, at + 2, topic)
    view.setUint16(at, topicBytes)
    at += 2 + topicBytes
    if (properties !== undefined) {
      flags |= Flag.properties
      const encoded = encodeProperties(properties)
      this.#length = at
      this.#need(4 + encoded.length + payload.length)
      this.#view.setUint32(at, encoded.length)
      this.#bytes.set(encoded, at + 4)
      at += 4 + encoded.length
    }
    this.#view.setUint8(flagsAt, flags)
    this.#bytes.set(payload, at)
    this.#length = at + payload.length
  }

  sent(sequence: number, packetId: number): void {
    const at = this.#small(RecordType.sent, 9)
    writeSequence(this.#view, at, sequence)
    this.#view.setUint16(at + 6, packetId)
  }

  /** Message Expiry Interval that the first PUBLISH carried, in seconds. */
  expiryInterval(sequence: number, interval: number): void {
    const at = this.#small(RecordType.expiryInterval, 11)
    writeSequence(this.#view, at, sequence)
    this.#view.setUint32(at + 6, interval)
  }

  released(sequence: number, releaseOrder: number): void {
    const at = this.#small(RecordType.released, 13)
    writeSequence(this.#view, at, sequence)
    writeSequence(this.#view, at + 6, releaseOrder)
  }

  /** `count` publications from `first` on are over. */
  settled(first: number, count: number): void {
    const at = this.#small(RecordType.settled, 11)
    writeSequence(this.#view, at, first)
    this.#view.setUint32(at + 6, count)
  }

  received(packetId: number): void {
    // The view last: it is another one when the block has grown.
    const at = this.#small(RecordType.received, 3)
    this.#view.setUint16(at, packetId)
  }

  /** @param held - as `encodeHeld` makes it */
  held(held: Uint8Array): void {
    this.#endFrame()
    this.#need(FRAME_HEADER + 1 + held.length)
    this.#beginFrame(true)
    this.#view.setUint8(this.#length, RecordType.held)
    this.#bytes.set(held, this.#length + 1)
    this.#length += 1 + held.length
  }

  completed(packetId: number): void {
    // The view last: it is another one when the block has grown.
    const at = this.#small(RecordType.completed, 3)
    this.#view.setUint16(at, packetId)
  }

  /** Replaces what all earlier `received`, `held` and `completed` said. */
  receivedSet(packetIds: ReadonlySet<number>): void {
    let at = this.#small(RecordType.receivedSet, 3 + packetIds.size * 2)
    this.#view.setUint16(at, packetIds.size)
    for (const id of packetIds) {
      at += 2
      this.#view.setUint16(at, id)
    }
  }

  session(record: SessionRecord): void {
    const clientId = encoder.encode(record.clientId)
    const at = this.#small(RecordType.session, 17 + clientId.length)
    const view = this.#view
    view.setUint8(at, record.protocolVersion)
    view.setUint8(at + 1, record.connected ? 1 : 0)
    view.setUint32(at + 2, record.sessionExpiryInterval)
    view.setFloat64(at + 6, record.at)
    view.setUint16(at + 14, clientId.length)
    this.#bytes.set(clientId, at + 16)
  }

  sessionLost(): void {
    this.#small(RecordType.sessionLost, 1)
  }

  owner(record: OwnerRecord): void {
    const clientId = encoder.encode(record.clientId)
    const at = this.#small(RecordType.owner, 4 + clientId.length)
    this.#view.setUint8(at, record.protocolVersion)
    this.#view.setUint16(at + 1, clientId.length)
    this.#bytes.set(clientId, at + 3)
  }

  /** The finished block: a view of the memory in use. The writer is of no use afterwards. */
  finish(): Uint8Array {
    this.#endFrame()
    return this.#bytes.subarray(0, this.#length)
  }

  /** Room for a small record in a frame of such; answers where its fields begin. */
  #small(type: number, size: number): number {
    if (this.#frame === 0 || this.#frameIsMessage) {
      this.#endFrame()
      this.#need(FRAME_HEADER + size)
      this.#beginFrame(false)
    } else {
      this.#need(size)
    }
    const at = this.#length
    this.#view.setUint8(at, type)
    this.#length = at + size
    return at + 1
  }

  #beginFrame(isMessage: boolean): void {
    this.#frame = this.#length
    this.#frameIsMessage = isMessage
    this.#length += FRAME_HEADER
  }

  #endFrame(): void {
    const start = this.#frame
    if (start === 0) return
    const body = start + FRAME_HEADER
    this.#view.setUint32(start, this.#length - body)
    this.#view.setUint32(start + 4, checksum(this.#view, body, this.#length))
    this.#frame = 0
    this.#frameIsMessage = false
  }

  #need(size: number): void {
    const wanted = this.#length + size
    if (wanted <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

/** A publication as it lies in a block; `readPublication` reads the rest of it. */
export interface PublicationPlace {
  readonly sequence: number
  readonly packetId: number
  readonly releaseOrder: number
  readonly moved: boolean
  /** Of the payload. */
  readonly payloadBytes: number
  /** When it is dropped if it is still not sent; Infinity = never. */
  readonly dropAt: number
  /** The record's place in the block, in bytes. */
  readonly start: number
  readonly end: number
}

/** Takes the records of a block in their order. */
export interface RecordVisitor {
  onPublication(place: PublicationPlace): void
  onSent(sequence: number, packetId: number): void
  onExpiryInterval(sequence: number, interval: number): void
  onReleased(sequence: number, releaseOrder: number): void
  onSettled(first: number, count: number): void
  onReceived(packetId: number): void
  onCompleted(packetId: number): void
  onReceivedSet(packetIds: readonly number[]): void
  /** For `decodeHeld`; a view of the block. */
  onHeld(packetId: number, held: Uint8Array): void
  onSession(record: SessionRecord): void
  onSessionLost(): void
  onOwner(record: OwnerRecord): void
}

/** What of a block could not be read. */
export interface BlockDamage {
  /** Stretches of damaged bytes: at least as many records are lost. */
  readonly stretches: number
  readonly bytes: number
  /** The block made again of what can be read. */
  readonly repaired: Uint8Array
}

/** Are these the bytes of a damaged block that was set aside earlier? */
export function isSetAside(block: Uint8Array): boolean {
  return block.length >= BLOCK_HEADER && viewOf(block).getUint32(0) === MAGIC_SET_ASIDE
}

/** A block that keeps `damaged` as it was, out of the way. */
export function setAside(damaged: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_HEADER + damaged.length)
  writeBlockHeader(viewOf(block), MAGIC_SET_ASIDE)
  block.set(damaged, BLOCK_HEADER)
  return block
}

/** The damaged bytes that `setAside` has kept. */
export function unwrapSetAside(block: Uint8Array): Uint8Array {
  return block.subarray(BLOCK_HEADER)
}

/**
 * Reads the records of a block. What is damaged is passed over, and answered.
 *
 * @throws StoreError `ERR_MQTT_STORE_FORMAT` when a newer release wrote the block
 */
export function readBlock(block: Uint8Array, visitor: RecordVisitor): BlockDamage | undefined {
  const view = viewOf(block)
  const damage = new DamageReport(block)
  if (!checkBlockHeader(view)) damage.add(0, Math.min(BLOCK_HEADER, block.length))
  let at = BLOCK_HEADER
  while (at < block.length) {
    const end = frameEnd(view, at)
    if (end !== 0 && readFrame(block, view, at + FRAME_HEADER, end, visitor)) {
      damage.keep(at, end)
      at = end
      continue
    }
    const next = end !== 0 ? end : findFrame(view, at + 1)
    damage.add(at, next)
    at = next
  }
  return damage.stretches === 0 ? undefined : damage
}

/** The whole of a publication that `readBlock` has found. Payload and topic are copies: the block may be dropped. */
export function readPublication(block: Uint8Array, place: PublicationPlace): StoredPublication {
  const view = viewOf(block)
  let at = place.start
  const flags = view.getUint8(at + 1)
  at += 10
  if (flags & Flag.state) at += 6
  let expiry: PublicationFields['expiry']
  if (flags & Flag.expiry) {
    expiry = {
      dropAt: view.getFloat64(at),
      endsAt: view.getFloat64(at + 8),
      interval: view.getFloat64(at + 16),
    }
    at += EXPIRY_SIZE
  }
  const topicEnd = at + 2 + view.getUint16(at)
  const topic = decoder.decode(block.subarray(at + 2, topicEnd))
  at = topicEnd
  let properties: PublishProperties | undefined
  if (flags & Flag.properties) {
    const end = at + 4 + view.getUint32(at)
    properties = decodeProperties(block, view, at + 4, end)
    at = end
  }
  return {
    sequence: place.sequence,
    topic,
    payload: new Uint8Array(block.subarray(at, place.end)),
    qos: (flags & 0x03) as QoS,
    retain: (flags & Flag.retain) !== 0,
    properties,
    expiry,
    packetId: place.packetId,
    releaseOrder: place.releaseOrder,
  }
}

/** Packet id, flags, lengths of topic and properties. */
const HELD_HEADER = 9

/** A received message as a record keeps it: it goes into the log anew each time the front of that is cut off. */
export function encodeHeld({ packetId, topic, payload, retain, propertyBytes }: HeldMessage): Uint8Array {
  const name = encoder.encode(topic)
  const held = new Uint8Array(HELD_HEADER + name.length + propertyBytes.length + payload.length)
  const view = viewOf(held)
  view.setUint16(0, packetId)
  view.setUint8(2, retain ? Flag.retain : 0)
  view.setUint16(3, name.length)
  view.setUint32(5, propertyBytes.length)
  held.set(name, HELD_HEADER)
  held.set(propertyBytes, HELD_HEADER + name.length)
  held.set(payload, HELD_HEADER + name.length + propertyBytes.length)
  return held
}

/** Views of `held`. */
export function decodeHeld(held: Uint8Array): HeldMessage {
  const view = viewOf(held)
  const properties = HELD_HEADER + view.getUint16(3)
  const payload = properties + view.getUint32(5)
  return {
    packetId: view.getUint16(0),
    retain: (view.getUint8(2) & Flag.retain) !== 0,
    topic: decoder.decode(held.subarray(HELD_HEADER, properties)),
    propertyBytes: held.subarray(properties, payload),
    payload: held.subarray(payload),
  }
}

class DamageReport implements BlockDamage {
  stretches: number = 0
  bytes: number = 0
  readonly #block: Uint8Array
  readonly #kept: Uint8Array[] = []

  constructor(block: Uint8Array) {
    this.#block = block
  }

  add(start: number, end: number): void {
    this.stretches++
    this.bytes += end - start
  }

  keep(start: number, end: number): void {
    const last = this.#kept.at(-1)
    // Neighbours become one piece: an undamaged block is described by a single view.
    if (last !== undefined && last.byteOffset + last.length === this.#block.byteOffset + start) {
      this.#kept[this.#kept.length - 1] = new Uint8Array(
        last.buffer,
        last.byteOffset,
        last.length + end - start,
      )
    } else {
      this.#kept.push(this.#block.subarray(start, end))
    }
  }

  get repaired(): Uint8Array {
    const size = this.#kept.reduce((sum, piece) => sum + piece.length, BLOCK_HEADER)
    const block = new Uint8Array(size)
    writeBlockHeader(viewOf(block), MAGIC_LOG)
    let at = BLOCK_HEADER
    for (const piece of this.#kept) {
      block.set(piece, at)
      at += piece.length
    }
    return block
  }
}

/** End of the frame at `at`, or 0 when no intact frame begins there. */
function frameEnd(view: DataView, at: number): number {
  const body = at + FRAME_HEADER
  if (body > view.byteLength) return 0
  const length = view.getUint32(at)
  const end = body + length
  if (length === 0 || end > view.byteLength) return 0
  return view.getUint32(at + 4) === checksum(view, body, end) ? end : 0
}

/** Start of the next intact frame from `from` on, or the end of the block. */
function findFrame(view: DataView, from: number): number {
  for (let at = from; at + FRAME_HEADER < view.byteLength; at++) {
    if (frameEnd(view, at) !== 0) return at
  }
  return view.byteLength
}

/** False when the frame's bytes are as they were written but this release can not read them all. */
function readFrame(
  block: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  visitor: RecordVisitor,
): boolean {
  if (view.getUint8(start) === RecordType.publication) {
    const place = readPlace(view, start, end)
    if (place === undefined) return false
    visitor.onPublication(place)
    return true
  }
  if (view.getUint8(start) === RecordType.held) {
    if (start + HELD_HEADER + 1 > end) return false
    visitor.onHeld(view.getUint16(start + 1), block.subarray(start + 1, end))
    return true
  }
  let at = start
  while (at < end) {
    const size = readSmall(block, view, at, end, visitor)
    if (size === 0) return false
    at += size
  }
  return true
}

function readPlace(view: DataView, start: number, end: number): PublicationPlace | undefined {
  if (start + 12 > end) return undefined
  const flags = view.getUint8(start + 1)
  // A flag that this release does not know means fields that it can not skip.
  if (flags & 0x80 || (flags & 0x03) === 3) return undefined
  let at = start + 10
  if (flags & Flag.state) at += 6
  const dropAt = flags & Flag.expiry ? view.getFloat64(at) : Number.POSITIVE_INFINITY
  if (flags & Flag.expiry) at += EXPIRY_SIZE
  at += 2 + view.getUint16(at)
  if (flags & Flag.properties) at += 4 + view.getUint32(at)
  return {
    payloadBytes: end - at,
    dropAt,
    sequence: readSequence(view, start + 2),
    packetId: view.getUint16(start + 8),
    releaseOrder: flags & Flag.state ? readSequence(view, start + 10) : 0,
    moved: (flags & Flag.moved) !== 0,
    start,
    end,
  }
}

/** Bytes of the record at `at`; 0 when it is unknown or does not fit its frame. */
function readSmall(
  block: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  visitor: RecordVisitor,
): number {
  const type = view.getUint8(at)
  const size = smallSize(view, type, at, end)
  if (size === 0 || at + size > end) return 0
  const fields = at + 1
  switch (type) {
    case RecordType.sent:
      visitor.onSent(readSequence(view, fields), view.getUint16(fields + 6))
      break
    case RecordType.released:
      visitor.onReleased(readSequence(view, fields), readSequence(view, fields + 6))
      break
    case RecordType.expiryInterval:
      visitor.onExpiryInterval(readSequence(view, fields), view.getUint32(fields + 6))
      break
    case RecordType.settled:
      visitor.onSettled(readSequence(view, fields), view.getUint32(fields + 6))
      break
    case RecordType.received:
      visitor.onReceived(view.getUint16(fields))
      break
    case RecordType.completed:
      visitor.onCompleted(view.getUint16(fields))
      break
    case RecordType.receivedSet: {
      const ids: number[] = []
      for (let id = fields + 2; id < at + size; id += 2) ids.push(view.getUint16(id))
      visitor.onReceivedSet(ids)
      break
    }
    case RecordType.session:
      visitor.onSession({
        protocolVersion: view.getUint8(fields) as ProtocolVersion,
        connected: view.getUint8(fields + 1) === 1,
        sessionExpiryInterval: view.getUint32(fields + 2),
        at: view.getFloat64(fields + 6),
        clientId: decoder.decode(block.subarray(fields + 16, at + size)),
      })
      break
    case RecordType.sessionLost:
      visitor.onSessionLost()
      break
    case RecordType.owner:
      visitor.onOwner({
        protocolVersion: view.getUint8(fields) as ProtocolVersion | 0,
        clientId: decoder.decode(block.subarray(fields + 3, at + size)),
      })
      break
  }
  return size
}

function smallSize(view: DataView, type: number, at: number, end: number): number {
  switch (type) {
    case RecordType.sessionLost:
      return 1
    case RecordType.received:
    case RecordType.completed:
      return 3
    case RecordType.sent:
      return 9
    case RecordType.settled:
    case RecordType.expiryInterval:
      return 11
    case RecordType.released:
      return 13
    case RecordType.receivedSet:
      return at + 3 > end ? 0 : 3 + view.getUint16(at + 1) * 2
    case RecordType.session:
      return at + 17 > end ? 0 : 17 + view.getUint16(at + 15)
    case RecordType.owner:
      return at + 4 > end ? 0 : 4 + view.getUint16(at + 2)
    default:
      return 0
  }
}

function writeBlockHeader(view: DataView, magic: number): void {
  view.setUint32(0, magic)
  view.setUint32(4, ((FORMAT_VERSION << 24) >>> 0) + headerCheck(magic, FORMAT_VERSION))
}

/** False when the header is damaged: the frames may still be good. */
function checkBlockHeader(view: DataView): boolean {
  if (view.byteLength < BLOCK_HEADER) return false
  const magic = view.getUint32(0)
  const version = view.getUint8(4)
  // The check comes first: a flipped bit in the version must not look like a newer release.
  if (magic !== MAGIC_LOG || (view.getUint32(4) & 0xff_ffff) !== headerCheck(magic, version)) return false
  if (version > FORMAT_VERSION) {
    throw new StoreError(
      `The session store was written by a newer release of this library (format ${version}; this one reads up to ${FORMAT_VERSION}): upgrade, or use another store`,
      { code: 'ERR_MQTT_STORE_FORMAT' },
    )
  }
  return true
}

/** 24 bits. */
function headerCheck(magic: number, version: number): number {
  const view = new DataView(new ArrayBuffer(5))
  view.setUint32(0, magic)
  view.setUint8(4, version)
  return checksum(view, 0, 5) & 0xff_ffff
}

/** Sequence numbers have 48 bits: at a million messages a second they last nine years, at a thousand for ever. */
function writeSequence(view: DataView, at: number, sequence: number): void {
  view.setUint16(at, Math.floor(sequence / 0x1_0000_0000))
  view.setUint32(at + 2, sequence >>> 0)
}

function readSequence(view: DataView, at: number): number {
  return view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2)
}

/** Properties are kept as MQTT writes them: identifier, value. Topic Alias and Subscription Identifier belong to connections, not to messages. */
const PropertyId = {
  payloadFormatIndicator: 0x01,
  messageExpiryInterval: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  userProperty: 0x26,
} as const

function encodeProperties(properties: PublishProperties): Uint8Array {
  const out: number[] = []
  const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData } =
    properties
  const binary = (bytes: Uint8Array): void => {
    out.push(bytes.length >>> 8, bytes.length & 0xff, ...bytes)
  }
  if (payloadFormatIndicator !== undefined)
    out.push(PropertyId.payloadFormatIndicator, payloadFormatIndicator)
  if (messageExpiryInterval !== undefined) {
    out.push(PropertyId.messageExpiryInterval)
    for (const shift of [24, 16, 8, 0]) out.push((messageExpiryInterval >>> shift) & 0xff)
  }
  if (contentType !== undefined) {
    out.push(PropertyId.contentType)
    binary(encoder.encode(contentType))
  }
  if (responseTopic !== undefined) {
    out.push(PropertyId.responseTopic)
    binary(encoder.encode(responseTopic))
  }
  if (correlationData !== undefined) {
    out.push(PropertyId.correlationData)
    binary(correlationData)
  }
  for (const [name, value] of properties.userProperties ?? []) {
    out.push(PropertyId.userProperty)
    binary(encoder.encode(name))
    binary(encoder.encode(value))
  }
  return Uint8Array.from(out)
}

function decodeProperties(block: Uint8Array, view: DataView, start: number, end: number): PublishProperties {
  const properties: { -readonly [Name in keyof PublishProperties]: PublishProperties[Name] } = {}
  const userProperties: [string, string][] = []
  let at = start
  const binary = (): Uint8Array => {
    const from = at + 2
    at = from + view.getUint16(at)
    return new Uint8Array(block.subarray(from, at))
  }
  while (at < end) {
    const id = view.getUint8(at++)
    if (id === PropertyId.payloadFormatIndicator) {
      properties.payloadFormatIndicator = view.getUint8(at++) === 1 ? 1 : 0
    } else if (id === PropertyId.messageExpiryInterval) {
      properties.messageExpiryInterval = view.getUint32(at)
      at += 4
    } else if (id === PropertyId.contentType) properties.contentType = decoder.decode(binary())
    else if (id === PropertyId.responseTopic) properties.responseTopic = decoder.decode(binary())
    else if (id === PropertyId.correlationData) properties.correlationData = binary()
    else if (id === PropertyId.userProperty)
      userProperties.push([decoder.decode(binary()), decoder.decode(binary())])
    // Written by a release that knows more properties: what is left can not be told apart.
    else break
  }
  if (userProperties.length > 0) properties.userProperties = userProperties
  return properties
}

const encoder: TextEncoder = new TextEncoder()
const decoder: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes written. Topics are mostly short and ASCII, where a loop is faster than the encoder. */
function writeText(bytes: Uint8Array, at: number, text: string): number {
  const length = text.length
  if (length <= 64) {
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) break
      bytes[at + i] = code
    }
    if (i === length) return length
  }
  return encoder.encodeInto(text, bytes.subarray(at)).written
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

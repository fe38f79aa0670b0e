import { OptionsError } from '../errors.ts'
import { NO_BYTES } from './bytes.ts'
import { type Chunk, giveAway, lendPart, returnChunk, takeChunk } from './chunk-pool.ts'
import { shown, statementMark } from './fault.ts'
import type { FieldStream } from './field-stream.ts'
import type { ProtocolVersion } from './packet.ts'
import { checkAuthentication } from './property.ts'
import { writeProperties } from './property-writer.ts'

/** The largest packet that MQTT can express: 1 + 4 + 268,435,455 bytes. [MQTT 5.0 §1.5.5] */
export const LARGEST_PACKET = 268_435_460

/** Payloads from here on (bytes) are referenced, not copied. */
const REFERENCE_FROM = 4096

const HASH = 0x23
const PLUS = 0x2b
const AFTER_PLUS = 0x2c

/** The list of all writers that have no full slice; it is never added to. */
const NO_SLICES: Uint8Array[] = []

const utf8Encoder: TextEncoder = /* @__PURE__ */ new TextEncoder()

/**
 * Append-only output: encoders write whole packets, `take()` hands the bytes over for good, `lend()` until they are given back.
 *
 * Memory that was handed over is not written again before that. An encoder that fails, or refuses because of
 * `maximumPacketSize`, leaves nothing behind: what counts is what was committed.
 */
export class ByteWriter implements FieldStream {
  /** Bytes, fixed header included: encoders write nothing and return 0 for a larger packet. [MQTT-3.1.2-24] */
  maximumPacketSize: number = LARGEST_PACKET
  /** Who writes: a client must not send what only a server may. */
  readonly from: 'client' | 'server'
  /** Of the packet under construction, where its layout depends on it. */
  version: ProtocolVersion = 5
  type: number = 0
  readonly at: number = 0
  index: number = 0

  // The encoders' side: the chunk, and where the packet under construction is.
  bytes: Uint8Array = NO_BYTES
  position: number = 0
  #chunk: Chunk | undefined
  #packetStart = 0
  #sliceStart = 0
  #full: Uint8Array[] = NO_SLICES
  #fullLength = 0

  constructor(from: 'client' | 'server' = 'client') {
    this.from = from
  }

  get reads(): boolean {
    return false
  }

  get isEmpty(): boolean {
    return this.#packetStart === this.#sliceStart && this.#fullLength === 0
  }

  /** Bytes since the last `take()`. */
  get length(): number {
    return this.#fullLength + this.#packetStart - this.#sliceStart
  }

  /** Hands over everything that was written, in order. */
  take(): Uint8Array[] {
    const chunks = this.lend()
    giveAway(chunks)
    return chunks
  }

  /** As `take`, for somebody who says by `giveBack` when the bytes are no longer needed, so that their memory is used again. */
  lend(): Uint8Array[] {
    this.#closeSlice()
    const chunks = this.#full
    this.#full = NO_SLICES
    this.#fullLength = 0
    this.#leaveChunk()
    this.bytes = NO_BYTES
    this.position = this.#packetStart = this.#sliceStart = 0
    return chunks
  }

  /** Starts a packet. `estimate` bytes are expected to follow the fixed header, `room` of them in the chunk. */
  begin(first: number, estimate: number, room: number = estimate): void {
    this.position = this.#packetStart
    this.ensure(room + 8)
    this.type = first >> 4
    this.bytes[this.position] = first
    this.position += 1 + vbiLength(estimate)
  }

  /**
   * Completes the packet that was started with the same `estimate`.
   *
   * @param payload - the last bytes of the packet; a large one becomes a chunk of its own
   * @returns size in bytes, or 0 when the packet would be too large
   */
  end(estimate: number, payload: Uint8Array = NO_BYTES): number {
    const inline = payload.length < REFERENCE_FROM
    if (inline && payload.length > 0) this.raw(payload)
    const remaining =
      this.position - this.#packetStart - 1 - vbiLength(estimate) + (inline ? 0 : payload.length)
    const size = 1 + vbiLength(remaining) + remaining
    if (size > this.maximumPacketSize || size > LARGEST_PACKET) return 0
    this.#fitLength(this.#packetStart + 1, vbiLength(estimate), remaining)
    this.#packetStart = this.position
    if (!inline) {
      this.#closeSlice()
      this.#append(payload)
    }
    return size
  }

  /** Forgets the packet under construction and returns what `end` would have said. */
  measure(estimate: number, payload: Uint8Array): number {
    const remaining = this.position - this.#packetStart - 1 - vbiLength(estimate) + payload.length
    return 1 + vbiLength(remaining) + remaining
  }

  /** Starts a part that is preceded by its length (Variable Byte Integer); give the result to `endPart`. */
  beginPart(): number {
    this.ensure(8)
    this.position += 1
    return this.position - this.#packetStart
  }

  endPart(mark: number): void {
    const start = this.#packetStart + mark
    this.#fitLength(start - 1, 1, this.position - start)
  }

  u8(value: number): void {
    this.ensure(1)
    this.bytes[this.position++] = value
  }

  uint(size: 1 | 2 | 4, value: number | undefined, path: string, statement: string): number {
    const most = 2 ** (size * 8) - 1
    const number = this.#integer(value, most, path, statement)
    this.ensure(size)
    for (let shift = size * 8 - 8; shift >= 0; shift -= 8) this.bytes[this.position++] = number >>> shift
    return number
  }

  vbi(value: number | undefined, path: string, statement: string): number {
    const number = this.#integer(value, 268_435_455, path, statement)
    this.ensure(4)
    this.position = putVbi(this.bytes, this.position, number)
    return number
  }

  raw(bytes: Uint8Array): void {
    this.ensure(bytes.length)
    this.bytes.set(bytes, this.position)
    this.position += bytes.length
  }

  binary(value: Uint8Array | undefined, path: string): Uint8Array {
    // Not what it is: it may be a password.
    if (!(value instanceof Uint8Array)) throw this.fault(0, path, '1.5.6', 'a Uint8Array', typeof value)
    this.#lengthPrefix(value.length, path)
    this.raw(value)
    return value
  }

  /** Written in the pass that checks it, as long as it is ASCII. */
  string(value: string | undefined, path: string, _?: string, wildcard?: string): string {
    if (typeof value !== 'string') throw this.fault(0, path, '1.5.4', 'a string', value)
    const { length } = value
    // A longer one is refused without having been written.
    if (length > 65_535) this.#lengthPrefix(length, path)
    this.ensure(2 + 3 * length)
    const { bytes } = this
    const start = this.position
    let at = start + 2
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index)
      // One comparison for most characters of most topics.
      if (
        unit > 127 ||
        (unit < AFTER_PLUS && (unit === 0 || (wildcard !== undefined && (unit === HASH || unit === PLUS))))
      ) {
        return this.#unicode(value, path, wildcard)
      }
      bytes[at++] = unit
    }
    bytes[start] = length >> 8
    bytes[start + 1] = length
    this.position = at
    return value
  }

  properties<T extends object>(value: T | undefined, place: number = this.type): T | undefined {
    if (this.version !== 5) return undefined
    writeProperties(this, place, value)
    if (value !== undefined) checkAuthentication(this, value as Record<string, unknown>)
    return value
  }

  more(some: boolean): boolean {
    return some
  }

  /** An argument that MQTT forbids to send. */
  fault(_: number, path: string, statement: string, expected: string, value?: unknown): OptionsError {
    const where = path.replace('[]', `[${this.index}]`)
    const received = shown(value)
    const message = `${where}: expected ${expected}, got ${received} [${statementMark(statement)}]`
    return new OptionsError(message, { path: where, expected, received })
  }

  #integer(value: unknown, most: number, path: string, statement: string): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value
    throw this.fault(0, path, statement, `an integer from 0 to ${most}`, value)
  }

  #lengthPrefix(length: number, path: string): void {
    if (length > 65_535) throw this.fault(0, path, '1.5.4', 'at most 65,535 bytes', length)
    this.uint(2, length, path, '')
  }

  /** A string that is not plain ASCII, or is wrong. */
  #unicode(value: string, path: string, wildcard: string | undefined): string {
    const wrong = value.includes('\0') ? '1.5.4-2' : /\p{Cs}/u.test(value) ? '1.5.4-1' : undefined
    if (wrong) throw this.fault(0, path, wrong, 'neither U+0000 nor lone surrogates', value)
    if (wildcard !== undefined && /[#+]/.test(value))
      throw this.fault(0, path, wildcard, 'no wildcard', value)
    const { written } = utf8Encoder.encodeInto(value, this.bytes.subarray(this.position + 2))
    this.#lengthPrefix(written, path)
    this.position += written
    return value
  }

  /** Makes room for `count` more bytes, moving the packet under construction to a new chunk if need be. */
  ensure(count: number): void {
    if (this.bytes.length - this.position >= count) return
    const unfinished = this.bytes.subarray(this.#packetStart, this.position)
    this.#closeSlice()
    this.#leaveChunk()
    const chunk = takeChunk(unfinished.length + count)
    this.#chunk = chunk
    this.bytes = chunk.bytes
    this.#packetStart = this.#sliceStart = chunk.used
    this.bytes.set(unfinished, chunk.used)
    this.position = chunk.used + unfinished.length
  }

  /** What was begun in it and is not finished may be overwritten as soon as it has been moved. */
  #leaveChunk(): void {
    const chunk = this.#chunk
    if (chunk === undefined) return
    chunk.used = this.#packetStart
    this.#chunk = undefined
    returnChunk(chunk)
  }

  /** Writes a length where `gap` bytes were left for it, and closes up when it takes another number of bytes. */
  #fitLength(at: number, gap: number, length: number): void {
    const needed = vbiLength(length)
    if (needed !== gap) {
      const before = this.#packetStart
      this.ensure(4)
      const from = at - before + this.#packetStart + gap
      this.bytes.copyWithin(from - gap + needed, from, this.position)
      this.position += needed - gap
      putVbi(this.bytes, from - gap, length)
    } else putVbi(this.bytes, at, length)
  }

  #append(bytes: Uint8Array): void {
    if (this.#full === NO_SLICES) this.#full = [bytes]
    else this.#full.push(bytes)
    this.#fullLength += bytes.length
  }

  #closeSlice(): void {
    if (this.#packetStart === this.#sliceStart) return
    this.#append(lendPart(this.#chunk as Chunk, this.#sliceStart, this.#packetStart))
    this.#sliceStart = this.#packetStart
  }
}

/** Bytes that a Variable Byte Integer takes. [MQTT-1.5.5-1] */
function vbiLength(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
}

function putVbi(bytes: Uint8Array, at: number, value: number): number {
  while (value > 127) {
    bytes[at++] = (value & 127) | 128
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

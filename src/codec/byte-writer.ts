import { OptionsError } from '../errors.ts'

/** The largest packet that MQTT can express: 1 + 4 + 268,435,455 bytes. [MQTT 5.0 §1.5.5] */
export const LARGEST_PACKET = 268_435_460

/** Payloads from here on (bytes) are referenced, not copied. */
const REFERENCE_FROM = 4096

/** Larger chunks measured slower, smaller ones make more writes. */
const CHUNK = 65_536

/** Unwritten rests of chunks, shared by all writers, so that an idle writer holds no memory. */
const rests: Uint8Array[] = []
const MAX_RESTS = 4
/** A rest below this many bytes is not worth keeping. */
const SMALLEST_REST = 2048

const NONE: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/**
 * Append-only output: encoders write whole packets, `take()` hands the bytes over.
 *
 * Memory that was handed over is never written again. An encoder that fails, or refuses because of
 * `maximumPacketSize`, leaves nothing behind: what counts is what was committed.
 */
export class ByteWriter {
  /** Bytes, fixed header included: encoders write nothing and return 0 for a larger packet. [MQTT-3.1.2-24] */
  maximumPacketSize: number = LARGEST_PACKET
  /** Who writes: a client must not send what only a server may. */
  readonly from: 'client' | 'server'

  // The encoders' side: the chunk, and where the packet under construction is.
  bytes: Uint8Array = NONE
  position: number = 0
  #packetStart = 0
  #sliceStart = 0
  #full: Uint8Array[] = []
  #fullLength = 0

  constructor(from: 'client' | 'server' = 'client') {
    this.from = from
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
    this.#closeSlice()
    const chunks = this.#full
    this.#full = []
    this.#fullLength = 0
    keepRest(this.bytes, this.#packetStart)
    this.bytes = NONE
    this.position = this.#packetStart = this.#sliceStart = 0
    return chunks
  }

  /** Starts a packet. `estimate` bytes are expected to follow the fixed header, `room` of them in the chunk. */
  begin(first: number, estimate: number, room: number = estimate): void {
    this.position = this.#packetStart
    this.ensure(room + 8)
    this.bytes[this.position] = first
    this.position += 1 + vbiLength(estimate)
  }

  /**
   * Completes the packet that was started with the same `estimate`.
   *
   * @param payload - the last bytes of the packet; a large one becomes a chunk of its own
   * @returns size in bytes, or 0 when the packet would be too large
   */
  end(estimate: number, payload: Uint8Array = NONE): number {
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
      this.#full.push(payload)
      this.#fullLength += payload.length
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

  u16(value: number): void {
    this.ensure(2)
    this.bytes[this.position++] = value >> 8
    this.bytes[this.position++] = value
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value)
  }

  vbi(value: number): void {
    this.ensure(4)
    this.position = putVbi(this.bytes, this.position, value)
  }

  raw(bytes: Uint8Array): void {
    this.ensure(bytes.length)
    this.bytes.set(bytes, this.position)
    this.position += bytes.length
  }

  /** Binary Data: two bytes of length first. [MQTT 5.0 §1.5.6] */
  binary(value: unknown, path: string): void {
    // Not what it is: it may be a password.
    if (!(value instanceof Uint8Array)) throw refusal(path, 'a Uint8Array', typeof value)
    if (value.length > 65_535)
      throw refusal(path, 'at most 65,535 bytes [MQTT 5.0 §1.5.6]', `${value.length} bytes`)
    this.u16(value.length)
    this.raw(value)
  }

  /**
   * UTF-8 Encoded String, checked in the same pass: at most 65,535 bytes, no lone surrogate, no U+0000.
   * [MQTT-1.5.4-1] [MQTT-1.5.4-2]
   *
   * @param path - of the argument, for the error
   * @param isTopicName - then without wildcards too [MQTT-3.3.2-2]
   */
  string(value: unknown, path: string, isTopicName: boolean = false): void {
    if (typeof value !== 'string') throw refusal(path, 'a string', value)
    const length = value.length
    // A longer one is refused below without having been written whole.
    this.ensure(2 + 3 * Math.min(length, 65_536))
    const bytes = this.bytes
    const start = this.position + 2
    let at = start
    for (let index = 0; index < length; index++) {
      let unit = value.charCodeAt(index)
      if (unit < 0x80) {
        if (unit < 0x2c && (unit === 0 || (isTopicName && (unit === 0x23 || unit === 0x2b)))) {
          throw unit === 0
            ? refusal(path, 'a string without U+0000 [MQTT-1.5.4-2]', value)
            : refusal(path, 'a Topic Name without wildcards [MQTT-3.3.2-2]', value)
        }
        bytes[at++] = unit
      } else if (unit < 0x800) {
        bytes[at++] = 0xc0 | (unit >> 6)
        bytes[at++] = 0x80 | (unit & 0x3f)
      } else if ((unit & 0xf800) === 0xd800) {
        const low = value.charCodeAt(index + 1)
        if (unit >= 0xdc00 || (low & 0xfc00) !== 0xdc00) {
          throw refusal(path, 'a string without lone surrogates [MQTT-1.5.4-1]', value)
        }
        index++
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff)
        bytes[at++] = 0xf0 | (unit >> 18)
        bytes[at++] = 0x80 | ((unit >> 12) & 0x3f)
        bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
        bytes[at++] = 0x80 | (unit & 0x3f)
      } else {
        bytes[at++] = 0xe0 | (unit >> 12)
        bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
        bytes[at++] = 0x80 | (unit & 0x3f)
      }
      if (at - start > 65_535) break
    }
    const size = at - start
    if (size > 65_535)
      throw refusal(path, 'at most 65,535 bytes as UTF-8 [MQTT 5.0 §1.5.4]', `${length} characters`)
    bytes[start - 2] = size >> 8
    bytes[start - 1] = size
    this.position = at
  }

  /** Makes room for `count` more bytes, moving the packet under construction to a new chunk if need be. */
  ensure(count: number): void {
    if (this.bytes.length - this.position >= count) return
    const unfinished = this.bytes.subarray(this.#packetStart, this.position)
    const needed = unfinished.length + count
    this.#closeSlice()
    if (unfinished.length === 0) keepRest(this.bytes, this.#packetStart)
    const rest = rests.pop()
    // Doubling keeps a packet that grows through several chunks linear.
    this.bytes =
      rest !== undefined && rest.length >= needed ? rest : new Uint8Array(Math.max(CHUNK, needed * 2))
    if (rest !== undefined && this.bytes !== rest) rests.push(rest)
    this.bytes.set(unfinished)
    this.position = unfinished.length
    this.#packetStart = this.#sliceStart = 0
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

  #closeSlice(): void {
    const size = this.#packetStart - this.#sliceStart
    if (size === 0) return
    this.#full.push(this.bytes.subarray(this.#sliceStart, this.#packetStart))
    this.#fullLength += size
    this.#sliceStart = this.#packetStart
  }
}

/** An argument that MQTT forbids to send. `received` is shortened. */
export function refusal(path: string, expected: string, received: unknown): OptionsError {
  let shown = typeof received === 'string' ? JSON.stringify(received) : String(received)
  if (shown.length > 80) shown = `${shown.slice(0, 77)}...`
  return new OptionsError(`${path}: expected ${expected}, got ${shown}`, { path, expected, received: shown })
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

function keepRest(bytes: Uint8Array, from: number): void {
  if (bytes.length - from >= SMALLEST_REST && rests.length < MAX_RESTS) rests.push(bytes.subarray(from))
}

import { ProtocolError } from '../errors.ts'
import type { ProtocolVersion } from './packet.ts'
import { packetName } from './packet-type.ts'
import { decodeUtf8, isUtf8 } from './utf8.ts'

const NONE: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/** Where 3.1.1 has the same rule under another number; the two parts of `1.5.4-1`, each with `MQTT-` in front. */
const STATEMENTS_OF_3: Readonly<Record<string, string>> = {
  '1.5.4-1': '1.5.3-1',
  '1.5.4-2': '1.5.3-2',
  '1.5.5-1': '4.8.0-1',
  '2.1.3-1': '2.2.2-2',
  '2.2.1-3': '2.3.1-1',
  '2.2.1-4': '2.3.1-1',
  '2.2.1-5': '2.3.1-6',
  '2.2.2-1': '4.8.0-1',
  '3.2.2-1': '3.2.0-1',
  '3.2.2-6': '3.2.2-4',
  '3.2.2-8': '3.2.2-6',
  '3.8.4-6': '3.8.4-5',
  '3.10.4-5': '3.10.4-4',
  '3.12': '4.8.0-1',
  '3.13': '4.8.0-1',
}

/**
 * A bounds-checked cursor over one packet. Its methods return what they read, or throw a `ProtocolError` that
 * says where.
 */
export class ByteReader {
  bytes: Uint8Array = NONE
  position: number = 0
  /** First byte after the packet, or after the part of it that is being read. */
  end: number = 0
  /** First byte of the packet. */
  start: number = 0
  type: number = 0
  /** 0 = not known yet. */
  version: ProtocolVersion | 0
  from: 'server' | 'client' = 'server'
  // Of `bytes`: asking for them anew would double the time that a view takes.
  #buffer: ArrayBufferLike = NONE.buffer
  #byteOffset = 0

  constructor(version: ProtocolVersion | 0) {
    this.version = version
  }

  /** Reads from these bytes from now on. */
  use(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#buffer = bytes.buffer
    this.#byteOffset = bytes.byteOffset
  }

  /** Lets go of the bytes. */
  release(): void {
    this.use(NONE)
  }

  /** A plain `Uint8Array` on the same memory, never a `Buffer`. */
  view(start: number, end: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#byteOffset + start, end - start)
  }

  u8(field: string, statement: string, code: number = 0x81): number {
    if (this.position >= this.end) throw this.fault(code, field, statement, 'is missing')
    return this.bytes[this.position++] ?? 0
  }

  u16(field: string, statement: string, code: number = 0x81): number {
    const { bytes, position } = this
    if (position + 2 > this.end) throw this.fault(code, field, statement, 'is cut short')
    this.position = position + 2
    return ((bytes[position] ?? 0) << 8) | (bytes[position + 1] ?? 0)
  }

  u32(field: string, statement: string): number {
    if (this.position + 4 > this.end) throw this.fault(0x81, field, statement, 'is cut short')
    return this.u16(field, statement) * 65_536 + this.u16(field, statement)
  }

  /** Variable Byte Integer: four bytes at most, in the shortest form. [MQTT-1.5.5-1] */
  vbi(field: string, statement: string): number {
    const start = this.position
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8(field, statement)
      value |= (byte & 127) << shift
      if (byte < 128) {
        if (byte === 0 && shift > 0)
          throw this.fault(0x81, field, '1.5.5-1', 'is not in its shortest form', start)
        return value
      }
    }
    throw this.fault(0x81, field, '1.5.5-1', 'has more than four bytes', start)
  }

  /** Binary Data. A view, no copy. */
  binary(field: string, statement: string): Uint8Array {
    const end = this.#skipLength(field, statement)
    const view = this.view(this.position, end)
    this.position = end
    return view
  }

  skipBinary(field: string, statement: string): void {
    this.position = this.#skipLength(field, statement)
  }

  /**
   * @param statement - broken when the string does not fit
   * @param utf8 - broken when it is not UTF-8; the general statements by default
   * @param wildcard - broken when it holds a wildcard; absent = wildcards are allowed
   */
  string(field: string, statement: string, utf8?: string, wildcard?: string): string {
    const end = this.#skipLength(field, statement)
    const { bytes, position } = this
    const length = end - position
    if (length > LONGEST_SHORT) return this.#longString(end, field, utf8, wildcard)
    const units = UNITS[length] ?? makeUnits(length)
    for (let index = 0; index < length; index++) {
      const byte = bytes[position + index] as number
      // One comparison for most characters of most topics.
      if (byte < AFTER_PLUS || byte > 127) {
        if (byte === 0 || byte > 127 || byte === HASH || byte === PLUS) {
          return this.#longString(end, field, utf8, wildcard)
        }
      }
      units[index] = byte
    }
    this.position = end
    return fromCharCode.apply(undefined, units)
  }

  /** Passes over a string after having checked that it is right UTF-8 without U+0000. */
  skipString(field: string, statement: string, utf8?: string): void {
    const end = this.#skipLength(field, statement)
    this.#checkString(end, field, utf8)
    this.position = end
  }

  /** Nothing may follow. */
  finish(statement: string = this.version === 5 ? '4.13.1' : '4.8.0-1'): void {
    if (this.position < this.end) throw this.fault(0x81, 'Remaining Length', statement, 'leaves bytes over')
  }

  /** @param statement - normative statements without `MQTT-`, numbered as in MQTT 5.0; sections as they are */
  fault(
    code: number,
    field: string,
    statement: string,
    what: string,
    position: number = this.position,
  ): ProtocolError {
    const number = this.version === 5 ? statement : (STATEMENTS_OF_3[statement] ?? statement)
    const id = number.includes('-') ? `MQTT-${number}` : number
    const packet = packetName(this.type)
    const offset = position - this.start
    return new ProtocolError(`${packet}: ${field} ${what} at byte ${offset} [${id}]`, {
      reasonCode: code,
      packet,
      field,
      offset,
      statement: id,
    })
  }

  /** Reads a two-byte length and returns where what follows ends. */
  #skipLength(field: string, statement: string): number {
    const length = this.u16(field, statement)
    const end = this.position + length
    if (end > this.end)
      throw this.fault(0x81, field, statement, 'is longer than what holds it', this.position - 2)
    return end
  }

  #longString(end: number, field: string, utf8: string | undefined, wildcard: string | undefined): string {
    this.#checkString(end, field, utf8)
    const text = decodeUtf8(this.view(this.position, end))
    if (wildcard !== undefined && /[#+]/.test(text)) {
      throw this.fault(0x82, field, wildcard, 'has a wildcard', this.position - 2)
    }
    this.position = end
    return text
  }

  #checkString(end: number, field: string, utf8: string | undefined): void {
    const { bytes, position } = this
    for (let at = position; at < end; at++) {
      const byte = bytes[at] ?? 0
      if (byte === 0) throw this.fault(0x81, field, utf8 ?? '1.5.4-2', 'holds U+0000', at)
      if (byte < 128) continue
      if (!isUtf8(this.view(position, end))) throw this.fault(0x81, field, utf8 ?? '1.5.4-1', 'is not UTF-8')
      const zero = bytes.indexOf(0, at)
      if (zero >= 0 && zero < end) throw this.fault(0x81, field, utf8 ?? '1.5.4-2', 'holds U+0000', zero)
      return
    }
  }
}

/** Code units of a short ASCII string, one list per length: making the string from it is faster than TextDecoder. */
const UNITS: number[][] = []
const LONGEST_SHORT = 64
const HASH = 0x23
const PLUS = 0x2b
const AFTER_PLUS = 0x2c
const { fromCharCode } = String

function makeUnits(length: number): number[] {
  const units = new Array<number>(length).fill(0)
  UNITS[length] = units
  return units
}

import { ProtocolError } from '../errors.ts'
import { NO_BYTES } from './bytes.ts'
import { fieldName, shown, statementMark } from './fault.ts'
import type { FieldStream } from './field-stream.ts'
import type { ProtocolVersion } from './packet.ts'
import { PACKET_TYPES } from './packet-type.ts'
import { plainText } from './plain-text.ts'
import { checkAuthentication } from './property.ts'
import { type PropertyTarget, readProperties } from './property-reader.ts'
import type { PublishSource } from './publish.ts'
import { TopicCache } from './topic-cache.ts'

/**
 * MQTT's UTF-8: no surrogates, no overlong forms, no U+0000; a byte order mark is an ordinary character. `fatal` refuses
 * exactly what MQTT-1.5.4-1 forbids. `ignoreBOM` means, against its name, that a BOM is kept. [MQTT-1.5.4-3]
 */
const utf8Decoder: TextDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Where 3.1.1 has the same rule under another number; the two parts of `1.5.4-1`, each with `MQTT-` in front. */
const STATEMENTS_OF_3: Readonly<Record<string, string>> = {
  '1.5.4-1': '1.5.3-1',
  '1.5.4-2': '1.5.3-2',
  '1.5.5-1': '4.8.0-1',
  '2.1.2': '4.8.0-1',
  '2.1.3-1': '2.2.2-2',
  '2.2.1-3': '2.3.1-1',
  '2.2.1-4': '2.3.1-1',
  '2.2.1-5': '2.3.1-6',
  '2.2.2-1': '4.8.0-1',
  '3.1.2-12': '3.1.2-14',
  '3.2': '3.2.0-1',
  '3.2.2-1': '3.2.0-1',
  '3.2.2-6': '3.2.2-4',
  '3.2.2-8': '3.2.2-6',
  '3.8.3-5': '3.8.3-4',
  '3.8.3': '3.8.3-4',
  '3.8.4-6': '3.8.4-5',
  '3.10.4-5': '3.10.4-4',
  '3.12': '4.8.0-1',
  '3.13': '4.8.0-1',
  '4.13.1': '4.8.0-1',
}

/**
 * A bounds-checked cursor over one packet. Its methods return what they read, or throw a `ProtocolError` that
 * says where.
 */
export class ByteReader implements FieldStream, PublishSource {
  bytes: Uint8Array = NO_BYTES
  position: number = 0
  /** First byte after the packet, or after the part of it that is being read. */
  end: number = 0
  /** First byte of the packet. */
  start: number = 0
  type: number = 0
  at: number = 0
  index: number = 0
  /** 0 = not known yet. */
  version: ProtocolVersion | 0
  readonly from: 'server' | 'client'
  // What `PublishSource` asks for, of the PUBLISH read last.
  topicName: string = ''
  flags: number = 0
  packetId: number = 0
  propertiesAt: number = -1
  /** Of the properties read last; 0 = none. */
  topicAlias: number = 0
  /** Of the properties of a PUBLISH read last. */
  subscriptionIdentifiers: number[] | undefined = undefined
  // Of `bytes`: asking for them anew would double the time that a view takes.
  #buffer: ArrayBufferLike = NO_BYTES.buffer
  #byteOffset = 0
  /** Of `bytes`, made when it is needed. */
  #view: DataView | undefined = undefined

  constructor(version: ProtocolVersion | 0, from: 'server' | 'client') {
    this.version = version
    this.from = from
  }

  get reads(): boolean {
    return true
  }

  /** Reads from these bytes from now on. */
  use(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#buffer = bytes.buffer
    this.#byteOffset = bytes.byteOffset
    this.#view = undefined
  }

  /** A plain `Uint8Array` on the same memory, never a `Buffer`. */
  view(start: number, end: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#byteOffset + start, end - start)
  }

  more(): boolean {
    return this.position < this.end
  }

  uint(size: 1 | 2 | 4, _: unknown, path: string, statement: string): number {
    let at = this.position
    this.at = at
    if (at + size > this.end) throw this.#cut(path, statement)
    this.position = at + size
    let value = 0
    while (at < this.position) value = value * 256 + (this.bytes[at++] ?? 0)
    return value
  }

  /** Four bytes at most, in the shortest form. */
  vbi(_: unknown, path: string, statement: string): number {
    const at = this.position
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uint(1, 0, path, statement)
      value |= (byte & 127) << shift
      if (byte < 128) {
        if (byte === 0 && shift > 0) break
        this.at = at
        return value
      }
    }
    this.at = at
    throw this.fault(0x81, path, '1.5.5-1', 'at most four bytes, in the shortest form')
  }

  binary(_: unknown, path: string, statement: string): Uint8Array {
    const end = this.#lengthPrefix(path, statement)
    const view = this.view(this.position, end)
    this.position = end
    return view
  }

  string(_: unknown, path: string, statement: string, wildcard?: string, utf8?: string): string {
    const end = this.#lengthPrefix(path, statement)
    const text = plainText(this.bytes, this.position, end - this.position)
    if (text === undefined) return this.#decode(end, path, wildcard, utf8)
    this.position = end
    return text
  }

  /** The topic of a PUBLISH. */
  topic(): string {
    const at = this.position
    const length = this.#lengthPrefix('topic', '3.3.2-1') - at - 2
    topics ??= new TopicCache()
    const view = this.#words()
    let topic = topics.find(view, at + 2, length)
    if (topic === undefined) {
      this.position = at
      topic = this.string(undefined, 'topic', '3.3.2-1', '3.3.2-2')
      topics.keep(view, at + 2, length, topic)
    }
    this.position = at + 2 + length
    return topic
  }

  /** Passes over a string after having checked that it is right UTF-8 without U+0000. */
  skipString(path: string, statement: string, utf8?: string): void {
    const end = this.#lengthPrefix(path, statement)
    const view = this.#words()
    let at = this.position
    let odd = 0
    // A byte that is not 1 to 127 has its highest bit, or gets it when 1 is taken from it. Four at a time.
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at)
      odd |= word | (word - 0x01010101)
    }
    for (; at < end; at++) {
      const byte = view.getUint8(at)
      odd |= byte | (byte - 1)
    }
    if ((odd & HIGHEST_BITS) !== 0) this.#decode(end, path, undefined, utf8)
    this.position = end
  }

  properties<T extends object>(_: unknown, place: number = this.type): T | undefined {
    if (this.version !== 5) return undefined
    const target: PropertyTarget = {}
    const some = readProperties(this, place, target)
    checkAuthentication(this, target)
    return some ? (target as T) : undefined
  }

  fault(code: number, path: string, statement: string, expected: string, value?: unknown): ProtocolError {
    const number = this.version === 5 ? statement : (STATEMENTS_OF_3[statement] ?? statement)
    const id = number.includes('-') ? `MQTT-${number}` : number
    const packet = (PACKET_TYPES[this.type] ?? 'packet').toUpperCase()
    const field = fieldName(path)
    const offset = this.at - this.start
    const got = value === undefined ? '' : `, got ${shown(value)}`
    return new ProtocolError(
      `${packet}: ${field} at byte ${offset}: expected ${expected}${got} [${statementMark(number)}]`,
      { reasonCode: code, packet, field, offset, statement: id },
    )
  }

  #words(): DataView {
    this.#view ??= new DataView(this.#buffer, this.#byteOffset, this.bytes.length)
    return this.#view
  }

  #cut(path: string, statement: string): Error {
    return this.fault(0x81, path, statement, 'more bytes')
  }

  /** Reads a two-byte length and returns where what follows ends. */
  #lengthPrefix(path: string, statement: string): number {
    const { bytes, position } = this
    const start = position + 2
    this.at = position
    const end = start + (((bytes[position] ?? 0) << 8) | (bytes[position + 1] ?? 0))
    if (start > this.end || end > this.end) throw this.#cut(path, statement)
    this.position = start
    return end
  }

  #decode(end: number, path: string, wildcard: string | undefined, utf8: string | undefined): string {
    let text = '\0'
    let statement = '1.5.4-2'
    try {
      text = utf8Decoder.decode(this.view(this.position, end))
    } catch {
      statement = '1.5.4-1'
    }
    if (text.includes('\0')) {
      if (statement === '1.5.4-2') this.at = this.bytes.indexOf(0, this.position)
      throw this.fault(0x81, path, utf8 ?? statement, 'UTF-8 without U+0000')
    }
    if (wildcard !== undefined && /[#+]/.test(text)) {
      throw this.fault(0x82, path, wildcard, 'no wildcard', text)
    }
    this.position = end
    return text
  }
}

/** Shared by all clients of the process; made when the first PUBLISH comes. */
let topics: TopicCache | undefined

const HIGHEST_BITS = 0x80808080 | 0

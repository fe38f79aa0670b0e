import type { ByteWriter } from './byte-writer.ts'
import type { ProtocolVersion, QoS } from './packet.ts'

/**
 * One description of a packet, its layout, serves both directions: a `ByteReader` disregards the values it is given and
 * returns what it has read; a `ByteWriter` writes the values it is given and returns them. Whatever MQTT forbids is refused
 * by the same rule in both.
 *
 * Paths name a field as it is named in the packet's object: `will.topic`, `filters[1].noLocal`. Statements are those of
 * MQTT 5.0 without `MQTT-` (a reader knows their numbers in 3.1.1), or sections.
 */
export interface FieldStream {
  /** Reading, not writing. */
  readonly reads: boolean
  readonly from: 'server' | 'client'
  /** Of the packet: its number. */
  readonly type: number
  version: ProtocolVersion | 0
  /** Where the field begins that was read last: what faults point to. */
  readonly at: number
  /** Of the item of a list that is at hand: `[]` in a path stands for it. */
  index: number

  /** Whether something follows: in the packet when reading; `some` when writing. */
  more(some: boolean): boolean
  /** An unsigned integer of that many bytes. */
  uint(size: 1 | 2 | 4, value: number | undefined, path: string, statement: string): number
  /** Variable Byte Integer. [MQTT-1.5.5-1] */
  vbi(value: number | undefined, path: string, statement: string): number
  /** Binary Data; a view when read. */
  binary(value: Uint8Array | undefined, path: string, statement: string): Uint8Array
  /**
   * UTF-8 Encoded String, without U+0000. [MQTT-1.5.4-1] [MQTT-1.5.4-2]
   *
   * @param wildcard - broken by a wildcard; absent = wildcards are allowed
   * @param utf8 - broken by what is not UTF-8, where the field has a statement of its own
   */
  string(
    value: string | undefined,
    path: string,
    statement: string,
    wildcard?: string,
    utf8?: string | undefined,
  ): string
  /** MQTT 5 properties; undefined when there are none. */
  properties<T extends object>(value: T | undefined, place?: number): T | undefined
  /**
   * The error to throw: a `ProtocolError` with the code when reading, an `OptionsError` with the value when writing.
   *
   * @param expected - completes "expected ..."
   */
  fault(code: number, path: string, statement: string, expected: string, value?: unknown, at?: number): Error
}

/** What a packet consists of after its fixed header, in one function for both directions; `given` is empty when reading. */
export type Layout<P> = (stream: FieldStream, given: Partial<P>) => P

/** An identifier, which is never 0. [MQTT-2.2.1-3] */
export function packetIdField(stream: FieldStream, value: number | undefined, statement: string): number {
  const packetId = stream.uint(2, value, 'packetId', statement)
  if (packetId === 0) {
    throw stream.fault(0x82, 'packetId', statement, '1 to 65,535', packetId)
  }
  return packetId
}

/** A Topic Name that is there. [MQTT-4.7.3-1] */
export function topicField(
  stream: FieldStream,
  value: string | undefined,
  path: string,
  statement: string,
  wildcard: string,
  utf8?: string,
): string {
  const topic = stream.string(value, path, statement, wildcard, utf8)
  if (topic === '') throw stream.fault(0x82, path, '4.7.3-1', 'at least one character', topic)
  return topic
}

/** Refuses what is neither 0, 1 nor 2: a QoS, Retain Handling. */
export function checkQoS(
  stream: FieldStream,
  value: unknown,
  path: string,
  statement: string,
  code: number = 0x82,
): asserts value is QoS {
  if (value !== 0 && value !== 1 && value !== 2) {
    throw stream.fault(code, path, statement, '0, 1 or 2', value)
  }
}

/** The items to the end of the packet: at least one. */
export function listField<T>(
  stream: FieldStream,
  given: readonly T[] | undefined,
  path: string,
  statement: string,
  itemField: (stream: FieldStream, value: T | undefined) => T,
): T[] {
  const items: T[] = []
  const length = Array.isArray(given) ? given.length : 0
  for (let index = 0; stream.more(index < length); index++) {
    stream.index = index
    items.push(itemField(stream, given?.[index]))
  }
  if (items.length === 0) throw stream.fault(0x82, path, statement, 'a list of at least one', given)
  return items
}

/** The packet with its properties, if there are any. */
export function withProperties<P extends object, T>(
  packet: P,
  properties: T | undefined,
): P & { readonly properties?: T } {
  const whole: P & { properties?: T } = packet
  if (properties !== undefined) whole.properties = properties
  return whole
}

/** Writes a packet of one type. Returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`. */
export type Encoder<P> = (writer: ByteWriter, version: ProtocolVersion, packet: P) => number

/** @param first - the first byte of such packets */
export function encoder<P>(first: number, layout: Layout<P>): Encoder<P> {
  return (writer, version, packet) => {
    writer.begin(first, 0, 64)
    writer.version = version
    layout(writer, packet)
    return writer.end(0)
  }
}

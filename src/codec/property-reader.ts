import type { ByteReader } from './byte-reader.ts'
import {
  Kind,
  type Property,
  PropertyPlace,
  propertyById,
  SUBSCRIPTION_IDENTIFIER,
  TOPIC_ALIAS,
  USER_PROPERTY,
  USER_PROPERTY_UTF8,
} from './property.ts'

/** The section that a value breaks which does not fit into the properties. */
const WITHIN = '2.2.2'

/** What decoded properties are put into. */
export interface PropertyTarget {
  userProperties?: (readonly [string, string])[]
  subscriptionIdentifiers?: number[]
  [name: string]: unknown
}

/** What the decoder of PUBLISH needs at once, while the rest is read when asked for. */
export interface EagerProperties {
  topicAlias: number
  subscriptionIdentifiers: number[] | undefined
}

/**
 * Reads or only checks the properties that begin at the reader: their length, that each is known, allowed here, given once and in
 * range. Leaves the reader behind them.
 *
 * @param target - what they are put into; absent = check only
 * @param eager - Topic Alias and Subscription Identifiers of a PUBLISH
 * @returns whether there were any
 */
export function readProperties(
  reader: ByteReader,
  place: number,
  target: PropertyTarget | undefined,
  eager?: EagerProperties,
): boolean {
  const field = 'Property Length'
  const at = reader.position
  const length = reader.vbi(field, '2.2.2-1')
  const packetEnd = reader.end
  const end = reader.position + length
  if (end > packetEnd) throw reader.fault(0x81, field, '2.2.2-1', 'runs past the packet', at)
  reader.end = end
  let seen = 0
  while (reader.position < end) {
    // The ones that are many, and may stand anywhere, first.
    if (reader.bytes[reader.position] === USER_PROPERTY) {
      reader.position++
      readUserProperty(reader, target)
      continue
    }
    const property = readIdentifier(reader, place)
    if (
      (seen & property.bit) !== 0 &&
      !(property.id === SUBSCRIPTION_IDENTIFIER && place === PropertyPlace.publish)
    ) {
      throw propertyFault(reader, 0x82, property, 'is given twice', reader.position - 1)
    }
    seen |= property.bit
    readProperty(reader, place, property, target, eager)
  }
  reader.end = packetEnd
  return length > 0
}

function readIdentifier(reader: ByteReader, place: number): Property {
  const id = reader.bytes[reader.position] ?? 0
  const property = propertyById[id]
  if (property === undefined || (property.places & place) === 0) {
    const name = property === undefined ? `Property Identifier 0x${id.toString(16)}` : property.field
    throw reader.fault(0x81, name, '2.2.2', property === undefined ? 'is unknown' : 'is not allowed here')
  }
  reader.position++
  return property
}

function readProperty(
  reader: ByteReader,
  place: number,
  property: Property,
  target: PropertyTarget | undefined,
  eager: EagerProperties | undefined,
): void {
  const { name, field, kind, utf8 } = property
  const at = reader.position
  let value: unknown
  switch (kind) {
    case Kind.bit:
    case Kind.flag: {
      const byte = reader.u8(field, WITHIN)
      if (byte > 1) throw propertyFault(reader, 0x82, property, 'is neither 0 nor 1', at)
      value = kind === Kind.flag ? byte === 1 : byte
      break
    }
    case Kind.u16:
    case Kind.count16: {
      const number = reader.u16(field, WITHIN)
      if (number === 0 && kind === Kind.count16) {
        throw property.id === TOPIC_ALIAS
          ? reader.fault(0x94, field, '3.3.2-8', 'is 0', at)
          : propertyFault(reader, 0x82, property, 'is 0', at)
      }
      if (property.id === TOPIC_ALIAS && eager !== undefined) eager.topicAlias = number
      value = number
      break
    }
    case Kind.u32:
    case Kind.count32:
      value = reader.u32(field, WITHIN)
      if (value === 0 && kind === Kind.count32) throw propertyFault(reader, 0x82, property, 'is 0', at)
      break
    case Kind.string:
      if (target === undefined) reader.skipString(field, WITHIN, utf8)
      else value = reader.string(field, WITHIN, utf8)
      break
    case Kind.topic:
      value = reader.string(field, WITHIN, utf8, '3.3.2-14')
      if (value === '') throw reader.fault(0x82, field, '4.7.3-1', 'is empty', at)
      break
    case Kind.binary:
      if (target === undefined) reader.skipBinary(field, WITHIN)
      else value = reader.binary(field, WITHIN)
      break
    case Kind.subscriptionIdentifier: {
      const identifier = reader.vbi(field, WITHIN)
      if (identifier === 0) throw propertyFault(reader, 0x82, property, 'is 0', at)
      if (place === PropertyPlace.publish) {
        if (reader.from === 'client') throw reader.fault(0x82, field, '3.3.4-6', 'comes from a client', at)
        if (eager !== undefined) {
          if (eager.subscriptionIdentifiers === undefined) eager.subscriptionIdentifiers = [identifier]
          else eager.subscriptionIdentifiers.push(identifier)
        }
        if (target !== undefined) {
          target.subscriptionIdentifiers ??= []
          target.subscriptionIdentifiers.push(identifier)
        }
        return
      }
      value = identifier
      break
    }
  }
  if (target !== undefined) target[name] = value
}

function readUserProperty(reader: ByteReader, target: PropertyTarget | undefined): void {
  const field = 'User Property'
  if (target === undefined) {
    reader.skipString(field, WITHIN, USER_PROPERTY_UTF8)
    reader.skipString(field, WITHIN, USER_PROPERTY_UTF8)
    return
  }
  const name = reader.string(field, WITHIN, USER_PROPERTY_UTF8)
  const pair: readonly [string, string] = [name, reader.string(field, WITHIN, USER_PROPERTY_UTF8)]
  if (target.userProperties === undefined) target.userProperties = [pair]
  else target.userProperties.push(pair)
}

function propertyFault(
  reader: ByteReader,
  code: number,
  property: Property,
  what: string,
  at: number,
): Error {
  return reader.fault(code, property.field, `3.${reader.type}.2`, what, at)
}

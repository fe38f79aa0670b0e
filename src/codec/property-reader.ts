import type { ByteReader } from './byte-reader.ts'
import {
  propertiesOfPlace,
  propertyField,
  TOPIC_ALIAS,
  USER_PROPERTY,
  USER_PROPERTY_UTF8,
  WITHIN,
} from './property.ts'

/** A message's own limit is the packet's, but two bytes of properties can become an object: a server is not trusted with more. */
const MOST_PROPERTY_BYTES = 1_048_576

/** What decoded properties are put into. */
export interface PropertyTarget {
  userProperties?: (readonly [string, string])[]
  [name: string]: unknown
}

/**
 * Reads or only checks the properties that begin at the reader: their length, that each is known, allowed here, given once and in
 * range. Leaves the reader behind them.
 *
 * @param place - a packet type, or that of the Will
 * @param target - what they are put into; absent = check only, but for what a PUBLISH is told apart by
 * @returns whether there were any
 */
export function readProperties(reader: ByteReader, place: number, target?: PropertyTarget): boolean {
  const length = reader.vbi(0, 'propertyLength', '2.2.2-1')
  const packetEnd = reader.end
  const end = reader.position + length
  if (end > packetEnd) {
    throw reader.fault(0x81, 'propertyLength', '2.2.2-1', 'no more than the packet has', length)
  }
  if (length > MOST_PROPERTY_BYTES && reader.from === 'server') {
    throw reader.fault(0x97, 'propertyLength', '4.13', `at most ${MOST_PROPERTY_BYTES} bytes`, length)
  }
  reader.end = end
  reader.topicAlias = 0
  reader.subscriptionIdentifiers = undefined
  const known = propertiesOfPlace[place] ?? []
  let seen = 0
  while (reader.position < end) {
    const id = reader.bytes[reader.position] ?? 0
    // The ones that are many, and may stand anywhere, first.
    if (id === USER_PROPERTY) {
      reader.position++
      readUserProperty(reader, target)
      continue
    }
    const property = known[id]
    reader.at = reader.position
    if (property === undefined) {
      throw reader.fault(0x81, 'propertyIdentifier', '2.2.2', 'one of this packet', id)
    }
    if ((seen & property.bit) !== 0 && !property.many) {
      throw reader.fault(0x82, property.path, `3.${reader.type}.2`, 'to be given once')
    }
    seen |= property.bit
    reader.position++
    if (target === undefined && property.kind === 's') {
      reader.skipString(property.path, WITHIN, property.utf8)
      continue
    }
    let value = propertyField(reader, property, undefined)
    if (id === TOPIC_ALIAS) reader.topicAlias = value as number
    if (property.many) {
      if (reader.from === 'client') {
        throw reader.fault(0x82, property.path, '3.3.4-6', 'none from a client', value)
      }
      reader.subscriptionIdentifiers ??= []
      reader.subscriptionIdentifiers.push(value as number)
      value = reader.subscriptionIdentifiers
    }
    if (target !== undefined) target[property.name] = value
  }
  reader.end = packetEnd
  return length > 0
}

function readUserProperty(reader: ByteReader, target: PropertyTarget | undefined): void {
  const path = 'properties.userProperties'
  if (target === undefined) {
    reader.skipString(path, WITHIN, USER_PROPERTY_UTF8)
    reader.skipString(path, WITHIN, USER_PROPERTY_UTF8)
    return
  }
  const name = reader.string(undefined, path, WITHIN, undefined, USER_PROPERTY_UTF8)
  const pair: readonly [string, string] = [
    name,
    reader.string(undefined, path, WITHIN, undefined, USER_PROPERTY_UTF8),
  ]
  if (target.userProperties === undefined) target.userProperties = [pair]
  else target.userProperties.push(pair)
}

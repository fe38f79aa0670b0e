import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { UserProperties } from './packet.ts'

/** Packets (one bit each) that properties are told apart by; the will counts as one. [MQTT 5.0 §2.2.2.2, table 2-4] */
export const PropertyPlace = {
  connect: 1,
  will: 2,
  connack: 4,
  publish: 8,
  /** PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK. */
  ack: 16,
  subscribe: 32,
  unsubscribe: 64,
  disconnect: 128,
  auth: 256,
} as const

const Kind = {
  /** A byte that is 0 or 1, given as that number. */
  bit: 0,
  /** The same, given as a boolean. */
  flag: 1,
  u16: 2,
  /** Not 0. */
  count16: 3,
  u32: 4,
  count32: 5,
  string: 6,
  topic: 7,
  binary: 8,
  subscriptionIdentifier: 9,
  userProperty: 10,
} as const
type Kind = (typeof Kind)[keyof typeof Kind]

interface Property {
  readonly id: number
  readonly name: string
  /** The name as the specification writes it. */
  readonly field: string
  readonly kind: Kind
  /** Packets it may stand in. */
  readonly places: number
  /** In a set of those already seen. */
  readonly bit: number
  /** The statement that a bad string breaks, where the property has one of its own. */
  readonly utf8: string | undefined
}

const rows: readonly (readonly [id: number, name: string, kind: Kind, places: number, utf8?: string])[] = [
  [0x01, 'payloadFormatIndicator', Kind.bit, 10],
  [0x02, 'messageExpiryInterval', Kind.u32, 10],
  [0x03, 'contentType', Kind.string, 10, '3.3.2-19'],
  [0x08, 'responseTopic', Kind.topic, 10, '3.3.2-13'],
  [0x09, 'correlationData', Kind.binary, 10],
  [0x0b, 'subscriptionIdentifier', Kind.subscriptionIdentifier, 40],
  [0x11, 'sessionExpiryInterval', Kind.u32, 133],
  [0x12, 'assignedClientIdentifier', Kind.string, 4],
  [0x13, 'serverKeepAlive', Kind.u16, 4],
  [0x15, 'authenticationMethod', Kind.string, 261],
  [0x16, 'authenticationData', Kind.binary, 261],
  [0x17, 'requestProblemInformation', Kind.flag, 1],
  [0x18, 'willDelayInterval', Kind.u32, 2],
  [0x19, 'requestResponseInformation', Kind.flag, 1],
  [0x1a, 'responseInformation', Kind.string, 4],
  [0x1c, 'serverReference', Kind.string, 132],
  [0x1f, 'reasonString', Kind.string, 404],
  [0x21, 'receiveMaximum', Kind.count16, 5],
  [0x22, 'topicAliasMaximum', Kind.u16, 5],
  [0x23, 'topicAlias', Kind.count16, 8],
  [0x24, 'maximumQoS', Kind.bit, 4],
  [0x25, 'retainAvailable', Kind.flag, 4],
  [0x26, 'userProperties', Kind.userProperty, 511, '1.5.7-1'],
  [0x27, 'maximumPacketSize', Kind.count32, 5],
  [0x28, 'wildcardSubscriptionAvailable', Kind.flag, 4],
  [0x29, 'subscriptionIdentifiersAvailable', Kind.flag, 4],
  [0x2a, 'sharedSubscriptionAvailable', Kind.flag, 4],
]

const byId: (Property | undefined)[] = []
const byName = new Map<string, Property>()
rows.forEach(([id, name, kind, places, utf8], index) => {
  const property = { id, name, field: fieldName(name), kind, places, bit: 1 << index, utf8 }
  byId[id] = property
  byName.set(name, property)
})

const TOPIC_ALIAS = 0x23
const MESSAGE_EXPIRY_INTERVAL = 0x02
const SUBSCRIPTION_IDENTIFIER = 0x0b
const USER_PROPERTY = 0x26
/** Broken by a User Property that is not UTF-8. */
const USER_PROPERTY_UTF8 = '1.5.7-1'
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
  const property = byId[id]
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

/** `receiveMaximum` as the specification writes it: `Receive Maximum`. */
function fieldName(name: string): string {
  return name
    .replace(/^[a-z]/, (letter) => letter.toUpperCase())
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace('Qo S', 'QoS')
}

/**
 * Writes the properties with their length, in the order of the object's keys; what is `undefined` is left out.
 *
 * @param topicAlias - above 0: replaces that of `properties`
 * @param messageExpiryInterval - 0 and up: replaces that of `properties`
 */
export function writeProperties(
  writer: ByteWriter,
  place: number,
  properties: object | undefined,
  topicAlias: number = 0,
  messageExpiryInterval: number = -1,
): void {
  const mark = writer.beginPart()
  if (topicAlias > 0) {
    writer.u8(TOPIC_ALIAS)
    writer.u16(integer(topicAlias, 'topicAlias', 1, 65_535))
  }
  if (messageExpiryInterval >= 0) {
    writer.u8(MESSAGE_EXPIRY_INTERVAL)
    writer.u32(integer(messageExpiryInterval, 'messageExpiryInterval', 0, 0xffff_ffff))
  }
  for (const name in properties) {
    const value: unknown = (properties as Record<string, unknown>)[name]
    if (value === undefined) continue
    if (topicAlias > 0 && name === 'topicAlias') continue
    if (messageExpiryInterval >= 0 && name === 'messageExpiryInterval') continue
    const list = name === 'subscriptionIdentifiers'
    const property = byName.get(list ? 'subscriptionIdentifier' : name)
    if (
      property === undefined ||
      (property.places & place) === 0 ||
      (property.kind === Kind.subscriptionIdentifier && list !== (place === PropertyPlace.publish))
    ) {
      throw refusal(`properties.${name}`, 'a property that this packet may have [MQTT 5.0 §2.2.2.2]', name)
    }
    writeProperty(writer, property, name, value)
  }
  writer.endPart(mark)
}

function writeProperty(writer: ByteWriter, property: Property, name: string, value: unknown): void {
  const path = `properties.${name}`
  if (property.kind === Kind.userProperty) {
    writeUserProperties(writer, value)
    return
  }
  if (property.kind === Kind.subscriptionIdentifier) {
    writeSubscriptionIdentifiers(writer, value, path, name !== property.name)
    return
  }
  writer.u8(property.id)
  switch (property.kind) {
    case Kind.bit:
      writer.u8(integer(value, path, 0, 1))
      break
    case Kind.flag:
      if (typeof value !== 'boolean') throw refusal(path, 'a boolean', value)
      writer.u8(value ? 1 : 0)
      break
    case Kind.u16:
    case Kind.count16:
      writer.u16(integer(value, path, property.kind === Kind.u16 ? 0 : 1, 65_535))
      break
    case Kind.u32:
    case Kind.count32:
      writer.u32(integer(value, path, property.kind === Kind.u32 ? 0 : 1, 0xffff_ffff))
      break
    case Kind.string:
      writer.string(value, path)
      break
    case Kind.topic:
      if (value === '') throw refusal(path, 'a Topic Name of at least one character [MQTT-4.7.3-1]', value)
      writer.string(value, path, true)
      break
    case Kind.binary:
      writer.binary(value, path)
      break
  }
}

function writeUserProperties(writer: ByteWriter, value: unknown): void {
  const path = 'properties.userProperties'
  if (!Array.isArray(value)) throw refusal(path, 'a list of [name, value] pairs', value)
  for (const pair of value as UserProperties) {
    if (!Array.isArray(pair) || pair.length !== 2) throw refusal(path, 'a list of [name, value] pairs', pair)
    writer.u8(USER_PROPERTY)
    writer.string(pair[0], path)
    writer.string(pair[1], path)
  }
}

function writeSubscriptionIdentifiers(
  writer: ByteWriter,
  value: unknown,
  path: string,
  isList: boolean,
): void {
  if (isList && !Array.isArray(value)) throw refusal(path, 'a list of numbers', value)
  if (isList && writer.from === 'client') {
    throw refusal(path, 'no Subscription Identifier in a PUBLISH of a client [MQTT-3.3.4-6]', value)
  }
  for (const identifier of Array.isArray(value) ? value : [value]) {
    writer.u8(SUBSCRIPTION_IDENTIFIER)
    writer.vbi(integer(identifier, path, 1, 268_435_455))
  }
}

/** An integer argument within its range. */
export function integer(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw refusal(path, `an integer from ${least} to ${most}`, value)
  }
  return value
}

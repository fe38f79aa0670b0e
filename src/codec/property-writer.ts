import { type ByteWriter, refusal } from './byte-writer.ts'
import type { UserProperties } from './packet.ts'
import {
  Kind,
  MESSAGE_EXPIRY_INTERVAL,
  type Property,
  PropertyPlace,
  propertyByName,
  SUBSCRIPTION_IDENTIFIER,
  TOPIC_ALIAS,
  USER_PROPERTY,
} from './property.ts'

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
    const property = propertyByName.get(list ? 'subscriptionIdentifier' : name)
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

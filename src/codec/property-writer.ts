import type { ByteWriter } from './byte-writer.ts'
import {
  MESSAGE_EXPIRY_INTERVAL,
  propertyByName,
  propertyField,
  TOPIC_ALIAS,
  USER_PROPERTY,
  WITHIN,
} from './property.ts'

/**
 * Writes the properties with their length, in the order of the object's keys; what is `undefined` is left out.
 *
 * @param place - a packet type, or that of the Will
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
    writer.uint(2, topicAlias, 'topicAlias', WITHIN)
  }
  if (messageExpiryInterval >= 0) {
    writer.u8(MESSAGE_EXPIRY_INTERVAL)
    writer.uint(4, messageExpiryInterval, 'messageExpiryInterval', WITHIN)
  }
  for (const name in properties) {
    const value: unknown = (properties as Record<string, unknown>)[name]
    if (value === undefined) continue
    if (topicAlias > 0 && name === 'topicAlias') continue
    if (messageExpiryInterval >= 0 && name === 'messageExpiryInterval') continue
    const property = propertyByName.get(name)
    if (property === undefined || ((property.places >> place) & 1) === 0) {
      throw writer.fault(0, `properties.${name}`, '2.2.2.2', 'a property of this packet', name)
    }
    const { id, path } = property
    if (!property.many) {
      writer.u8(id)
      propertyField(writer, property, value)
      continue
    }
    if (!Array.isArray(value)) throw writer.fault(0, path, WITHIN, 'a list', value)
    if (id === USER_PROPERTY) writeUserProperties(writer, path, value)
    else {
      if (writer.from === 'client') throw writer.fault(0, path, '3.3.4-6', 'none from a client', value)
      for (const identifier of value) {
        writer.u8(id)
        propertyField(writer, property, identifier)
      }
    }
  }
  writer.endPart(mark)
}

function writeUserProperties(writer: ByteWriter, path: string, pairs: readonly unknown[]): void {
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw writer.fault(0, path, WITHIN, '[name, value] pairs', pair)
    }
    writer.u8(USER_PROPERTY)
    writer.string(pair[0], path)
    writer.string(pair[1], path)
  }
}

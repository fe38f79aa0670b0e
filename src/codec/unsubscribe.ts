import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { ProtocolVersion, UnsubscribePacket } from './packet.ts'
import { PropertyPlace } from './property.ts'
import { readProperties } from './property-reader.ts'
import { writeProperties } from './property-writer.ts'
import { readPacketId, writePacketId } from './publish-acks.ts'
import { readFilter, writeFilter } from './subscribe.ts'

export function decodeUnsubscribe(reader: ByteReader): UnsubscribePacket {
  const packetId = readPacketId(reader, '2.2.1-3')
  const properties = {}
  const some = reader.version === 5 && readProperties(reader, PropertyPlace.unsubscribe, properties)
  const filters: string[] = []
  do filters.push(readFilter(reader, '3.10.3-2'))
  while (reader.position < reader.end)
  return { type: 'unsubscribe', packetId, filters, ...(some && { properties }) }
}

/**
 * Writes an UNSUBSCRIBE. MQTT 3.x has no properties: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeUnsubscribe(
  writer: ByteWriter,
  version: ProtocolVersion,
  packet: UnsubscribePacket,
): number {
  const { packetId, filters, properties } = packet
  writer.begin(0xa2, 32)
  writePacketId(writer, packetId)
  if (version === 5) writeProperties(writer, PropertyPlace.unsubscribe, properties)
  if (filters.length === 0) throw refusal('filters', 'at least one Topic Filter [MQTT-3.10.3-2]', 'none')
  filters.forEach((filter, index) => {
    writeFilter(writer, version, filter, index)
  })
  return writer.end(32)
}

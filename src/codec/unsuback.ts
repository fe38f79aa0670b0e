import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { ProtocolVersion, UnsubackPacket } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace } from './property.ts'
import { readProperties } from './property-reader.ts'
import { readPacketId, writePacketId } from './publish-acks.ts'
import { readCodes, writeCodes } from './suback.ts'

export function decodeUnsuback(reader: ByteReader): UnsubackPacket {
  const packetId = readPacketId(reader, '3.10.4-5')
  if (reader.version !== 5) {
    reader.finish()
    return { type: 'unsuback', packetId, reasonCodes: [] }
  }
  const properties = {}
  const some = readProperties(reader, PropertyPlace.ack, properties)
  const reasonCodes = readCodes(reader, '3.11.3-2', '3.11.3-2')
  return { type: 'unsuback', packetId, reasonCodes, ...(some && { properties }) }
}

/**
 * Writes an UNSUBACK. MQTT 3.x has neither codes nor properties: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeUnsuback(writer: ByteWriter, version: ProtocolVersion, packet: UnsubackPacket): number {
  if (version === 5) return writeCodes(writer, version, PacketType.unsuback, packet)
  writer.begin(0xb0, 2)
  writePacketId(writer, packet.packetId)
  return writer.end(2)
}

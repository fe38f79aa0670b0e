import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { DisconnectPacket, DisconnectProperties, ProtocolVersion } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace } from './property.ts'
import { readReason, writeReason } from './reason.ts'

export function decodeDisconnect(reader: ByteReader): DisconnectPacket {
  const reason = readReason(reader, PropertyPlace.disconnect)
  const properties = reason.properties as DisconnectProperties | undefined
  if (reader.from === 'server' && properties?.sessionExpiryInterval !== undefined) {
    throw reader.fault(0x82, 'Session Expiry Interval', '3.14.2-2', 'comes from a server')
  }
  return { type: 'disconnect', ...reason }
}

/**
 * Writes a DISCONNECT in its shortest form. MQTT 3.x has neither reason code nor properties: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeDisconnect(
  writer: ByteWriter,
  version: ProtocolVersion,
  packet: DisconnectPacket,
): number {
  writer.begin(0xe0, 0)
  writeReason(
    writer,
    version,
    PacketType.disconnect,
    PropertyPlace.disconnect,
    packet.reasonCode,
    packet.properties,
  )
  return writer.end(0)
}

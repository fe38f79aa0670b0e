import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { DisconnectPacket, DisconnectProperties, ProtocolVersion } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace, readProperties, writeProperties } from './property.ts'
import { isEmpty } from './publish-acks.ts'
import { isReasonCode } from './reason-code.ts'

export function decodeDisconnect(reader: ByteReader): DisconnectPacket {
  // MQTT 5.0 §3.14.2.1: without a byte the code is 0; below two bytes there is no Property Length.
  if (reader.position === reader.end) return { type: 'disconnect', reasonCode: 0 }
  if (reader.version !== 5) reader.finish()
  const reasonCode = reader.u8('Reason Code', '3.14.2-1')
  if (!isReasonCode(PacketType.disconnect, reasonCode, reader.from)) {
    throw reader.fault(0x82, 'Reason Code', '3.14.2-1', 'is not defined for it', reader.position - 1)
  }
  if (reader.position === reader.end) return { type: 'disconnect', reasonCode }
  const properties: DisconnectProperties = {}
  const some = readProperties(reader, PropertyPlace.disconnect, properties as Record<string, unknown>)
  if (reader.from === 'server' && properties.sessionExpiryInterval !== undefined) {
    throw reader.fault(0x82, 'Session Expiry Interval', '3.14.2-2', 'comes from a server')
  }
  reader.finish()
  return some ? { type: 'disconnect', reasonCode, properties } : { type: 'disconnect', reasonCode }
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
  const { reasonCode, properties } = packet
  const hasProperties = version === 5 && properties !== undefined && !isEmpty(properties)
  writer.begin(0xe0, 0)
  if (version === 5 && (reasonCode !== 0 || hasProperties)) {
    if (!isReasonCode(PacketType.disconnect, reasonCode, writer.from))
      throw refusal('reasonCode', 'one of DISCONNECT', reasonCode)
    writer.u8(reasonCode)
    if (hasProperties) writeProperties(writer, PropertyPlace.disconnect, properties)
  }
  return writer.end(0)
}

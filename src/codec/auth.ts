import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { AuthPacket, AuthProperties, ProtocolVersion } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace, readProperties, writeProperties } from './property.ts'
import { isEmpty } from './publish-acks.ts'
import { isReasonCode } from './reason-code.ts'

export function decodeAuth(reader: ByteReader): AuthPacket {
  // MQTT 5.0 §3.15.2.1 allows to leave everything out when the code is 0, although §3.15.2.2.2 asks for the method.
  if (reader.position === reader.end) return { type: 'auth', reasonCode: 0 }
  const reasonCode = reader.u8('Reason Code', '3.15.2-1')
  if (!isReasonCode(PacketType.auth, reasonCode, reader.from)) {
    throw reader.fault(0x82, 'Reason Code', '3.15.2-1', 'is not defined for it', reader.position - 1)
  }
  const properties: AuthProperties = {}
  if (reader.position < reader.end)
    readProperties(reader, PropertyPlace.auth, properties as Record<string, unknown>)
  if (properties.authenticationMethod === undefined) {
    throw reader.fault(0x82, 'Authentication Method', '4.12.0-5', 'is missing')
  }
  reader.finish()
  return { type: 'auth', reasonCode, properties }
}

/**
 * Writes an AUTH, which exists in MQTT 5 only.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids, and in 3.x; nothing is written then
 */
export function encodeAuth(writer: ByteWriter, version: ProtocolVersion, packet: AuthPacket): number {
  const { reasonCode, properties } = packet
  if (version !== 5) throw refusal('type', 'a packet that MQTT 3.x has', 'auth')
  if (!isReasonCode(PacketType.auth, reasonCode, writer.from))
    throw refusal('reasonCode', '0x00, 0x18 or 0x19 [MQTT-3.15.2-1]', reasonCode)
  writer.begin(0xf0, 16)
  if (reasonCode !== 0 || (properties !== undefined && !isEmpty(properties))) {
    if (properties?.authenticationMethod === undefined) {
      throw refusal('properties.authenticationMethod', 'the method of the CONNECT [MQTT-4.12.0-5]', undefined)
    }
    writer.u8(reasonCode)
    writeProperties(writer, PropertyPlace.auth, properties)
  }
  return writer.end(16)
}

import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { AuthPacket, AuthProperties, ProtocolVersion } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace } from './property.ts'
import { checkReasonCode, readReason, writeReason } from './reason.ts'

export function decodeAuth(reader: ByteReader): AuthPacket {
  // MQTT 5.0 §3.15.2.1 allows to leave everything out when the code is 0, which is a server's, although §3.15.2.2.2 asks for
  // the method.
  const mayBeBare = reader.position === reader.end && reader.from === 'server'
  const reason = readReason(reader, PropertyPlace.auth)
  const properties = reason.properties as AuthProperties | undefined
  if (!mayBeBare && properties?.authenticationMethod === undefined) {
    throw reader.fault(0x82, 'Authentication Method', '4.12.0-5', 'is missing')
  }
  return { type: 'auth', ...reason }
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
  checkReasonCode(writer, PacketType.auth, reasonCode)
  if ((reasonCode !== 0 || properties !== undefined) && properties?.authenticationMethod === undefined) {
    throw refusal('properties.authenticationMethod', 'the method of the CONNECT [MQTT-4.12.0-5]', undefined)
  }
  writer.begin(0xf0, 16)
  writeReason(writer, version, PacketType.auth, PropertyPlace.auth, reasonCode, properties)
  return writer.end(16)
}

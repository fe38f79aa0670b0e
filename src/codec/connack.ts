import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { ConnackPacket, ConnackProperties, ProtocolVersion } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace } from './property.ts'
import { readProperties } from './property-reader.ts'
import { writeProperties } from './property-writer.ts'
import { checkReasonCode } from './reason.ts'
import { isReasonCode, RETURN_CODES } from './reason-code.ts'

/** Reads a CONNACK; 3.x return codes become MQTT 5 reason codes. */
export function decodeConnack(reader: ByteReader): ConnackPacket {
  const flags = reader.u8('Connect Acknowledge Flags', '3.2.2-1')
  const code = reader.u8('Reason Code', '3.2.2-8')
  const at = reader.position - 1
  // MQTT 3.1 reserves the byte that later holds Session Present: whatever it is, it says nothing.
  if (flags > 1 && reader.version !== 3) {
    throw reader.fault(
      0x81,
      'Connect Acknowledge Flags',
      reader.version === 5 ? '3.2.2-1' : '4.8.0-1',
      'have reserved bits set',
      at - 1,
    )
  }
  const sessionPresent = flags === 1 && reader.version !== 3
  // An old server may refuse MQTT 5 in the form of 3.1.1: two bytes, return code 1. It is to be understood.
  const old = reader.version !== 5 || (reader.position === reader.end && code > 0 && code < 6)
  const reasonCode = old ? RETURN_CODES[code] : code
  if (reasonCode === undefined || !isReasonCode(PacketType.connack, reasonCode)) {
    throw reader.fault(0x82, 'Reason Code', '3.2.2-8', 'is not defined for it', at)
  }
  if (sessionPresent && reasonCode !== 0) {
    throw reader.fault(0x82, 'Session Present', '3.2.2-6', 'is set in a refusal', at - 1)
  }
  if (old) {
    reader.finish('3.2.0-1')
    return { type: 'connack', sessionPresent, reasonCode }
  }
  const properties: ConnackProperties = {}
  const some = readProperties(reader, PropertyPlace.connack, properties as Record<string, unknown>)
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw reader.fault(0x82, 'Authentication Data', '4.12.0-6', 'comes without a method')
  }
  reader.finish()
  return some
    ? { type: 'connack', sessionPresent, reasonCode, properties }
    : { type: 'connack', sessionPresent, reasonCode }
}

/**
 * Writes a CONNACK. In 3.x the reason code becomes the return code of the same meaning, and properties are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids, and in 3.x for a reason code that has no return code; nothing is written then
 */
export function encodeConnack(writer: ByteWriter, version: ProtocolVersion, packet: ConnackPacket): number {
  const { reasonCode, sessionPresent, properties } = packet
  const code = version === 5 ? reasonCode : RETURN_CODES.indexOf(reasonCode)
  if (code < 0) throw refusal('reasonCode', 'one that has a return code in MQTT 3.x', reasonCode)
  checkReasonCode(writer, PacketType.connack, reasonCode)
  if (sessionPresent && reasonCode !== 0)
    throw refusal('sessionPresent', 'false in a refusal [MQTT-3.2.2-6]', true)
  if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw refusal(
      'properties.authenticationMethod',
      'a method for the Authentication Data [MQTT-4.12.0-6]',
      undefined,
    )
  }
  writer.begin(0x20, 3)
  writer.u8(sessionPresent && version !== 3 ? 1 : 0)
  writer.u8(code)
  if (version === 5) writeProperties(writer, PropertyPlace.connack, properties)
  return writer.end(3)
}

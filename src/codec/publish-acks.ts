import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { packetIdField } from './field-stream.ts'
import type { AckPacket, AckProperties, ProtocolVersion } from './packet.ts'
import { PACKET_TYPES, requiredFlags } from './packet-type.ts'
import { reasonFields } from './reason.ts'

/** PUBACK, PUBREC, PUBREL or PUBCOMP: one layout. */
export function decodeAck(reader: ByteReader, first: number): AckPacket {
  const type = PACKET_TYPES[first >> 4] as AckPacket['type']
  const packetId = packetIdField(reader, undefined, '2.2.1-5')
  // The usual one: two bytes and nothing to be said.
  if (reader.position === reader.end && (first & 8) === 0) return { type, packetId, reasonCode: 0 }
  return { type, packetId, ...reasonFields(reader, {}), ...((first & 8) !== 0 && { dup: true }) }
}

/**
 * Writes PUBACK, PUBREC, PUBREL or PUBCOMP in its shortest form. MQTT 3.x has neither reason code nor properties: they are
 * left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeAck(
  writer: ByteWriter,
  version: ProtocolVersion,
  type: AckPacket['type'],
  packetId: number,
  reasonCode: number = 0,
  properties?: AckProperties,
): number {
  const number = PACKET_TYPES.indexOf(type)
  writer.begin((number << 4) | requiredFlags(number), 2, 4)
  packetIdField(writer, packetId, '2.2.1-5')
  if (reasonCode !== 0 || properties !== undefined) {
    writer.version = version
    reasonFields(writer, { reasonCode, ...(properties && { properties }) })
  }
  return writer.end(2)
}

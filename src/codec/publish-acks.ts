import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { AckPacket, AckProperties, ProtocolVersion } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { integer, PropertyPlace, readProperties, writeProperties } from './property.ts'
import { isReasonCode } from './reason-code.ts'

const TYPES: readonly AckPacket['type'][] = ['puback', 'pubrec', 'pubrel', 'pubcomp']

/** The reason-code statement of each: PUBACK, PUBREC, PUBREL, PUBCOMP. */
const CODES = ['3.4.2-1', '3.5.2-1', '3.6.2-1', '3.7.2-1']

/** PUBACK, PUBREC, PUBREL or PUBCOMP: one layout. */
export function decodeAck(reader: ByteReader, first: number): AckPacket {
  const which = (first >> 4) - PacketType.puback
  const type = TYPES[which] ?? 'puback'
  const packetId = readPacketId(reader, '2.2.1-5')
  if (reader.position === reader.end) {
    if ((first & 8) !== 0) return { type, packetId, reasonCode: 0, dup: true }
    return { type, packetId, reasonCode: 0 }
  }
  if (reader.version !== 5) reader.finish()
  const reasonCode = reader.u8('Reason Code', '2.2.1-5')
  if (!isReasonCode(reader.type, reasonCode)) {
    throw reader.fault(0x82, 'Reason Code', CODES[which] ?? '', 'is not defined for it', reader.position - 1)
  }
  // MQTT 5.0 §3.4.2.2.1: below four bytes there is no Property Length.
  if (reader.position === reader.end) return { type, packetId, reasonCode }
  const properties = {}
  const some = readProperties(reader, PropertyPlace.ack, properties)
  reader.finish()
  return some ? { type, packetId, reasonCode, properties } : { type, packetId, reasonCode }
}

/** An identifier, which is never 0. [MQTT-2.2.1-3] */
export function readPacketId(reader: ByteReader, statement: string): number {
  const packetId = reader.u16('Packet Identifier', statement)
  if (packetId === 0) throw reader.fault(0x82, 'Packet Identifier', statement, 'is 0', reader.position - 2)
  return packetId
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
  const number = PacketType[type]
  integer(packetId, 'packetId', 1, 65_535)
  const hasProperties = version === 5 && properties !== undefined && !isEmpty(properties)
  writer.begin((number << 4) | (number === PacketType.pubrel ? 2 : 0), 2, 4)
  writer.u16(packetId)
  if (version === 5 && (reasonCode !== 0 || hasProperties)) {
    if (!isReasonCode(number, reasonCode))
      throw refusal('reasonCode', `one of ${type.toUpperCase()}`, reasonCode)
    writer.u8(reasonCode)
    if (hasProperties) writeProperties(writer, PropertyPlace.ack, properties)
  }
  return writer.end(2)
}

/** Whether there is nothing to write. */
export function isEmpty(properties: object): boolean {
  for (const name in properties) {
    if ((properties as Record<string, unknown>)[name] !== undefined) return false
  }
  return true
}

import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { AckPacket, AckProperties, ProtocolVersion } from './packet.ts'
import { PacketType, requiredFlags } from './packet-type.ts'
import { PropertyPlace } from './property.ts'
import { integer } from './property-writer.ts'
import { readReason, writeReason } from './reason.ts'

const TYPES: readonly AckPacket['type'][] = ['puback', 'pubrec', 'pubrel', 'pubcomp']

/** PUBACK, PUBREC, PUBREL or PUBCOMP: one layout. */
export function decodeAck(reader: ByteReader, first: number): AckPacket {
  const type = TYPES[(first >> 4) - PacketType.puback] ?? 'puback'
  const packetId = readPacketId(reader, '2.2.1-5')
  // The usual one: two bytes and nothing to be said.
  if (reader.position === reader.end && (first & 8) === 0) return { type, packetId, reasonCode: 0 }
  return { type, packetId, ...readReason(reader, PropertyPlace.ack), ...((first & 8) !== 0 && { dup: true }) }
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
  writer.begin((number << 4) | requiredFlags(number), 2, 4)
  writePacketId(writer, packetId)
  writeReason(writer, version, number, PropertyPlace.ack, reasonCode, properties)
  return writer.end(2)
}

export function writePacketId(writer: ByteWriter, packetId: number): void {
  writer.u16(integer(packetId, 'packetId', 1, 65_535))
}

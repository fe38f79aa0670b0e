import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { ProtocolVersion, SubackPacket, UnsubackPacket } from './packet.ts'
import { PacketType } from './packet-type.ts'
import { PropertyPlace } from './property.ts'
import { readProperties } from './property-reader.ts'
import { writeProperties } from './property-writer.ts'
import { readPacketId, writePacketId } from './publish-acks.ts'
import { checkReasonCode, readReasonCode } from './reason.ts'

export function decodeSuback(reader: ByteReader): SubackPacket {
  const packetId = readPacketId(reader, '3.8.4-2')
  const properties = {}
  const some = reader.version === 5 && readProperties(reader, PropertyPlace.ack, properties)
  const reasonCodes = readCodes(reader, '3.8.4-6', '3.9.3-2')
  return { type: 'suback', packetId, reasonCodes, ...(some && { properties }) }
}

/** The codes to the end of the packet: at least one. */
export function readCodes(reader: ByteReader, none: string, undefinedCode: string): number[] {
  const codes: number[] = []
  do {
    const code = readReasonCode(reader, reader.position < reader.end ? undefinedCode : none, 0x82)
    // MQTT 3.1.1 §3.9.3: 0, 1, 2 and 0x80. Servers use 0x80 in 3.1 too, which has no failure code.
    if (reader.version !== 5 && code > 0x80) {
      throw reader.fault(0x82, 'Return Code', undefinedCode, 'is not defined for it', reader.position - 1)
    }
    codes.push(code)
  } while (reader.position < reader.end)
  return codes
}

/**
 * Writes a SUBACK. In 3.x every refusal becomes 0x80, and properties are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeSuback(writer: ByteWriter, version: ProtocolVersion, packet: SubackPacket): number {
  return writeCodes(writer, version, PacketType.suback, packet)
}

/** SUBACK, and UNSUBACK of MQTT 5. */
export function writeCodes(
  writer: ByteWriter,
  version: ProtocolVersion,
  type: number,
  { packetId, reasonCodes, properties }: SubackPacket | UnsubackPacket,
): number {
  writer.begin(type << 4, 8)
  writePacketId(writer, packetId)
  if (version === 5) writeProperties(writer, PropertyPlace.ack, properties)
  if (reasonCodes.length === 0)
    throw refusal('reasonCodes', 'a code for each Topic Filter [MQTT-3.8.4-6]', 'none')
  for (const code of reasonCodes) {
    checkReasonCode(writer, type, code, 'reasonCodes')
    writer.u8(version !== 5 && code > 0x80 ? 0x80 : code)
  }
  return writer.end(8)
}

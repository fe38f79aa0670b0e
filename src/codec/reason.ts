import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import { PacketType, packetName } from './packet-type.ts'
import { type PropertyTarget, readProperties } from './property-reader.ts'
import { writeProperties } from './property-writer.ts'
import { isReasonCode } from './reason-code.ts'

/** Reason code and properties as the end of a packet, where both may be left out. */
export interface Reason {
  readonly reasonCode: number
  /** Absent when there are none. */
  readonly properties?: PropertyTarget
}

const SUCCESS: Reason = { reasonCode: 0 }

/**
 * The end of PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT and AUTH: without a byte the code is 0, without a Property Length there
 * are no properties. In 3.x there is no such end. [MQTT 5.0 §3.4.2.1, §3.14.2.1, §3.15.2.1]
 */
export function readReason(reader: ByteReader, place: number): Reason {
  if (reader.position === reader.end) return SUCCESS
  if (reader.version !== 5) reader.finish()
  const reasonCode = readReasonCode(reader, `3.${reader.type}.2-1`)
  if (reader.position === reader.end) return { reasonCode }
  const properties: PropertyTarget = {}
  const some = readProperties(reader, place, properties)
  reader.finish()
  return some ? { reasonCode, properties } : { reasonCode }
}

/** A reason code that this packet may carry when it comes from this side. */
export function readReasonCode(reader: ByteReader, statement: string, missing: number = 0x81): number {
  const code = reader.u8('Reason Code', statement, missing)
  if (!isReasonCode(reader.type, code, reader.from)) {
    throw reader.fault(0x82, 'Reason Code', statement, 'is not defined for it', reader.position - 1)
  }
  return code
}

/** Writes the same in its shortest form; nothing in 3.x. */
export function writeReason(
  writer: ByteWriter,
  version: number,
  type: number,
  place: number,
  reasonCode: number,
  properties: object | undefined,
): void {
  if (version !== 5) return
  const some = hasAny(properties)
  if (reasonCode === 0 && !some) return
  checkReasonCode(writer, type, reasonCode)
  writer.u8(reasonCode)
  if (some) writeProperties(writer, place, properties)
}

/** Refuses a reason code that this packet may not carry when it comes from the writer's side. */
export function checkReasonCode(
  writer: ByteWriter,
  type: number,
  code: number,
  path: string = 'reasonCode',
): void {
  if (!isReasonCode(type, code, writer.from)) {
    throw refusal(
      path,
      `one that ${packetName(type)} of a ${writer.from} may carry [${reasonStatement(type)}]`,
      code,
    )
  }
}

/** By packet type: the statement about its reason codes. */
function reasonStatement(type: number): string {
  return `MQTT-3.${type}.${type === PacketType.connack ? '2-8' : type === PacketType.suback || type === PacketType.unsuback ? '3-2' : '2-1'}`
}

function hasAny(properties: object | undefined): boolean {
  for (const name in properties) {
    if ((properties as Record<string, unknown>)[name] !== undefined) return true
  }
  return false
}

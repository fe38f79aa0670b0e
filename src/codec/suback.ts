import {
  type Encoder,
  encoder,
  type FieldStream,
  listField,
  packetIdField,
  withProperties,
} from './field-stream.ts'
import type { SubackPacket } from './packet.ts'
import { checkReasonCode, reasonCodeField } from './reason.ts'

export function subackLayout(stream: FieldStream, given: Partial<SubackPacket>): SubackPacket {
  const packetId = packetIdField(stream, given.packetId, '3.8.4-2')
  const properties = stream.properties(given.properties)
  const reasonCodes = listField(stream, given.reasonCodes, 'reasonCodes', '3.8.4-6', codeField)
  return withProperties({ type: 'suback', packetId, reasonCodes }, properties)
}

/** MQTT 3.1.1 §3.9.3: 0, 1, 2 and 0x80. Servers use 0x80 in 3.1 too, which has no failure code. */
function codeField(stream: FieldStream, value: number | undefined): number {
  const path = 'reasonCodes'
  if (stream.version === 5) return reasonCodeField(stream, value, path)
  if (!stream.reads) checkReasonCode(stream, value, path)
  const code = reasonCodeField(stream, value === undefined ? value : Math.min(value, 0x80), path)
  if (code > 0x80) {
    throw stream.fault(0x82, path, '3.9.3-2', '0, 1, 2 or 128', code)
  }
  return code
}

/**
 * Writes a SUBACK. In 3.x every refusal becomes 0x80, and properties are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export const encodeSuback: Encoder<SubackPacket> = /* @__PURE__ */ encoder(0x90, subackLayout)

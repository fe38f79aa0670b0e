import {
  type Encoder,
  encoder,
  type FieldStream,
  listField,
  packetIdField,
  withProperties,
} from './field-stream.ts'
import type { UnsubackPacket } from './packet.ts'
import { reasonCodeField } from './reason.ts'

export function unsubackLayout(stream: FieldStream, given: Partial<UnsubackPacket>): UnsubackPacket {
  const packetId = packetIdField(stream, given.packetId, '3.10.4-5')
  if (stream.version !== 5) return { type: 'unsuback', packetId, reasonCodes: [] }
  const properties = stream.properties(given.properties)
  const reasonCodes = listField(stream, given.reasonCodes, 'reasonCodes', '3.11.3-2', codeField)
  return withProperties({ type: 'unsuback', packetId, reasonCodes }, properties)
}

function codeField(stream: FieldStream, value: number | undefined): number {
  return reasonCodeField(stream, value, 'reasonCodes')
}

/**
 * Writes an UNSUBACK. MQTT 3.x has neither codes nor properties: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export const encodeUnsuback: Encoder<UnsubackPacket> = /* @__PURE__ */ encoder(0xb0, unsubackLayout)

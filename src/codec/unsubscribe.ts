import {
  type Encoder,
  encoder,
  type FieldStream,
  listField,
  packetIdField,
  withProperties,
} from './field-stream.ts'
import type { UnsubscribePacket } from './packet.ts'
import { topicFilterField } from './subscribe.ts'

export function unsubscribeLayout(stream: FieldStream, given: Partial<UnsubscribePacket>): UnsubscribePacket {
  const packetId = packetIdField(stream, given.packetId, '2.2.1-3')
  const properties = stream.properties(given.properties)
  const filters = listField(stream, given.filters, 'filters', '3.10.3-2', topicFilterField)
  return withProperties({ type: 'unsubscribe', packetId, filters }, properties)
}

/**
 * Writes an UNSUBSCRIBE. MQTT 3.x has no properties: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export const encodeUnsubscribe: Encoder<UnsubscribePacket> = /* @__PURE__ */ encoder(0xa2, unsubscribeLayout)

import { type Encoder, encoder, type FieldStream } from './field-stream.ts'
import type { DisconnectPacket } from './packet.ts'
import { reasonFields } from './reason.ts'

export function disconnectLayout(stream: FieldStream, given: Partial<DisconnectPacket>): DisconnectPacket {
  const reason = reasonFields(stream, given)
  if (stream.from === 'server' && reason.properties?.sessionExpiryInterval !== undefined) {
    throw stream.fault(0x82, 'properties.sessionExpiryInterval', '3.14.2-2', 'none from a server')
  }
  return { type: 'disconnect', ...reason }
}

/**
 * Writes a DISCONNECT in its shortest form. MQTT 3.x has neither reason code nor properties: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export const encodeDisconnect: Encoder<DisconnectPacket> = /* @__PURE__ */ encoder(0xe0, disconnectLayout)

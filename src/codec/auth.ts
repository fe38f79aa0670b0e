import { type Encoder, encoder, type FieldStream } from './field-stream.ts'
import type { AuthPacket } from './packet.ts'
import { reasonFields } from './reason.ts'

export function authLayout(stream: FieldStream, given: Partial<AuthPacket>): AuthPacket {
  if (stream.version !== 5) throw stream.fault(0x81, 'type', '2.1.2', 'a packet that MQTT 3.x has', 'auth')
  // MQTT 5.0 §3.15.2.1 allows to leave everything out when the code is 0, which is a server's, although §3.15.2.2.2 asks for
  // the method.
  const bare = !stream.more(given.reasonCode !== 0 || given.properties !== undefined)
  const reason = reasonFields(stream, given)
  if (!(bare && stream.from === 'server') && reason.properties?.authenticationMethod === undefined) {
    throw stream.fault(0x82, 'properties.authenticationMethod', '4.12.0-5', 'the method of the CONNECT')
  }
  return { type: 'auth', ...reason }
}

/**
 * Writes an AUTH, which exists in MQTT 5 only.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids, and in 3.x; nothing is written then
 */
export const encodeAuth: Encoder<AuthPacket> = /* @__PURE__ */ encoder(0xf0, authLayout)

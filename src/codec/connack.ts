import { type Encoder, encoder, type FieldStream, withProperties } from './field-stream.ts'
import type { ConnackPacket } from './packet.ts'
import { checkReasonCode } from './reason.ts'
import { RETURN_CODES } from './reason-code.ts'

/** 3.x return codes stand for MQTT 5 reason codes. */
export function connackLayout(stream: FieldStream, given: Partial<ConnackPacket>): ConnackPacket {
  const { version } = stream
  const path = 'connectAcknowledgeFlags'
  const flags = stream.uint(1, given.sessionPresent && version !== 3 ? 1 : 0, path, '3.2.2-1')
  // MQTT 3.1 reserves the byte that later holds Session Present: whatever it is, it says nothing.
  if (flags > 1 && version !== 3) {
    throw stream.fault(0x81, path, version === 5 ? '3.2.2-1' : '4.8.0-1', '0 or 1', flags)
  }
  const code = stream.uint(
    1,
    version === 5 ? given.reasonCode : returnCode(stream, given.reasonCode),
    'reasonCode',
    '3.2.2-8',
  )
  const sessionPresent = flags === 1 && version !== 3
  // An old server may refuse MQTT 5 in the form of 3.1.1: two bytes, return code 1. It is to be understood.
  const old = version !== 5 || (!stream.more(true) && code > 0 && code < 6)
  const reasonCode = old ? RETURN_CODES[code] : code
  checkReasonCode(stream, reasonCode, 'reasonCode')
  if (sessionPresent && reasonCode !== 0) {
    throw stream.fault(0x82, 'sessionPresent', '3.2.2-6', 'false in a refusal', true)
  }
  const properties = old ? undefined : stream.properties(given.properties)
  return withProperties({ type: 'connack', sessionPresent, reasonCode }, properties)
}

function returnCode(stream: FieldStream, reasonCode: number | undefined): number {
  const code = RETURN_CODES.indexOf(reasonCode ?? 0)
  if (code < 0)
    throw stream.fault(0x82, 'reasonCode', '3.2.2-8', 'one that has a return code in MQTT 3.x', reasonCode)
  return code
}

/**
 * Writes a CONNACK. In 3.x the reason code becomes the return code of the same meaning, and properties are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids, and in 3.x for a reason code that has no return code; nothing is written then
 */
export const encodeConnack: Encoder<ConnackPacket> = /* @__PURE__ */ encoder(0x20, connackLayout)

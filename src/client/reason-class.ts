/**
 * What a client does about a reason code:
 *
 * - `fatal`: it ends with the error; trying again would get the same answer, or do harm;
 * - `retry`: it comes back after the backoff;
 * - `refresh`: it comes back if there is a `connectOptions` hook to give it fresh credentials, else it is fatal.
 */
export type ReasonClass = 'fatal' | 'retry' | 'refresh'

/** Reason code -> class, to replace single lines of the tables below. */
export type ReasonClasses = Readonly<Record<number, ReasonClass>>

/** CONNACK, MQTT 5.0 §3.2.2.2; the return codes of 3.x are mapped to these. What is not here is retried. */
export const CONNACK_CLASSES: ReasonClasses = Object.freeze({
  128: 'retry', //   0x80 Unspecified error
  129: 'fatal', //   0x81 Malformed Packet: ours, and the next CONNECT will be the same
  130: 'fatal', //   0x82 Protocol Error
  131: 'retry', //   0x83 Implementation specific error
  132: 'fatal', //   0x84 Unsupported Protocol Version (protocolVersion "auto" asks for an older one first)
  133: 'fatal', //   0x85 Client Identifier not valid
  134: 'refresh', // 0x86 Bad User Name or Password
  135: 'refresh', // 0x87 Not authorized
  136: 'retry', //   0x88 Server unavailable
  137: 'retry', //   0x89 Server busy
  138: 'fatal', //   0x8A Banned
  140: 'fatal', //   0x8C Bad authentication method
  144: 'fatal', //   0x90 Topic Name invalid: the will's
  149: 'fatal', //   0x95 Packet too large
  151: 'retry', //   0x97 Quota exceeded
  153: 'fatal', //   0x99 Payload format invalid: the will's
  154: 'fatal', //   0x9A Retain not supported: the will's
  155: 'fatal', //   0x9B QoS not supported: the will's
  156: 'retry', //   0x9C Use another server (followed first, where there is a Server Reference)
  157: 'retry', //   0x9D Server moved
  159: 'retry', //   0x9F Connection rate exceeded
})

/** DISCONNECT from the server, MQTT 5.0 §3.14.2.1. What is not here is retried. */
export const DISCONNECT_CLASSES: ReasonClasses = Object.freeze({
  128: 'retry', //   0x80 Unspecified error
  129: 'retry', //   0x81 Malformed Packet: the next connection begins with a clean stream
  130: 'retry', //   0x82 Protocol Error
  131: 'retry', //   0x83 Implementation specific error
  135: 'refresh', // 0x87 Not authorized
  137: 'retry', //   0x89 Server busy
  139: 'retry', //   0x8B Server shutting down
  140: 'fatal', //   0x8C Bad authentication method
  141: 'retry', //   0x8D Keep Alive timeout
  142: 'fatal', //   0x8E Session taken over: coming back would take it over in turn, for ever
  151: 'retry', //   0x97 Quota exceeded
  152: 'retry', //   0x98 Administrative action
  156: 'retry', //   0x9C Use another server
  157: 'retry', //   0x9D Server moved
  159: 'retry', //   0x9F Connection rate exceeded
  160: 'retry', //   0xA0 Maximum connect time
})

/** The class of a reason code, the caller's own lines first. */
export function classOf(
  packet: 'connack' | 'disconnect',
  reasonCode: number,
  overrides: {
    readonly connack?: ReasonClasses | undefined
    readonly disconnect?: ReasonClasses | undefined
  } = {},
): ReasonClass {
  const table = packet === 'connack' ? CONNACK_CLASSES : DISCONNECT_CLASSES
  return overrides[packet]?.[reasonCode] ?? table[reasonCode] ?? 'retry'
}

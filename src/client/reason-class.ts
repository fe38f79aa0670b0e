/**
 * What a client does about a reason code:
 *
 * - `fatal`: it ends with the error; trying again would get the same answer, or do harm;
 * - `retry`: it comes back after the backoff;
 * - `refresh`: it comes back if there is a `connectOptions` hook, or an authenticator with `renewAt`, to give it fresh credentials,
 *   three times in a row at most; else it is fatal.
 */
export type ReasonClass = 'fatal' | 'retry' | 'refresh'

/** Reason code -> class, to replace single lines of the tables below. */
export type ReasonClasses = Readonly<Record<number, ReasonClass>>

/** CONNACK, MQTT 5.0 §3.2.2.2; the return codes of 3.x are mapped to these. What is not here is retried. */
export const CONNACK_CLASSES: ReasonClasses = classes({
  fatal: [
    0x81, // Malformed Packet: ours, and the next CONNECT will be the same
    0x82, // Protocol Error
    0x84, // Unsupported Protocol Version (protocolVersion "auto" asks for an older one first)
    0x85, // Client Identifier not valid
    0x8a, // Banned
    0x8c, // Bad authentication method
    0x90, // Topic Name invalid: the will's
    0x95, // Packet too large
    0x99, // Payload format invalid: the will's
    0x9a, // Retain not supported: the will's
    0x9b, // QoS not supported: the will's
  ],
  refresh: [
    0x86, // Bad User Name or Password
    0x87, // Not authorized
  ],
  retry: [
    0x80, // Unspecified error
    0x83, // Implementation specific error
    0x88, // Server unavailable
    0x89, // Server busy
    0x97, // Quota exceeded
    0x9c, // Use another server (followed first, where there is a Server Reference)
    0x9d, // Server moved
    0x9f, // Connection rate exceeded
  ],
})

/** DISCONNECT from the server, MQTT 5.0 §3.14.2.1. What is not here is retried. */
export const DISCONNECT_CLASSES: ReasonClasses = classes({
  fatal: [
    0x8c, // Bad authentication method
    0x8e, // Session taken over: coming back would take it over in turn, for ever
  ],
  refresh: [
    0x87, // Not authorized
  ],
  retry: [
    0x80, // Unspecified error
    0x81, // Malformed Packet: the next connection begins with a clean stream
    0x82, // Protocol Error
    0x83, // Implementation specific error
    0x89, // Server busy
    0x8b, // Server shutting down
    0x8d, // Keep Alive timeout
    0x97, // Quota exceeded
    0x98, // Administrative action
    0x9c, // Use another server
    0x9d, // Server moved
    0x9f, // Connection rate exceeded
    0xa0, // Maximum connect time
  ],
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

function classes(codes: Readonly<Record<ReasonClass, readonly number[]>>): ReasonClasses {
  const table: Record<number, ReasonClass> = {}
  for (const [verdict, list] of Object.entries(codes))
    for (const code of list) table[code] = verdict as ReasonClass
  return Object.freeze(table)
}

import {
  AUTH,
  CONNACK,
  DISCONNECT,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  SUBACK,
  UNSUBACK,
} from './packet-type.ts'

const RECEIVED = '00 10 80 83 87 90 91 97 99'
const RELEASED = '00 92'

/** Reason codes that each packet may carry, in hexadecimal. [MQTT 5.0 §2.4, table 2-6] */
const LEGAL: Readonly<Record<number, string>> = {
  // [MQTT-3.2.2-8]
  [CONNACK]: '00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f',
  // [MQTT-3.4.2-1] [MQTT-3.5.2-1]
  [PUBACK]: RECEIVED,
  [PUBREC]: RECEIVED,
  // [MQTT-3.6.2-1] [MQTT-3.7.2-1]
  [PUBREL]: RELEASED,
  [PUBCOMP]: RELEASED,
  // [MQTT-3.9.3-2]
  [SUBACK]: '00 01 02 80 83 87 8f 91 97 9e a1 a2',
  // [MQTT-3.11.3-2]
  [UNSUBACK]: '00 11 80 83 87 8f 91',
  // [MQTT-3.14.2-1]
  [DISCONNECT]: '00 80 81 82 83 90 93 94 95 96 97 98 99',
  // [MQTT-3.15.2-1]
  [AUTH]: '18',
}

/** What only one side may say. 0x8C stands in table 2-6 but not in 3.14.2.1: accepted. */
const LEGAL_FROM: Readonly<Record<string, string>> = {
  [`server${DISCONNECT}`]: '87 89 8b 8c 8d 8e 8f 9a 9b 9c 9d 9e 9f a0 a1 a2',
  [`client${DISCONNECT}`]: '04',
  [`server${AUTH}`]: '00',
  [`client${AUTH}`]: '19',
}

/** Whether a packet of this type may carry the reason code when it comes from that side. */
export function isReasonCode(type: number, code: number, from: 'server' | 'client'): boolean {
  const digits = code.toString(16).padStart(2, '0')
  return `${LEGAL[type] ?? ''} ${LEGAL_FROM[from + type] ?? ''}`.includes(digits)
}

/** MQTT 3.x CONNACK return codes 1..5 in their order, as MQTT 5 reason codes. [MQTT 3.1.1 §3.2.2.3] */
export const RETURN_CODES: readonly number[] = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87]

/** [MQTT 5.0 §2.4, table 2-6]; 0 is named as everywhere but in DISCONNECT and SUBACK. */
const SUCCESSES: Readonly<Record<number, string>> = {
  0: 'Success',
  1: 'Granted QoS 1',
  2: 'Granted QoS 2',
  4: 'Disconnect with Will Message',
  16: 'No matching subscribers',
  17: 'No subscription existed',
  24: 'Continue authentication',
  25: 'Re-authenticate',
}

/** From 0x80 on, one for each code. */
const FAILURES = `Unspecified error
Malformed Packet
Protocol Error
Implementation specific error
Unsupported Protocol Version
Client Identifier not valid
Bad User Name or Password
Not authorized
Server unavailable
Server busy
Banned
Server shutting down
Bad authentication method
Keep Alive timeout
Session taken over
Topic Filter invalid
Topic Name invalid
Packet Identifier in use
Packet Identifier not found
Receive Maximum exceeded
Topic Alias invalid
Packet too large
Message rate too high
Quota exceeded
Administrative action
Payload format invalid
Retain not supported
QoS not supported
Use another server
Server moved
Shared Subscriptions not supported
Connection rate exceeded
Maximum connect time
Subscription Identifiers not supported
Wildcard Subscriptions not supported`

/** For people: `Not authorized (0x87)`. */
export function reasonCodeText(code: number): string {
  const text = SUCCESSES[code] ?? FAILURES.split('\n')[code - 0x80] ?? 'Unknown reason'
  return `${text} (0x${code.toString(16).toUpperCase().padStart(2, '0')})`
}

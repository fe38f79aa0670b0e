import { PacketType } from './packet-type.ts'

type Sender = 'server' | 'client'

/** What a DISCONNECT of either side may say. */
const DISCONNECT = [0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]
const RECEIVED = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
const RELEASED = [0x00, 0x92]

/** Reason codes that each packet may carry. [MQTT 5.0 §2.4, table 2-6] */
const LEGAL: Readonly<Record<number, readonly number[]>> = {
  // [MQTT-3.2.2-8]
  [PacketType.connack]: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
  ],
  // [MQTT-3.4.2-1] [MQTT-3.5.2-1]
  [PacketType.puback]: RECEIVED,
  [PacketType.pubrec]: RECEIVED,
  // [MQTT-3.6.2-1] [MQTT-3.7.2-1]
  [PacketType.pubrel]: RELEASED,
  [PacketType.pubcomp]: RELEASED,
  // [MQTT-3.9.3-2]
  [PacketType.suback]: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  // [MQTT-3.11.3-2]
  [PacketType.unsuback]: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
}

/** [MQTT-3.14.2-1]; 0x8C stands in table 2-6 but not in 3.14.2.1: accepted. 0x04 is the client's alone. */
const DISCONNECT_OF_SERVER = [
  0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
]

/** [MQTT-3.15.2-1]: only a server reports success, only a client asks for re-authentication. */
const AUTH_OF = { server: [0x00, 0x18], client: [0x18, 0x19] }

/**
 * Whether a packet of this type may carry the reason code.
 *
 * @param from - who sends it; absent = either side
 */
export function isReasonCode(type: number, code: number, from?: Sender): boolean {
  if (type === PacketType.disconnect) {
    return (
      DISCONNECT.includes(code) ||
      (from !== 'server' && code === 0x04) ||
      (from !== 'client' && DISCONNECT_OF_SERVER.includes(code))
    )
  }
  if (type === PacketType.auth) {
    return (
      (from !== 'client' && AUTH_OF.server.includes(code)) ||
      (from !== 'server' && AUTH_OF.client.includes(code))
    )
  }
  return LEGAL[type]?.includes(code) === true
}

/** MQTT 3.x CONNACK return codes 1..5 in their order, as MQTT 5 reason codes. [MQTT 3.1.1 §3.2.2.3] */
export const RETURN_CODES: readonly number[] = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87]

/** [MQTT 5.0 §2.4, table 2-6]; 0 is named as everywhere but in DISCONNECT and SUBACK. */
const TEXTS: Readonly<Record<number, string>> = {
  0: 'Success',
  1: 'Granted QoS 1',
  2: 'Granted QoS 2',
  4: 'Disconnect with Will Message',
  16: 'No matching subscribers',
  17: 'No subscription existed',
  24: 'Continue authentication',
  25: 'Re-authenticate',
  128: 'Unspecified error',
  129: 'Malformed Packet',
  130: 'Protocol Error',
  131: 'Implementation specific error',
  132: 'Unsupported Protocol Version',
  133: 'Client Identifier not valid',
  134: 'Bad User Name or Password',
  135: 'Not authorized',
  136: 'Server unavailable',
  137: 'Server busy',
  138: 'Banned',
  139: 'Server shutting down',
  140: 'Bad authentication method',
  141: 'Keep Alive timeout',
  142: 'Session taken over',
  143: 'Topic Filter invalid',
  144: 'Topic Name invalid',
  145: 'Packet Identifier in use',
  146: 'Packet Identifier not found',
  147: 'Receive Maximum exceeded',
  148: 'Topic Alias invalid',
  149: 'Packet too large',
  150: 'Message rate too high',
  151: 'Quota exceeded',
  152: 'Administrative action',
  153: 'Payload format invalid',
  154: 'Retain not supported',
  155: 'QoS not supported',
  156: 'Use another server',
  157: 'Server moved',
  158: 'Shared Subscriptions not supported',
  159: 'Connection rate exceeded',
  160: 'Maximum connect time',
  161: 'Subscription Identifiers not supported',
  162: 'Wildcard Subscriptions not supported',
}

/** For people: `Not authorized (0x87)`. */
export function reasonCodeText(code: number): string {
  return `${TEXTS[code] ?? 'Unknown reason'} (0x${code.toString(16).toUpperCase().padStart(2, '0')})`
}

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

/** Control packet numbers: the high half of a packet's first byte. [MQTT 5.0 §2.1.2, 3.1.1 §2.2.1] */
export const CONNECT = 1
export const CONNACK = 2
export const PUBLISH = 3
export const PUBACK = 4
export const PUBREC = 5
export const PUBREL = 6
export const PUBCOMP = 7
export const SUBSCRIBE = 8
export const SUBACK = 9
export const UNSUBSCRIBE = 10
export const UNSUBACK = 11
export const PINGREQ = 12
export const PINGRESP = 13
export const DISCONNECT = 14
export const AUTH = 15

/** `type` of a packet by its number. */
export const PACKET_TYPES: readonly string[] = /* @__PURE__ */ (
  'packet connect connack publish puback pubrec pubrel pubcomp subscribe suback ' +
  'unsubscribe unsuback pingreq pingresp disconnect auth'
).split(' ')

/** Bit n = packet type n may come from this side. */
export const FROM_SERVER = 0b1110_1010_1111_1100
/** In 3.x a server says no goodbye. */
export const FROM_SERVER_IN_3 = 0b0010_1010_1111_1100
export const FROM_CLIENT = 0b1101_0101_1111_1010

/** PUBREL, SUBSCRIBE and UNSUBSCRIBE carry the flags 0010; the rest of the fixed ones 0000. [MQTT-2.1.3-1] */
const FLAGS_0010 = 0b0000_0101_0100_0000

export function requiredFlags(type: number): 0 | 2 {
  return (FLAGS_0010 >> type) & 1 ? 2 : 0
}

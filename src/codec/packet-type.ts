/** Control packet numbers: the high half of a packet's first byte. [MQTT 5.0 §2.1.2, 3.1.1 §2.2.1] */
export const PacketType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const
export type PacketType = (typeof PacketType)[keyof typeof PacketType]

const NAMES = (
  'Packet CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK ' +
  'UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH'
).split(' ')

/** MQTT's spelling, for messages: `PUBLISH`. */
export function packetName(type: number): string {
  return NAMES[type] ?? 'Packet'
}

/** Bit n = packet type n may come from this side. DISCONNECT and AUTH from a server exist in MQTT 5 only. */
const FROM_SERVER = 0b1110_1010_1111_1100
const FROM_CLIENT = 0b1101_0101_1111_1010

/** PUBREL, SUBSCRIBE and UNSUBSCRIBE carry the flags 0010; the rest of the fixed ones 0000. [MQTT-2.1.3-1] */
const FLAGS_0010 = (1 << PacketType.pubrel) | (1 << PacketType.subscribe) | (1 << PacketType.unsubscribe)

export function requiredFlags(type: number): 0 | 2 {
  return (FLAGS_0010 >> type) & 1 ? 2 : 0
}

export function mayCome(from: 'server' | 'client', type: number): boolean {
  return (((from === 'server' ? FROM_SERVER : FROM_CLIENT) >> type) & 1) === 1
}

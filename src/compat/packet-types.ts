/** Numbers of the control packets, for `ReasonCode` and `Properties`. Not to be instantiated. */
// biome-ignore lint/complexity/noStaticOnlyClass: programs know it as a class
export class PacketTypes {
  static readonly CONNECT: 1 = 1
  static readonly CONNACK: 2 = 2
  static readonly PUBLISH: 3 = 3
  static readonly PUBACK: 4 = 4
  static readonly PUBREC: 5 = 5
  static readonly PUBREL: 6 = 6
  static readonly PUBCOMP: 7 = 7
  static readonly SUBSCRIBE: 8 = 8
  static readonly SUBACK: 9 = 9
  static readonly UNSUBSCRIBE: 10 = 10
  static readonly UNSUBACK: 11 = 11
  static readonly PINGREQ: 12 = 12
  static readonly PINGRESP: 13 = 13
  static readonly DISCONNECT: 14 = 14
  static readonly AUTH: 15 = 15
  /** Not a packet: for the properties of a will. */
  static readonly WILLMESSAGE: 99 = 99
  static readonly indexes: readonly number[] = Object.freeze([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  ])
  static readonly Names: readonly string[] = Object.freeze([
    'reserved',
    'Connect',
    'Connack',
    'Publish',
    'Puback',
    'Pubrec',
    'Pubrel',
    'Pubcomp',
    'Subscribe',
    'Suback',
    'Unsubscribe',
    'Unsuback',
    'Pingreq',
    'Pingresp',
    'Disconnect',
    'Auth',
  ])
}

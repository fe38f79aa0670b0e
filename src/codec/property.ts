/** Packets (one bit each) that properties are told apart by; the will counts as one. [MQTT 5.0 §2.2.2.2, table 2-4] */
export const PropertyPlace = {
  connect: 1,
  will: 2,
  connack: 4,
  publish: 8,
  /** PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK. */
  ack: 16,
  subscribe: 32,
  unsubscribe: 64,
  disconnect: 128,
  auth: 256,
} as const

/** How a value is written, and what it may be. */
export const Kind = {
  /** A byte that is 0 or 1, given as that number. */
  bit: 0,
  /** The same, given as a boolean. */
  flag: 1,
  u16: 2,
  /** Not 0. */
  count16: 3,
  u32: 4,
  count32: 5,
  string: 6,
  topic: 7,
  binary: 8,
  subscriptionIdentifier: 9,
  userProperty: 10,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

export interface Property {
  readonly id: number
  readonly name: string
  /** The name as the specification writes it. */
  readonly field: string
  readonly kind: Kind
  /** Packets it may stand in. */
  readonly places: number
  /** In a set of those already seen. */
  readonly bit: number
  /** The statement that a bad string breaks, where the property has one of its own. */
  readonly utf8: string | undefined
}

/** [MQTT 5.0 §2.2.2.2, table 2-4]; the places are sums of `PropertyPlace`. */
const rows: readonly (readonly [id: number, name: string, kind: Kind, places: number, utf8?: string])[] = [
  [0x01, 'payloadFormatIndicator', Kind.bit, 10],
  [0x02, 'messageExpiryInterval', Kind.u32, 10],
  [0x03, 'contentType', Kind.string, 10, '3.3.2-19'],
  [0x08, 'responseTopic', Kind.topic, 10, '3.3.2-13'],
  [0x09, 'correlationData', Kind.binary, 10],
  [0x0b, 'subscriptionIdentifier', Kind.subscriptionIdentifier, 40],
  [0x11, 'sessionExpiryInterval', Kind.u32, 133],
  [0x12, 'assignedClientIdentifier', Kind.string, 4],
  [0x13, 'serverKeepAlive', Kind.u16, 4],
  [0x15, 'authenticationMethod', Kind.string, 261],
  [0x16, 'authenticationData', Kind.binary, 261],
  [0x17, 'requestProblemInformation', Kind.flag, 1],
  [0x18, 'willDelayInterval', Kind.u32, 2],
  [0x19, 'requestResponseInformation', Kind.flag, 1],
  [0x1a, 'responseInformation', Kind.string, 4],
  [0x1c, 'serverReference', Kind.string, 132],
  [0x1f, 'reasonString', Kind.string, 404],
  [0x21, 'receiveMaximum', Kind.count16, 5],
  [0x22, 'topicAliasMaximum', Kind.u16, 5],
  [0x23, 'topicAlias', Kind.count16, 8],
  [0x24, 'maximumQoS', Kind.bit, 4],
  [0x25, 'retainAvailable', Kind.flag, 4],
  [0x26, 'userProperties', Kind.userProperty, 511, '1.5.7-1'],
  [0x27, 'maximumPacketSize', Kind.count32, 5],
  [0x28, 'wildcardSubscriptionAvailable', Kind.flag, 4],
  [0x29, 'subscriptionIdentifiersAvailable', Kind.flag, 4],
  [0x2a, 'sharedSubscriptionAvailable', Kind.flag, 4],
]

/** Their numbers, where code speaks of one. */
export const TOPIC_ALIAS = 0x23
export const MESSAGE_EXPIRY_INTERVAL = 0x02
export const SUBSCRIPTION_IDENTIFIER = 0x0b
export const USER_PROPERTY = 0x26
/** Broken by a User Property that is not UTF-8. */
export const USER_PROPERTY_UTF8 = '1.5.7-1'

const properties: readonly Property[] = /* @__PURE__ */ rows.map(([id, name, kind, places, utf8], index) => ({
  id,
  name,
  field: fieldName(name),
  kind,
  places,
  bit: 1 << index,
  utf8,
}))

/** By identifier: a list, with gaps, as the fastest thing to look up a small number in. */
export const propertyById: readonly (Property | undefined)[] = /* @__PURE__ */ Array.from(
  { length: 0x2b },
  (_, id) => properties.find((property) => property.id === id),
)

export const propertyByName: ReadonlyMap<string, Property> = /* @__PURE__ */ new Map(
  properties.map((property) => [property.name, property]),
)

/** `receiveMaximum` as the specification writes it: `Receive Maximum`. */
function fieldName(name: string): string {
  return name
    .replace(/^[a-z]/, (letter) => letter.toUpperCase())
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace('Qo S', 'QoS')
}

import { propertyByName, WILL } from '../codec/property.ts'
import { PacketTypes } from './packet-types.ts'

/** The names of the types, by their numbers. */
export const TYPES: readonly string[] = [
  'Byte',
  'Two Byte Integer',
  'Four Byte Integer',
  'Variable Byte Integer',
  'Binary Data',
  'UTF-8 Encoded String',
  'UTF-8 String Pair',
]

/** The codec's kinds of values as numbers of types. */
const TYPE_OF_KIND: Readonly<Record<string, number>> = {
  f: 0,
  1: 0,
  2: 1,
  4: 2,
  v: 3,
  b: 4,
  s: 5,
  t: 5,
  p: 6,
}

/** Names of the codec that are not just the name of MQTT in lower camel case. */
const NAMES: Readonly<Record<string, string>> = {
  userProperties: 'User Property',
  subscriptionIdentifiers: 'Subscription Identifier',
  maximumQoS: 'Maximum QoS',
  subscriptionIdentifiersAvailable: 'Subscription Identifier Available',
}

export interface PropertyRow {
  /** As in MQTT, without spaces: the attribute. */
  readonly name: string
  /** As in MQTT. */
  readonly spaced: string
  readonly identifier: number
  /** An index into `TYPES`. */
  readonly type: number
  /** Packets that may carry it: `PacketTypes`. */
  readonly packets: readonly number[]
  /** As the codec calls it. */
  readonly coreName: string
  /** A boolean for the codec, 0 or 1 here. */
  readonly isFlag: boolean
}

/** The properties of MQTT in the order of its table, as the codec knows them. [MQTT 5.0 §2.2.2.2] */
export const PROPERTIES: readonly PropertyRow[] = rows()

function rows(): PropertyRow[] {
  const byIdentifier = new Map<number, PropertyRow>()
  for (const { id, kind, name: coreName, places } of propertyByName.values()) {
    const words = coreName.replaceAll(/[A-Z]/g, ' $&')
    const spaced = NAMES[coreName] ?? `${words.charAt(0).toUpperCase()}${words.slice(1)}`
    // The codec has a name for the one Subscription Identifier of SUBSCRIBE, and another for the many of PUBLISH.
    const known = byIdentifier.get(id)?.packets ?? []
    const packets = [...known, ...packetsOf(places)].sort((a, b) => a - b)
    byIdentifier.set(id, {
      name: spaced.replaceAll(' ', ''),
      spaced,
      identifier: id,
      type: TYPE_OF_KIND[kind] ?? 0,
      packets,
      coreName,
      isFlag: kind === 'f',
    })
  }
  return [...byIdentifier.values()]
}

/** Bit n of `places` = packet type n. */
function packetsOf(places: number): number[] {
  const types = PacketTypes.indexes.filter((type) => ((places >> type) & 1) !== 0)
  return ((places >> WILL) & 1) === 0 ? types : [...types, PacketTypes.WILLMESSAGE]
}

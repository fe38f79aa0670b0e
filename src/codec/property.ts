import { type FieldStream, topicField } from './field-stream.ts'
import { CONNECT } from './packet-type.ts'

export interface Property {
  readonly id: number
  /** `f`lag, `1` = a number that is 0 or 1, `2` and `4` bytes of one, `v`ariable Byte Integer, `s`tring, `t`opic, `b`inary, `p`air of strings. */
  readonly kind: string
  /** The least value of a number. */
  readonly least: number
  readonly name: string
  readonly path: string
  /** Packets it may stand in: bit n = type n, bit 0 = Will. */
  readonly places: number
  /** May be given more than once: its value is a list. */
  readonly many: boolean
  /** In a set of those already seen. */
  readonly bit: number
  /** The statement that a bad string breaks, where the property has one of its own. */
  readonly utf8: string | undefined
}

/** The Will as a place for properties; other places are packet types. */
export const WILL = 0

/** Their numbers, where code speaks of one. */
export const MESSAGE_EXPIRY_INTERVAL = 0x02
export const TOPIC_ALIAS = 0x23
export const USER_PROPERTY = 0x26
/** Broken by a User Property that is not UTF-8. */
export const USER_PROPERTY_UTF8 = '1.5.7-1'

/** Identifier, kind (`+` = not 0, `*` = may be repeated), name, places (hexadecimal), statement. [MQTT 5.0 §2.2.2.2, table 2-4] */
const TABLE = `01 1 payloadFormatIndicator 9
02 4 messageExpiryInterval 9
03 s contentType 9 3.3.2-19
08 t responseTopic 9 3.3.2-13
09 b correlationData 9
0b v+ subscriptionIdentifier 100
0b v+* subscriptionIdentifiers 8
11 4 sessionExpiryInterval 4006
12 s assignedClientIdentifier 4
13 2 serverKeepAlive 4
15 s authenticationMethod 8006
16 b authenticationData 8006
17 f requestProblemInformation 2
18 4 willDelayInterval 1
19 f requestResponseInformation 2
1a s responseInformation 4
1c s serverReference 4004
1f s reasonString caf4
21 2+ receiveMaximum 6
22 2 topicAliasMaximum 6
23 2+ topicAlias 8
24 1 maximumQoS 4
25 f retainAvailable 4
26 p* userProperties cfff 1.5.7-1
27 4+ maximumPacketSize 6
28 f wildcardSubscriptionAvailable 4
29 f subscriptionIdentifiersAvailable 4
2a f sharedSubscriptionAvailable 4`

const properties: readonly Property[] = /* @__PURE__ */ TABLE.split('\n').map((row, index) => {
  const [id = '', kind = '', name = '', places = '', utf8] = row.split(' ')
  return {
    id: Number.parseInt(id, 16),
    kind: kind.charAt(0),
    least: kind[1] === '+' ? 1 : 0,
    name,
    path: `properties.${name}`,
    places: Number.parseInt(places, 16),
    many: kind.endsWith('*'),
    bit: 1 << index,
    utf8,
  }
})

export const propertyByName: ReadonlyMap<string, Property> = /* @__PURE__ */ new Map(
  properties.map((property) => [property.name, property]),
)

/** By place and identifier: lists, with gaps, as the fastest thing to look up a small number in. */
export const propertiesOfPlace: readonly (readonly (Property | undefined)[])[] = /* @__PURE__ */ Array.from(
  { length: 16 },
  (_, place) => {
    const list: (Property | undefined)[] = []
    for (const property of properties) if ((property.places >> place) & 1) list[property.id] = property
    return list
  },
)

/** What a value breaks which does not fit into the properties. */
export const WITHIN = '2.2.2'

/** The value of a property, without its identifier; User Properties, of which there may be many, are left to their own loops. */
export function propertyField(stream: FieldStream, property: Property, given: unknown): unknown {
  const { id, kind, path, least, utf8 } = property
  switch (kind) {
    case 's':
      return stream.string(given as string, path, WITHIN, undefined, utf8)
    case 't':
      return topicField(stream, given as string, path, WITHIN, '3.3.2-14', utf8)
    case 'b':
      return stream.binary(given as Uint8Array, path, WITHIN)
  }
  const isFlag = kind === 'f'
  if (isFlag && !stream.reads && typeof given !== 'boolean') {
    throw stream.fault(0, path, WITHIN, 'a boolean', given)
  }
  const number =
    kind === 'v'
      ? stream.vbi(given as number, path, WITHIN)
      : stream.uint(
          isFlag ? 1 : (Number(kind) as 1 | 2 | 4),
          isFlag ? Number(given) : (given as number),
          path,
          WITHIN,
        )
  if (number < least || (number > 1 && (isFlag || kind === '1'))) {
    const [code, statement] = id === TOPIC_ALIAS ? [0x94, '3.3.2-8'] : [0x82, `3.${stream.type}.2`]
    throw stream.fault(code, path, statement, least > 0 ? 'at least 1' : '0 or 1', number)
  }
  return isFlag ? number === 1 : number
}

/** Authentication Data needs a method. [MQTT-4.12.0-6] [MQTT 5.0 §3.1.2.11.10] */
export function checkAuthentication(
  stream: FieldStream,
  properties: { readonly [name: string]: unknown },
): void {
  if (properties['authenticationData'] !== undefined && properties['authenticationMethod'] === undefined) {
    const statement = stream.type === CONNECT ? '3.1.2' : '4.12.0-6'
    throw stream.fault(0x82, 'properties.authenticationMethod', statement, 'one for the Authentication Data')
  }
}

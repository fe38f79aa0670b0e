import { Properties } from './properties.ts'

/** Names of the core's property objects where they are not just the name of MQTT in lower camel case. */
const CORE_NAMES: Readonly<Record<string, string>> = {
  UserProperty: 'userProperties',
  SubscriptionIdentifier: 'subscriptionIdentifiers',
  MaximumQoS: 'maximumQoS',
  SubscriptionIdentifierAvailable: 'subscriptionIdentifiersAvailable',
}

/** Properties that are numbers on the wire and here, and booleans in the core. */
const BOOLEANS = new Set([
  'RequestProblemInformation',
  'RequestResponseInformation',
  'RetainAvailable',
  'WildcardSubscriptionAvailable',
  'SubscriptionIdentifierAvailable',
  'SharedSubscriptionAvailable',
])

const NAMES: readonly (readonly [name: string, coreName: string])[] = Object.keys(
  new Properties(1).names,
).map((spaced) => {
  const name = spaced.replaceAll(' ', '')
  return [name, CORE_NAMES[name] ?? `${name[0]!.toLowerCase()}${name.slice(1)}`]
})

/** What is set, as the core's property object; `undefined` when nothing is. */
export function toCore<T extends object>(properties: Properties | null | undefined): T | undefined {
  if (properties === null || properties === undefined || properties.isEmpty()) return undefined
  const core: Record<string, unknown> = {}
  for (const [name, coreName] of NAMES) {
    const value = (properties as unknown as Record<string, unknown>)[name]
    if (value !== undefined) core[coreName] = BOOLEANS.has(name) ? value === 1 : value
  }
  return core as T
}

/** The other way, for a packet of the given type (`PacketTypes`). */
export function fromCore(packetType: number, core: object | undefined): Properties {
  const properties = new Properties(packetType)
  if (core === undefined) return properties
  for (const [name, coreName] of NAMES) {
    const value = (core as Record<string, unknown>)[coreName]
    if (value === undefined) continue
    ;(properties as unknown as Record<string, unknown>)[name] = plain(value)
  }
  return properties
}

/** Booleans as numbers, bytes and lists as the program's own. */
function plain(value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value)
  if (value instanceof Uint8Array) return value.slice()
  return Array.isArray(value) ? value.map((one: unknown) => (Array.isArray(one) ? [...one] : one)) : value
}

import { Properties } from './properties.ts'
import { PROPERTIES } from './property-table.ts'

/** What is set, as the core's property object; `undefined` when nothing is. */
export function toCore<T extends object>(properties: Properties | null | undefined): T | undefined {
  if (properties === null || properties === undefined || properties.isEmpty()) return undefined
  const core: Record<string, unknown> = {}
  for (const { name, coreName, isFlag } of PROPERTIES) {
    const value = (properties as unknown as Record<string, unknown>)[name]
    if (value !== undefined) core[coreName] = isFlag ? value === 1 : value
  }
  return core as T
}

/** The other way, for a packet of the given type (`PacketTypes`). */
export function fromCore(packetType: number, core: object | undefined): Properties {
  const properties = new Properties(packetType)
  if (core === undefined) return properties
  for (const { name, coreName } of PROPERTIES) {
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

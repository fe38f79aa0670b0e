import type { UserProperties } from '../codec/packet.ts'
import { type OptionsError, wrongOption } from '../errors.ts'

/** User Properties as they may be given: a record, or pairs where order or repetition matters. */
export type UserPropertiesInput = Readonly<Record<string, string | readonly string[]>> | UserProperties

/** As pairs in their order; a record's array value becomes one pair per element. Throws `OptionsError`. */
export function userPropertyPairs(input: UserPropertiesInput, path = 'userProperties'): UserProperties {
  if (Array.isArray(input)) {
    for (const pair of input as readonly unknown[]) {
      if (
        !Array.isArray(pair) ||
        pair.length !== 2 ||
        typeof pair[0] !== 'string' ||
        typeof pair[1] !== 'string'
      ) {
        throw wrong(path)
      }
    }
    return input as UserProperties
  }
  if (typeof input !== 'object' || input === null) throw wrong(path)
  const pairs: (readonly [string, string])[] = []
  for (const [name, value] of Object.entries(input)) {
    for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value as unknown]) {
      if (typeof one !== 'string') throw wrong(`${path}.${name}`)
      pairs.push([name, one])
    }
  }
  return pairs
}

function wrong(path: string): OptionsError {
  return wrongOption(path, 'a record of strings, or a list of pairs [name, value]')
}

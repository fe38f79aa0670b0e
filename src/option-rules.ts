import { wrongOption } from './errors.ts'

/*
 * Options are checked against tables: a rule says what it expects, in the words of the error, and knows a value that fits.
 * Written by hand, since a schema library is a quarter of what a page would load.
 */

/** `inside` holds the rules of an object's keys, or the one rule of every item of a list or record. */
export type Rule = readonly [expected: string, fits: (value: unknown) => boolean, inside?: Rule | Rules]

/** Options by name. */
export interface Rules {
  readonly [option: string]: Rule
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

export const isText = (value: unknown): value is string => typeof value === 'string'
export const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array
export const isFunction = (value: unknown): boolean => typeof value === 'function'

export const text: Rule = ['a string', isText]
export const flag: Rule = ['true or false', (value) => typeof value === 'boolean']
export const callback: Rule = ['a function', isFunction]
export const url: Rule = ['a URL', (value) => isText(value) || value instanceof URL]

const isCount = (value: unknown): boolean => typeof value === 'number' && value >= 0
export const durationMs: Rule = ['milliseconds, 0 or more', isCount]
export const count: Rule = ['a number, 0 or more', isCount]

/** Infinity is one: no limit. */
export const positiveInteger: Rule = [
  'a positive integer',
  (value) => Number(value) >= 1 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
]

export function integer(from: number, to: number): Rule {
  return [
    `an integer from ${from} to ${to}`,
    (value) => Number.isInteger(value) && Number(value) >= from && Number(value) <= to,
  ]
}

export function oneOf(...values: readonly unknown[]): Rule {
  return [values.map((value) => JSON.stringify(value)).join(' or '), (value) => values.includes(value)]
}

export function objectOf(inside: Rule | Rules, expected = 'an object'): Rule {
  return [expected, isObject, inside]
}

/**
 * @param path - where the value was given, '' for the options themselves
 * @throws OptionsError for the first thing that is wrong: path, what was expected, what was given (secrets redacted)
 */
export function checkOption([expected, fits, inside]: Rule, value: unknown, path: string): void {
  if (!fits(value)) throw wrongOption(path, expected, describe(value, path))
  if (inside === undefined || !isObject(value)) return
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key]
    const at = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
    const rule = isRule(inside) ? inside : Object.hasOwn(inside, key) ? inside[key] : undefined
    if (rule === undefined)
      throw wrongOption(at, knownOptions(key, Object.keys(inside)), undefined, 'unknown option; ')
    if (item !== undefined) checkOption(rule, item, at)
  }
}

/**
 * Checks those options that the rules know, whatever else is there.
 *
 * @throws OptionsError as `checkOption` does
 */
export function checkSome(rules: Rules, options: object): void {
  for (const [name, rule] of Object.entries(rules)) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) checkOption(rule, value, name)
  }
}

function isRule(inside: Rule | Rules): inside is Rule {
  return Array.isArray(inside)
}

/** The name that was meant, where that can be told; else all of them. */
function knownOptions(given: string, known: readonly string[]): string {
  const plain = (key: string) => key.toLowerCase().replace(/[-_]|ms$|session$|name$|start$/g, '')
  return known.find((key) => plain(key) === plain(given)) ?? `one of ${known.join(', ')}`
}

const SECRET =
  /^(tls|socket|websocket|proxy)|pass|secret|token|key|cert|auth|userProperties|correlationData|payload/i

/** What was given, without what could be a secret. */
function describe(value: unknown, path: string): string {
  if (value == null) return String(value)
  const kind = Array.isArray(value) ? 'an array' : `a ${typeof value}`
  if (SECRET.test(path)) return `${kind} (redacted)`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (!isText(value)) return kind
  const safe = value.replace(/\/\/.*@/s, '//***@')
  return JSON.stringify(safe.length > 60 ? `${safe.slice(0, 57)}...` : safe)
}

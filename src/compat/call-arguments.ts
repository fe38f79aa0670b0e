/**
 * Python's keyword arguments: in place of any optional ones, one trailing plain object with the names of the
 * parameters. Each function with optional parameters has a list of their names, which both the types and `bindArguments` read.
 */

type Names = readonly string[]

/** The keywords that may stand for the (optional) parameters `P` named `N`. */
type Keywords<N extends Names, P extends unknown[]> = {
  readonly [I in Extract<keyof N, `${number}`> as N[I] extends string ? N[I] : never]?:
    | (I extends keyof P ? P[I] : never)
    | undefined
}

type Rest<N extends Names> = N extends readonly [unknown, ...infer T extends Names] ? T : []

/**
 * The argument lists of a function with parameters `P` named `N` that end in an object of keywords:
 * required parameters by position, then any number of optional ones by position, then the object.
 */
export type WithKeywords<
  N extends Names,
  P extends unknown[],
  Given extends unknown[] = [],
> = N extends readonly []
  ? never
  : P extends [infer Head, ...infer Tail]
    ? WithKeywords<Rest<N>, Tail, [...Given, Head]>
    : P extends [(infer Head)?, ...infer Tail]
      ? [...Given, Keywords<N, P>] | WithKeywords<Rest<N>, Tail, [...Given, Head | undefined]>
      : never

/**
 * The arguments by position, whatever form they came in; what was not given is `undefined`. The last one is taken for
 * keywords only when it is a plain object with at least one key, all `required` parameters stand before it, and each
 * of its keys names a parameter that was not given by position: any other object is a value.
 */
export function bindArguments<P extends unknown[]>(
  names: Names,
  required: number,
  given: readonly unknown[],
): P {
  const last = given.at(-1)
  const before = given.length - 1
  if (before < required || !isPlainObject(last)) return given as unknown as P
  const keys = Object.keys(last)
  if (keys.length === 0 || !keys.every((key) => names.indexOf(key) >= before)) return given as unknown as P
  const bound: unknown[] = given.slice(0, before)
  for (const key of keys) bound[names.indexOf(key)] = last[key]
  return bound as P
}

/** An object literal, or one without prototype: Python's dict. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

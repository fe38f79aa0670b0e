/** Code units of a short ASCII string, one list per length: making the string from it is faster than TextDecoder. */
const UNITS: number[][] = []
const LONGEST_SHORT = 64
const HASH = 0x23
const PLUS = 0x2b
const AFTER_PLUS = 0x2c
const { fromCharCode } = String

/** A string that needs no check: short, ASCII, without U+0000, `#` and `+`. Undefined when it is not that. */
export function plainText(bytes: Uint8Array, start: number, length: number): string | undefined {
  if (length > LONGEST_SHORT) return undefined
  const units = UNITS[length] ?? makeUnits(length)
  for (let index = 0; index < length; index++) {
    const byte = bytes[start + index] as number
    // One comparison for most characters of most topics.
    if (byte < AFTER_PLUS || byte > 127) {
      if (byte === 0 || byte > 127 || byte === HASH || byte === PLUS) return undefined
    }
    units[index] = byte
  }
  return fromCharCode.apply(undefined, units)
}

function makeUnits(length: number): number[] {
  const units = new Array<number>(length).fill(0)
  UNITS[length] = units
  return units
}

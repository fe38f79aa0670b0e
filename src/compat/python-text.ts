/** A value the way Python shows it, for log lines and `toString()`: `True`, `None`, `b'a'`, `[('k', 'v')]`. */
export function pythonText(value: unknown): string {
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (value === null || value === undefined) return 'None'
  return typeof value === 'object' ? inner(value) : String(value)
}

/** Inside a list strings are quoted, and lists are tuples: the only nesting there is are user properties. */
function inner(value: unknown, nested = false): string {
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  if (value instanceof Uint8Array) return `b'${Array.from(value, byteText).join('')}'`
  if (Array.isArray(value)) {
    const items = value.map((item) => inner(item, true)).join(', ')
    return nested ? `(${items})` : `[${items}]`
  }
  return pythonText(typeof value === 'object' && value !== null ? String(value) : value)
}

function byteText(byte: number): string {
  if (byte === 0x27 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
}

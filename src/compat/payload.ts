/** What can be published: `null` is an empty payload, numbers are sent as text, booleans as `True` and `False`. */
export type PayloadType = string | Uint8Array | number | bigint | boolean | null

const utf8 = new TextEncoder()

/** The bytes to send, a copy. Throws `TypeError` for any other type. */
export function encodePayload(payload: unknown): Uint8Array {
  if (payload === null || payload === undefined) return new Uint8Array(0)
  if (payload instanceof Uint8Array) return Uint8Array.from(payload)
  switch (typeof payload) {
    case 'string':
    case 'number':
    case 'bigint':
      return utf8.encode(String(payload))
    case 'boolean':
      return utf8.encode(payload ? 'True' : 'False')
    default:
      throw new TypeError('payload must be a string, Uint8Array, number, bigint, boolean or null')
  }
}

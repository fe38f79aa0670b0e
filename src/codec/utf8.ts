/**
 * MQTT's UTF-8: no surrogates, no overlong forms, no U+0000; a byte order mark is an ordinary character.
 * [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]
 */

/** `fatal` refuses exactly what MQTT-1.5.4-1 forbids. `ignoreBOM` means, against its name, that a BOM is kept. */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A string of bytes already known to be right UTF-8. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? '' : strict.decode(viewOf(bytes, start, end))
}

/** Whether the bytes are UTF-8. U+0000 is the caller's to find: as UTF-8 it is a zero byte. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  try {
    strict.decode(viewOf(bytes, start, end))
    return true
  } catch {
    return false
  }
}

/** A plain `Uint8Array` on the same memory: cheaper than `subarray`, and never a `Buffer`. */
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
}

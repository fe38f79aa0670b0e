/**
 * MQTT's UTF-8: no surrogates, no overlong forms, no U+0000; a byte order mark is an ordinary character.
 * [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]
 */

/** `fatal` refuses exactly what MQTT-1.5.4-1 forbids. `ignoreBOM` means, against its name, that a BOM is kept. */
const strict: TextDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws TypeError when it is not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  return strict.decode(bytes)
}

/** Whether the bytes are UTF-8. U+0000 is the caller's to find: as UTF-8 it is a zero byte. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes)
    return true
  } catch {
    return false
  }
}

const encoder = new TextEncoder()

/** Takes the place of text-bytes.ts in browsers. */
export function textBytes(text: string): Uint8Array {
  return encoder.encode(text)
}

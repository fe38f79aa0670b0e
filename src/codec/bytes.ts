export const NO_BYTES: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/** The pieces as one piece of memory: itself when there is but one. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0] ?? NO_BYTES
  let length = 0
  for (const piece of pieces) length += piece.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

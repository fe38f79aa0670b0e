export const NO_BYTES: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/** Gives memory of so many bytes. */
export type Allocate = (length: number) => Uint8Array

const allocateZeroed: Allocate = (length) => new Uint8Array(length)

/** The pieces as one piece of memory: itself when there is but one. */
export function concat(pieces: readonly Uint8Array[], allocate: Allocate = allocateZeroed): Uint8Array {
  if (pieces.length === 1) return pieces[0] ?? NO_BYTES
  let length = 0
  for (const piece of pieces) length += piece.length
  const whole = allocate(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Memory that is not zeroed: for what is written over at once. */
export function allocate(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

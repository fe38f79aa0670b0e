/** Bytes in use, of JavaScript and of what it holds outside, after several collections: finalizers of one free what the next finds. */
export async function heap(): Promise<number> {
  for (let pass = 0; pass < 5; pass++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

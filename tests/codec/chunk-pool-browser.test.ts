import { beforeEach, expect, test, vi } from 'vitest'

type Pool = typeof import('../../src/codec/chunk-pool-browser.ts')
let pool: Pool

beforeEach(async () => {
  vi.resetModules()
  pool = await import('../../src/codec/chunk-pool-browser.ts')
})

/** What a writer does that writes so many bytes of one value. */
function write(length: number, value: number): Uint8Array {
  const chunk = pool.takeChunk(length)
  const start = chunk.used
  chunk.used = start + length
  chunk.bytes.fill(value, start, chunk.used)
  const part = pool.lendPart(chunk, start, chunk.used)
  pool.returnChunk(chunk)
  return part
}

test('what was handed out is not written again, given back or not', () => {
  const parts = Array.from({ length: 200 }, (_, n) => {
    const part = write(1000 + n, n)
    if (n % 2 === 0) pool.giveBack([part])
    else pool.giveAway([part])
    return part
  })
  for (const [n, part] of parts.entries()) {
    expect(part.length).toBe(1000 + n)
    expect(part.every((byte) => byte === n)).toBe(true)
  }
})

test('the rest of a chunk is used by the next writer, and by one at a time', () => {
  const first = write(10, 1)
  expect(write(10, 2).buffer).toBe(first.buffer)
  const one = pool.takeChunk(10)
  const other = pool.takeChunk(10)
  expect(other.bytes.buffer).not.toBe(one.bytes.buffer)
})

test('who needs more than the rest gets a chunk of its own, however much it is', () => {
  write(60_000, 1)
  const chunk = pool.takeChunk(10_000)
  expect(chunk.bytes.length - chunk.used).toBeGreaterThanOrEqual(10_000)
  expect(pool.takeChunk(1_000_000).bytes.length).toBeGreaterThanOrEqual(1_000_000)
})

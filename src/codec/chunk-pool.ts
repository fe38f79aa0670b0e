/** Bytes. Larger chunks measured slower, smaller ones make more writes. */
const CHUNK = 65_536
/** Free or begun chunks that are kept, of all writers together: what a fast network has under way. */
const KEPT_CHUNKS = 32
/** A rest below this many bytes is not worth keeping. */
const SMALLEST_REST = 2048

/**
 * Output memory. Fresh memory costs more than everything that is written into it, so a chunk is used again once all that
 * was lent from it has been given back. What is never given back is left to the garbage collector.
 */
export class Chunk {
  readonly bytes: Uint8Array
  /** Where unwritten memory begins. */
  used: number = 0
  /** Parts that were handed out and have not come back. */
  lent: number = 0
  /** In the hands of a writer, or waiting in the pool. */
  isTaken: boolean = true

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
  }
}

/** Chunks with room, shared by all writers, so that an idle writer holds no memory. */
const pool: Chunk[] = []
/** Of which chunk each part is. */
const origins: WeakMap<Uint8Array, Chunk> = /* @__PURE__ */ new WeakMap()

/** A chunk with at least `needed` free bytes. */
export function takeChunk(needed: number): Chunk {
  for (let index = pool.length - 1; index >= 0; index--) {
    const chunk = pool[index] as Chunk
    if (chunk.bytes.length - chunk.used < needed) continue
    pool.splice(index, 1)
    chunk.isTaken = true
    return chunk
  }
  // Doubling keeps a packet that grows through several chunks linear.
  return new Chunk(Math.max(CHUNK, needed * 2))
}

/** A writer has no more use for it. */
export function returnChunk(chunk: Chunk): void {
  chunk.isTaken = false
  if (chunk.lent === 0) chunk.used = 0
  keep(chunk)
}

/** A part that `giveBack` knows. */
export function lendPart(chunk: Chunk, start: number, end: number): Uint8Array {
  const part = chunk.bytes.subarray(start, end)
  chunk.lent++
  origins.set(part, chunk)
  return part
}

/** These parts will never be given back. */
export function giveAway(parts: readonly Uint8Array[]): void {
  for (const part of parts) origins.delete(part)
}

/**
 * Says that nobody will read these parts any more. Anything that was not lent, or has been given back before, is left alone.
 */
export function giveBack(parts: readonly Uint8Array[]): void {
  for (const part of parts) {
    const chunk = origins.get(part)
    if (chunk === undefined) continue
    origins.delete(part)
    chunk.lent--
    if (chunk.lent > 0 || chunk.isTaken) continue
    // One with a rest is in the pool already.
    const isKept = hasRest(chunk) && pool.includes(chunk)
    chunk.used = 0
    if (!isKept) keep(chunk)
  }
}

function keep(chunk: Chunk): void {
  if (pool.length < KEPT_CHUNKS && chunk.bytes.length === CHUNK && hasRest(chunk)) pool.push(chunk)
}

function hasRest(chunk: Chunk): boolean {
  return chunk.bytes.length - chunk.used >= SMALLEST_REST
}

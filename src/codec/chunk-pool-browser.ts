/** Takes the place of chunk-pool.ts in browsers, whose WebSocket does not say when it is done with bytes: they are never used again. */

const CHUNK = 65_536

export class Chunk {
  readonly bytes: Uint8Array
  /** Where unwritten memory begins. */
  used: number = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
  }
}

/** What the last writer has left over. */
let rest: Chunk | undefined

export function takeChunk(needed: number): Chunk {
  const chunk = rest
  rest = undefined
  const isEnough = chunk !== undefined && chunk.bytes.length - chunk.used >= needed
  return isEnough ? chunk : new Chunk(Math.max(CHUNK, needed * 2))
}

export function returnChunk(chunk: Chunk): void {
  rest = chunk
}

export function lendPart(chunk: Chunk, start: number, end: number): Uint8Array {
  return chunk.bytes.subarray(start, end)
}

export function giveAway(_parts: readonly Uint8Array[]): void {}

export function giveBack(_parts: readonly Uint8Array[]): void {}

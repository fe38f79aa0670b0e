const SMALL = 1024
const LARGEST_BLOCK = 65_536
const LONGEST_HEADER = 5

/**
 * Gathers a packet that spans chunks. Large pieces are referenced, small ones gathered in blocks that grow with what has
 * been received, so that neither a byte at a time nor an announced length costs more than the bytes that are there.
 */
export class FrameBuffer {
  /** Bytes gathered. */
  length: number = 0
  /** Bytes of the whole packet; 0 = not known yet. */
  size: number = 0
  #pieces: Uint8Array[] = []
  /** The last piece while it is a block of our own with room left. */
  #block: Uint8Array | undefined
  #blockUsed = 0
  readonly #header = new Uint8Array(LONGEST_HEADER)

  get isComplete(): boolean {
    return this.size > 0 && this.length === this.size
  }

  /** The first bytes, at most five. */
  get header(): Uint8Array {
    return this.#header.subarray(0, Math.min(this.length, LONGEST_HEADER))
  }

  append(bytes: Uint8Array, start: number, end: number, size: number): void {
    this.size = size
    for (let at = start; this.length + at - start < LONGEST_HEADER && at < end; at++) {
      this.#header[this.length + at - start] = bytes[at] ?? 0
    }
    this.length += end - start
    if (end - start >= SMALL) {
      this.#closeBlock()
      this.#pieces.push(bytes.subarray(start, end))
      return
    }
    let at = start
    while (at < end) {
      if (this.#block === undefined || this.#blockUsed === this.#block.length) {
        this.#closeBlock()
        this.#block = new Uint8Array(Math.min(Math.max(this.length, 16), LARGEST_BLOCK))
      }
      const count = Math.min(end - at, this.#block.length - this.#blockUsed)
      this.#block.set(bytes.subarray(at, at + count), this.#blockUsed)
      this.#blockUsed += count
      at += count
    }
  }

  /** The whole packet as one piece of memory; the buffer is empty afterwards. */
  take(): Uint8Array {
    this.#closeBlock()
    let whole = this.#pieces[0] ?? new Uint8Array(0)
    if (this.#pieces.length > 1) {
      whole = new Uint8Array(this.length)
      let at = 0
      for (const piece of this.#pieces) {
        whole.set(piece, at)
        at += piece.length
      }
    }
    this.#pieces = []
    this.length = this.size = 0
    return whole
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#pieces.push(this.#block.subarray(0, this.#blockUsed))
    this.#block = undefined
    this.#blockUsed = 0
  }
}

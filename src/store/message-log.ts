/*
 * Which block of the log holds which unfinished publication: what must be known to give space back.
 *
 * The log is cut off at its front only. A record says something about publications whose record is in its own block or
 * in an earlier one, so whatever speaks of a message is gone only after the message itself is. Blocks at the front with
 * nothing unfinished in them can go; an unfinished message that holds up the front for too long is recorded anew at the end.
 */

/** Stands for a message that is kept in the store alone. */
export const SPILLED: unique symbol = Symbol('spilled')

/** @typeParam M - what is kept for a publication that is in memory */
export class LogBlock<M> {
  /** 0 until the block is given to the store. */
  position: number = 0
  /** Bytes of the whole block, once it is finished. */
  size: number = 0
  /** Sequence number of the first slot. */
  first: number = 0
  /** By sequence number, from `first` on: publications whose first record is here. Undefined = finished, or none of ours. */
  readonly slots: (M | typeof SPILLED | undefined)[] = []
  /** Publications that were recorded anew here. */
  readonly moved: Map<number, M | typeof SPILLED> = new Map()
  /** Unfinished publications of the block, and their share of its bytes. */
  live: number = 0
  liveBytes: number = 0
  /** It is in the store. */
  isWritten: boolean = false
}

/** A block with a wider range would waste memory on slots: other messages (QoS 0) use sequence numbers too. */
const WIDEST_RANGE = 1 << 17

export class MessageLog<M> {
  /** In the order of the log. */
  readonly blocks: LogBlock<M>[] = []
  /** Those with slots, in the order of their sequence numbers. */
  readonly #ranges: LogBlock<M>[] = []
  readonly #movedTo: Map<number, LogBlock<M>> = new Map()
  /** Where the last search ended: publications finish about in the order in which they began. */
  #recent: LogBlock<M> | undefined
  totalBytes: number = 0
  liveBytes: number = 0

  /** May a publication of this sequence number have its first record in `block`? */
  fits(block: LogBlock<M>, sequence: number): boolean {
    return block.slots.length === 0 || (sequence >= block.first && sequence - block.first < WIDEST_RANGE)
  }

  /** A publication's first record is in `block`. Sequence numbers ascend. */
  add(block: LogBlock<M>, sequence: number, message: M | typeof SPILLED, bytes: number): void {
    if (block.slots.length === 0) {
      block.first = sequence
      this.#ranges.push(block)
    }
    block.slots[sequence - block.first] = message
    this.#live(block, bytes)
  }

  /** A publication was recorded anew, in `block`. */
  move(block: LogBlock<M>, sequence: number, message: M | typeof SPILLED, bytes: number): void {
    this.remove(sequence)
    block.moved.set(sequence, message)
    this.#movedTo.set(sequence, block)
    this.#live(block, bytes)
  }

  /** The message is in memory from now on (it was spilled), or no longer. */
  replace(sequence: number, message: M | typeof SPILLED): void {
    const block = this.find(sequence)
    if (block === undefined) return
    if (block.moved.has(sequence)) block.moved.set(sequence, message)
    else block.slots[sequence - block.first] = message
  }

  /** The publication is over. False when it is unknown. */
  remove(sequence: number): boolean {
    const block = this.find(sequence)
    if (block === undefined) return false
    if (this.#movedTo.delete(sequence)) block.moved.delete(sequence)
    else block.slots[sequence - block.first] = undefined
    const bytes = block.live === 1 ? block.liveBytes : block.liveBytes / block.live
    block.live--
    block.liveBytes -= bytes
    this.liveBytes -= bytes
    return true
  }

  /** The block that holds the record of an unfinished publication. */
  find(sequence: number): LogBlock<M> | undefined {
    const moved = this.#movedTo.size === 0 ? undefined : this.#movedTo.get(sequence)
    if (moved !== undefined) return moved
    let block = this.#recent
    if (block?.slots[sequence - block.first] === undefined) {
      block = this.#search(sequence)
      this.#recent = block
    }
    return block?.slots[sequence - block.first] === undefined ? undefined : block
  }

  /** The block is complete, and has its size. */
  push(block: LogBlock<M>): void {
    this.blocks.push(block)
    this.totalBytes += block.size
  }

  /** Forgets the first `count` blocks, in which nothing is live. Answers their positions. */
  cut(count: number): number[] {
    const gone = this.blocks.splice(0, count)
    for (const block of gone) this.totalBytes -= block.size
    let ranges = 0
    while (ranges < this.#ranges.length && gone.includes(this.#ranges[ranges] as LogBlock<M>)) ranges++
    this.#ranges.splice(0, ranges)
    if (this.#recent !== undefined && gone.includes(this.#recent)) this.#recent = undefined
    return gone.map((block) => block.position)
  }

  #live(block: LogBlock<M>, bytes: number): void {
    block.live++
    block.liveBytes += bytes
    this.liveBytes += bytes
  }

  /** The last block that begins at or before `sequence`. */
  #search(sequence: number): LogBlock<M> | undefined {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle] as LogBlock<M>).first <= sequence) low = middle + 1
      else high = middle
    }
    return this.#ranges[low - 1]
  }
}

/*
 * Which part of the log holds which unfinished publication: what must be known to give space back.
 *
 * The log is cut off at its front only. A record says something about publications whose record is in its own block or
 * in an earlier one, so whatever speaks of a message is gone only after the message itself is. What is at the front with
 * nothing unfinished in it can go; an unfinished message that holds up the front for too long is recorded anew at the end.
 *
 * The parts are segments: one large block, or many small ones, so that a million messages that were written one by one
 * do not take a million objects to keep track of.
 */

import { journalSizes } from './journal-sizes.ts'

/** Stands for a message that is kept in the store alone. */
export const SPILLED: unique symbol = Symbol('spilled')

/** @typeParam M - what is kept for a publication that is in memory */
export class LogSegment<M> {
  /** Of its first block; 0 until there is one. */
  position: number = 0
  /** Of its last block. */
  last: number = 0
  /** The last of its blocks that is in the store. */
  written: number = 0
  /** Bytes of all its blocks. */
  size: number = 0
  /** Sequence number of the first slot. */
  first: number = 0
  /** By sequence number, from `first` on: publications whose first record is here. Undefined = finished, or none of ours. */
  readonly slots: (M | typeof SPILLED | undefined)[] = []
  /** Publications that were recorded anew here. */
  readonly moved: Map<number, M | typeof SPILLED> = new Map()
  /** Unfinished publications of the segment, and their share of its bytes. */
  live: number = 0
  liveBytes: number = 0

  get isWritten(): boolean {
    return this.written === this.last
  }

  /** The next block begins another segment. */
  get isFull(): boolean {
    return this.size >= journalSizes.segment
  }
}

/** A segment with a wider range would waste memory on slots: other messages (QoS 0) use sequence numbers too. */
const WIDEST_RANGE = 1 << 17

export class MessageLog<M> {
  /** In the order of the log. */
  readonly segments: LogSegment<M>[] = []
  /** Those with slots, in the order of their sequence numbers. */
  readonly #ranges: LogSegment<M>[] = []
  readonly #movedTo: Map<number, LogSegment<M>> = new Map()
  /** Where the last search ended: publications finish about in the order in which they began. */
  #recent: LogSegment<M> | undefined
  totalBytes: number = 0
  liveBytes: number = 0

  /** May a publication of this sequence number have its first record in `segment`? */
  fits(segment: LogSegment<M>, sequence: number): boolean {
    return (
      segment.slots.length === 0 || (sequence >= segment.first && sequence - segment.first < WIDEST_RANGE)
    )
  }

  /** A publication's first record is in `segment`. Sequence numbers ascend. */
  add(segment: LogSegment<M>, sequence: number, message: M | typeof SPILLED, bytes: number): void {
    if (segment.slots.length === 0) {
      segment.first = sequence
      this.#ranges.push(segment)
    }
    segment.slots[sequence - segment.first] = message
    this.#live(segment, bytes)
  }

  /** A publication was recorded anew, in `segment`. */
  move(segment: LogSegment<M>, sequence: number, message: M | typeof SPILLED, bytes: number): void {
    this.remove(sequence)
    segment.moved.set(sequence, message)
    this.#movedTo.set(sequence, segment)
    this.#live(segment, bytes)
  }

  /** The message is in memory from now on (it was spilled), or no longer. */
  replace(sequence: number, message: M | typeof SPILLED): void {
    const segment = this.find(sequence)
    if (segment === undefined) return
    if (segment.moved.has(sequence)) segment.moved.set(sequence, message)
    else segment.slots[sequence - segment.first] = message
  }

  /** The publication is over. False when it is unknown. */
  remove(sequence: number): boolean {
    const segment = this.find(sequence)
    if (segment === undefined) return false
    if (this.#movedTo.delete(sequence)) segment.moved.delete(sequence)
    else segment.slots[sequence - segment.first] = undefined
    const bytes = segment.live === 1 ? segment.liveBytes : segment.liveBytes / segment.live
    segment.live--
    segment.liveBytes -= bytes
    this.liveBytes -= bytes
    return true
  }

  /** The segment that holds the record of an unfinished publication. */
  find(sequence: number): LogSegment<M> | undefined {
    const moved = this.#movedTo.size === 0 ? undefined : this.#movedTo.get(sequence)
    if (moved !== undefined) return moved
    let segment = this.#recent
    if (segment?.slots[sequence - segment.first] === undefined) {
      segment = this.#search(sequence)
      this.#recent = segment
    }
    return segment?.slots[sequence - segment.first] === undefined ? undefined : segment
  }

  /** What is kept for an unfinished publication whose record is in `segment`; undefined when there is none. */
  slotIn(segment: LogSegment<M>, sequence: number): M | typeof SPILLED | undefined {
    if (this.find(sequence) !== segment) return undefined
    return segment.moved.get(sequence) ?? segment.slots[sequence - segment.first]
  }

  /** A block of this position and size is the next one of the segment, which is the last. */
  extend(segment: LogSegment<M>, position: number, size: number): void {
    if (segment.position === 0) {
      segment.position = position
      this.segments.push(segment)
    }
    segment.last = position
    segment.size += size
    this.totalBytes += size
  }

  /** Forgets the first `count` segments, in which nothing is live. Answers the positions of their blocks. */
  cut(count: number): number[] {
    const gone = this.segments.splice(0, count)
    for (const segment of gone) this.totalBytes -= segment.size
    let ranges = 0
    while (ranges < this.#ranges.length && gone.includes(this.#ranges[ranges] as LogSegment<M>)) ranges++
    this.#ranges.splice(0, ranges)
    if (this.#recent !== undefined && gone.includes(this.#recent)) this.#recent = undefined
    return gone.flatMap(({ position, last }) =>
      Array.from({ length: last - position + 1 }, (_, n) => position + n),
    )
  }

  #live(segment: LogSegment<M>, bytes: number): void {
    segment.live++
    segment.liveBytes += bytes
    this.liveBytes += bytes
  }

  /** The last segment that begins at or before `sequence`. */
  #search(sequence: number): LogSegment<M> | undefined {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle] as LogSegment<M>).first <= sequence) low = middle + 1
      else high = middle
    }
    return this.#ranges[low - 1]
  }
}

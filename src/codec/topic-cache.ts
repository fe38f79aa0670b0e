/** Longer topics are rare, and would make the memory large. */
const LONGEST = 64
/** Bytes are taken eight at a time; the last eight once more where the length is no multiple. */
const SHORTEST = 8
const WORDS = LONGEST / 8
const PLACES = 4096
/** Slots that a hash has, next to each other. */
const WAYS = 4

/**
 * Topics that have come before, found by their bytes. Most come again and again, and to compare takes a fraction of the time
 * that checking UTF-8 and making a string takes.
 *
 * The topic that followed the last one when that came before is tried first: senders that take turns, or one that sends again and again,
 * keep their order, and to compare is less work than to compute the hash.
 *
 * Topics are kept in the order in which they first came, which is the order in which most will be read again: memory that is read in
 * its order is there in time. A later topic takes the place of the oldest. A hash of the bytes leads to four places. So memory (at most
 * 350 KiB for all clients of a process) and time are bounded whatever a server sends, and topics that collide on purpose are
 * merely not found.
 */
export class TopicCache {
  /**
   * The bytes of each topic, eight at a time as `#isAt` reads them: the last eight overlap those before. As numbers, which are
   * compared in half the steps that integers take. Different bytes are never equal: that would be zeros, and no topic has U+0000.
   */
  readonly #words: Float64Array = new Float64Array(PLACES * WORDS)
  readonly #hashes: Int32Array = new Int32Array(PLACES)
  /** In bytes; 0 = the place is free. */
  readonly #lengths: Uint8Array = new Uint8Array(PLACES)
  /** Places by hash. Where another topic has taken a place, the slot is out of date: hash and bytes tell. */
  readonly #slots: Uint16Array = new Uint16Array(PLACES)
  /** Which of its slots the next topic takes, at the first of them. */
  readonly #turns: Uint8Array = new Uint8Array(PLACES)
  readonly #topics: string[] = new Array<string>(PLACES).fill('')
  /** The place of the topic that came after the one of this place. */
  readonly #followers: Uint16Array = new Uint16Array(PLACES)
  /** Of the topic that came last. */
  #place = 0
  /** Of the next topic that is taken in. */
  #next = 0
  /** Of what `find` was asked for last. */
  #hash = 0

  /** The topic with these bytes; undefined = it has not come before, or was displaced. */
  find(view: DataView, at: number, length: number): string | undefined {
    if (length < SHORTEST || length > LONGEST) return undefined
    const follower = this.#followers[this.#place] ?? 0
    if (this.#lengths[follower] === length && this.#isAt(follower, view, at, length)) {
      this.#place = follower
      return this.#topics[follower]
    }
    const last = length - 4
    let hash = length
    for (let index = 0; index < last; index += 4) hash = mix(hash, view.getInt32(at + index, true))
    hash = mix(hash, view.getInt32(at + last, true))
    this.#hash = hash
    const first = hash & (PLACES - WAYS)
    for (let slot = first; slot < first + WAYS; slot++) {
      const place = this.#slots[slot] ?? 0
      if (this.#hashes[place] !== hash || this.#lengths[place] !== length) continue
      if (!this.#isAt(place, view, at, length)) continue
      this.#follow(place)
      return this.#topics[place]
    }
    return undefined
  }

  /** Takes in the topic that `find` was asked for last, and has not found. Its bytes are right. */
  keep(view: DataView, at: number, length: number, topic: string): void {
    if (length < SHORTEST || length > LONGEST) return
    const first = this.#hash & (PLACES - WAYS)
    const turn = this.#turns[first] ?? 0
    this.#turns[first] = turn + 1
    const place = this.#next
    this.#next = (place + 1) % PLACES
    this.#slots[first + (turn & (WAYS - 1))] = place
    const last = length - 8
    let word = place * WORDS
    for (let index = 0; index < last; index += 8) this.#words[word++] = view.getFloat64(at + index, true)
    this.#words[word] = view.getFloat64(at + last, true)
    this.#hashes[place] = this.#hash
    this.#lengths[place] = length
    this.#topics[place] = topic
    this.#follow(place)
  }

  #isAt(place: number, view: DataView, at: number, length: number): boolean {
    const words = this.#words
    const last = length - 8
    let word = place * WORDS
    for (let index = 0; index < last; index += 8) {
      if (view.getFloat64(at + index, true) !== words[word++]) return false
    }
    return view.getFloat64(at + last, true) === words[word]
  }

  #follow(place: number): void {
    this.#followers[this.#place] = place
    this.#place = place
  }
}

/** The multiplication carries differences upwards, the shift brings them down again: low bits choose the place. */
function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1)
  return product ^ (product >>> 15)
}

const FIRST_RANGE = 16
const LARGEST_ID = 65_535

/**
 * The client's Packet Identifiers, 1..65535, each with the exchange that holds it. One space serves PUBLISH, SUBSCRIBE
 * and UNSUBSCRIBE [MQTT-2.2.1-3]; the server's identifiers are a separate space.
 *
 * Free ids wait in a ring and are taken in the order in which they became free, so that an id rests as long as
 * possible before it is used again. The range starts small and doubles when it is used up: an idle client
 * pays for 16 ids, not for 65,535.
 */
export class PacketIds<Holder> {
  #range = 0
  #holders: (Holder | undefined)[] = [undefined]
  #free: Uint16Array = new Uint16Array(0)
  #head = 0
  #freeCount = 0

  /** Ids that can be taken before the space is exhausted. */
  get available(): number {
    return this.#freeCount + LARGEST_ID - this.#range
  }

  get inUse(): number {
    return this.#range - this.#freeCount
  }

  /** Takes an id for `holder`; 0 when all 65,535 are in use. */
  allocate(holder: Holder): number {
    if (this.#freeCount === 0 && !this.#grow(this.#range + 1)) return 0
    const id = this.#free[this.#head] ?? 0
    this.#head = this.#head + 1 === this.#free.length ? 0 : this.#head + 1
    this.#freeCount--
    this.#holders[id] = holder
    return id
  }

  /** Who holds the id; undefined when it is free or was never used. */
  holder(id: number): Holder | undefined {
    return this.#holders[id]
  }

  /** Gives an id back. It must be in use. */
  release(id: number): void {
    this.#holders[id] = undefined
    let tail = this.#head + this.#freeCount
    if (tail >= this.#free.length) tail -= this.#free.length
    this.#free[tail] = id
    this.#freeCount++
  }

  /** Takes given ids, as a restored session needs. They must be free. */
  claim(entries: Iterable<readonly [id: number, holder: Holder]>): void {
    const claimed = [...entries]
    const highest = claimed.reduce((most, [id]) => Math.max(most, id), 0)
    if (highest > this.#range) this.#grow(highest)
    for (const [id, holder] of claimed) this.#holders[id] = holder
    this.#rebuild()
  }

  #grow(atLeast: number): boolean {
    if (atLeast > LARGEST_ID) return false
    let range = this.#range === 0 ? FIRST_RANGE : this.#range * 2
    while (range < atLeast) range *= 2
    this.#range = Math.min(range, LARGEST_ID)
    // Filled, not left with holes: a holey array is slower for its whole life.
    while (this.#holders.length <= this.#range) this.#holders.push(undefined)
    this.#rebuild()
    return true
  }

  /** Free ids in their old order, then the new ones. */
  #rebuild(): void {
    const free = new Uint16Array(this.#range)
    const listed = new Uint8Array(this.#range + 1)
    let count = 0
    const add = (id: number) => {
      if (listed[id] === 1 || this.#holders[id] !== undefined) return
      listed[id] = 1
      free[count++] = id
    }
    for (let i = 0; i < this.#freeCount; i++) add(this.#free[(this.#head + i) % this.#free.length] ?? 0)
    for (let id = 1; id <= this.#range; id++) add(id)
    this.#free = free
    this.#head = 0
    this.#freeCount = count
  }
}

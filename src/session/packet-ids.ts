const FIRST_RANGE = 16
const LARGEST_ID = 65_535

/**
 * The client's Packet Identifiers, 1..65535, each with the exchange that holds it. One space serves PUBLISH, SUBSCRIBE
 * and UNSUBSCRIBE [MQTT-2.2.1-3]; the server's identifiers are a separate space.
 *
 * Ids are given out round and round a range, so that each rests for a round before it is used again. The range starts small
 * and doubles when half of it is in use, which keeps the way to the next free id short. A client that has never taken one
 * pays for none.
 */
export class PacketIds<Holder> {
  #range = 0
  // Filled, not left with holes: a holey array is slower for its whole life.
  #holders: (Holder | undefined)[] | undefined = undefined
  /** The id given out last. */
  #last = 0
  #inUse = 0

  /** Ids that can be taken before the space is exhausted. */
  get available(): number {
    return LARGEST_ID - this.#inUse
  }

  /** Takes an id for `holder`; 0 when all 65,535 are in use. */
  allocate(holder: Holder): number {
    if (this.#inUse === LARGEST_ID) return 0
    if (this.#inUse * 2 >= this.#range) this.#reach(Math.min(this.#range + 1, LARGEST_ID))
    const holders = this.#holders as (Holder | undefined)[]
    let id = this.#last
    do id = id === this.#range ? 1 : id + 1
    while (holders[id] !== undefined)
    this.#last = id
    this.#inUse++
    holders[id] = holder
    return id
  }

  /** Who holds the id; undefined when it is free or was never used. */
  holder(id: number): Holder | undefined {
    return this.#holders?.[id]
  }

  /** Gives an id back. It must be in use. */
  release(id: number): void {
    ;(this.#holders as (Holder | undefined)[])[id] = undefined
    this.#inUse--
  }

  /** Takes given ids, as a restored session needs. They must be free. */
  claim(entries: Iterable<readonly [id: number, holder: Holder]>): void {
    for (const [id, holder] of entries) {
      this.#reach(id)[id] = holder
      this.#inUse++
    }
  }

  #reach(id: number): (Holder | undefined)[] {
    this.#range ||= FIRST_RANGE
    while (this.#range < id) this.#range = Math.min(this.#range * 2, LARGEST_ID)
    this.#holders ??= []
    while (this.#holders.length <= this.#range) this.#holders.push(undefined)
    return this.#holders
  }
}

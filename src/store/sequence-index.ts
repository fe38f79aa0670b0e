const PAGE_BITS = 10
const PAGE = 1 << PAGE_BITS
const ABSENT = -1

class IndexPage {
  /** Payload bytes by place in the page. */
  readonly sizes: Int32Array = new Int32Array(PAGE).fill(ABSENT)
  /** Made with the first that expires. */
  dropAt: Float64Array | undefined = undefined
  count = 0
}

/** What is known of the publications of a backlog: a few bytes for each. Sequence numbers may have gaps. */
export class SequenceIndex {
  #pages: Map<number, IndexPage> = new Map()
  #lastPage = -1
  /** The pages are in ascending order. */
  #sorted = true
  size: number = 0
  bytes: number = 0

  add(sequence: number, bytes: number, dropAt: number): void {
    this.remove(sequence)
    const page = this.#need(Math.floor(sequence / PAGE))
    const at = sequence % PAGE
    page.sizes[at] = bytes
    if (dropAt !== Number.POSITIVE_INFINITY || page.dropAt !== undefined) {
      page.dropAt ??= new Float64Array(PAGE).fill(Number.POSITIVE_INFINITY)
      page.dropAt[at] = dropAt
    }
    page.count++
    this.size++
    this.bytes += bytes
  }

  has(sequence: number): boolean {
    return this.#sizeOf(sequence) !== ABSENT
  }

  /** Its payload bytes, or -1 when it is not here. */
  bytesOf(sequence: number): number {
    return this.#sizeOf(sequence)
  }

  /** Takes it out: its payload bytes, or -1 when it was not here. */
  remove(sequence: number): number {
    const number = Math.floor(sequence / PAGE)
    const page = this.#pages.get(number)
    const size = page?.sizes[sequence % PAGE] ?? ABSENT
    if (page === undefined || size === ABSENT) return ABSENT
    page.sizes[sequence % PAGE] = ABSENT
    if (--page.count === 0) this.#pages.delete(number)
    this.size--
    this.bytes -= size
    return size
  }

  /** The lowest sequence number; Infinity when there is none. */
  get first(): number {
    for (const sequence of this.sequences()) return sequence
    return Number.POSITIVE_INFINITY
  }

  /** In ascending order. What is looked at may be removed meanwhile. */
  *sequences(): Generator<number> {
    this.#sort()
    for (const [number, page] of this.#pages) {
      for (let at = 0; at < PAGE && page.count > 0; at++) {
        if (page.sizes[at] !== ABSENT) yield number * PAGE + at
      }
    }
  }

  /** Payload bytes of each. */
  *sizes(): Generator<number> {
    for (const page of this.#pages.values()) for (const size of page.sizes) if (size !== ABSENT) yield size
  }

  /** Those that expire at `now` or before, and when the next of the others does. */
  expired(now: number): { readonly sequences: number[]; readonly next: number } {
    this.#sort()
    const sequences: number[] = []
    let next = Number.POSITIVE_INFINITY
    for (const [number, { dropAt, sizes }] of this.#pages) {
      if (dropAt === undefined) continue
      for (let at = 0; at < PAGE; at++) {
        if (sizes[at] === ABSENT) continue
        const due = dropAt[at] as number
        if (due <= now) sequences.push(number * PAGE + at)
        else next = Math.min(next, due)
      }
    }
    return { sequences, next }
  }

  #sizeOf(sequence: number): number {
    return this.#pages.get(Math.floor(sequence / PAGE))?.sizes[sequence % PAGE] ?? ABSENT
  }

  #need(number: number): IndexPage {
    let page = this.#pages.get(number)
    if (page === undefined) {
      page = new IndexPage()
      this.#pages.set(number, page)
      if (number < this.#lastPage) this.#sorted = false
      this.#lastPage = Math.max(this.#lastPage, number)
    }
    return page
  }

  #sort(): void {
    if (this.#sorted) return
    this.#pages = new Map([...this.#pages].sort(([a], [b]) => a - b))
    this.#sorted = true
  }
}

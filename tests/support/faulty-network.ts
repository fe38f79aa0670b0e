import type { SeededRandom } from './seeded-random.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What one side of a link hears. */
export interface LinkListener {
  onBytes(chunk: Uint8Array): void
  /** Once, last. */
  onClose(cause: Error | undefined): void
}

/** Of a run of bytes so many at its end come one by one. */
const SINGLE_BYTES = 200

/** How bad a network is. Probabilities are per use. */
export interface NetworkFaults {
  /** Milliseconds that a chunk is under way, at least and at most. */
  readonly delayMs: readonly [least: number, most: number]
  /** That a delivery is only a part of what has arrived. */
  readonly split: number
  /** That such a part is one byte. */
  readonly singleByte: number
  /** Milliseconds until a side hears that the link is broken, at most. */
  readonly closeDelayMs: number
}

export const calmNetwork: NetworkFaults = { delayMs: [1, 1], split: 0, singleByte: 0, closeDelayMs: 1 }

/**
 * A byte pipe in both directions, as TCP gives it: bytes arrive in order or not at all, cut into chunks as chance
 * will have it, and a break is heard of late, or (a half-open link) never.
 */
export class FaultyLink {
  readonly client: LinkEnd
  readonly server: LinkEnd
  #isCut = false

  constructor(clock: VirtualClock, random: SeededRandom, faults: NetworkFaults) {
    this.client = new LinkEnd(clock, random, faults)
    this.server = new LinkEnd(clock, random, faults)
    this.client.join(this.server)
    this.server.join(this.client)
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** Breaks the link: what is under way is lost, at whatever byte that is, and each side hears of it in its own time. */
  cut(): void {
    this.#isCut = true
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    this.client.break(cause)
    this.server.break(cause)
  }

  /** Loses everything from now on, and tells nobody: a pulled cable, a forgotten NAT entry. */
  freeze(): void {
    this.#isCut = true
    this.client.freeze()
    this.server.freeze()
  }
}

export class LinkEnd {
  listener: LinkListener | undefined
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #faults: NetworkFaults
  #peer: LinkEnd | undefined
  /** On their way to this end. */
  #arriving: Uint8Array[] = []
  #arrivingBytes = 0
  #deliveryIsDue = false
  /** The peer has ended its side: `onClose` follows the last byte. */
  #endsAfterBytes = false
  /** Nothing is sent or received any more; `onClose` may be still to come. */
  #isDown = false
  #isFrozen = false
  #hasClosed = false
  #isPaused = false

  constructor(clock: VirtualClock, random: SeededRandom, faults: NetworkFaults) {
    this.#clock = clock
    this.#random = random
    this.#faults = faults
  }

  join(peer: LinkEnd): void {
    this.#peer = peer
  }

  /** Bytes sent by this end which have not arrived. */
  get bytesUnderWay(): number {
    return this.#peer?.arrivingBytes ?? 0
  }

  get arrivingBytes(): number {
    return this.#arrivingBytes
  }

  get isOpen(): boolean {
    return !this.#hasClosed && !this.#isDown
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#isDown || this.#isFrozen || this.#hasClosed) return
    this.#peer?.accept(chunks)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#schedule()
  }

  /** Sends what is under way, then closes both ways. */
  end(): void {
    if (this.#isDown) return
    this.#isDown = true
    if (!this.#isFrozen) this.#peer?.acceptEnd()
    this.#closeLater(undefined)
  }

  /** Closes at once; what this end has sent and has not arrived is lost. */
  destroy(): void {
    if (this.#isDown) return
    this.#isDown = true
    if (!this.#isFrozen) this.#peer?.break(undefined)
    this.#closeLater(undefined)
  }

  accept(chunks: readonly Uint8Array[]): void {
    if (this.#isDown || this.#isFrozen) return
    for (const chunk of chunks) {
      if (chunk.length === 0) continue
      this.#arriving.push(chunk)
      this.#arrivingBytes += chunk.length
    }
    this.#schedule()
  }

  acceptEnd(): void {
    if (this.#isDown || this.#isFrozen) return
    this.#endsAfterBytes = true
    this.#schedule()
  }

  break(cause: Error | undefined): void {
    this.#arriving = []
    this.#arrivingBytes = 0
    if (this.#isDown) return
    this.#isDown = true
    this.#closeLater(cause)
  }

  freeze(): void {
    this.#arriving = []
    this.#arrivingBytes = 0
    this.#endsAfterBytes = false
    this.#isFrozen = true
  }

  #closeLater(cause: Error | undefined): void {
    this.#clock.setTimer(
      () => {
        if (this.#hasClosed) return
        this.#hasClosed = true
        this.listener?.onClose(cause)
      },
      this.#random.integer(0, this.#faults.closeDelayMs),
    )
  }

  #schedule(): void {
    if (this.#deliveryIsDue || this.#isPaused || this.#isDown) return
    if (this.#arrivingBytes === 0 && !this.#endsAfterBytes) return
    this.#deliveryIsDue = true
    const [least, most] = this.#faults.delayMs
    this.#clock.setTimer(
      () => {
        this.#deliveryIsDue = false
        this.#deliver()
      },
      this.#random.integer(least, most),
    )
  }

  #deliver(): void {
    if (this.#isDown || this.#isPaused || this.#isFrozen) return
    if (this.#arrivingBytes === 0) {
      if (!this.#endsAfterBytes) return
      this.#isDown = true
      this.#peer?.break(undefined)
      this.#closeLater(undefined)
      return
    }
    const chunk = this.#take(this.#amount())
    this.listener?.onBytes(chunk)
    this.#schedule()
  }

  #amount(): number {
    if (!this.#random.chance(this.#faults.split)) return this.#arrivingBytes
    // Of a long run only the last bytes come one by one, or a simulation would do nothing else.
    const isShort = this.#arrivingBytes <= SINGLE_BYTES
    if (isShort && this.#random.chance(this.#faults.singleByte)) return 1
    return this.#random.integer(1, this.#arrivingBytes)
  }

  #take(amount: number): Uint8Array {
    const first = this.#arriving[0]!
    if (first.length === amount) {
      this.#arriving.shift()
      this.#arrivingBytes -= amount
      return first.slice()
    }
    const taken = new Uint8Array(amount)
    let filled = 0
    while (filled < amount) {
      const chunk = this.#arriving[0]!
      const part = chunk.subarray(0, amount - filled)
      taken.set(part, filled)
      filled += part.length
      if (part.length === chunk.length) this.#arriving.shift()
      else this.#arriving[0] = chunk.subarray(part.length)
    }
    this.#arrivingBytes -= amount
    return taken
  }
}

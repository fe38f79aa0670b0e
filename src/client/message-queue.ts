import type { AnyMessage } from './message.ts'

const SMALLEST = 16

/**
 * The messages that a subscription has and its consumer has not asked for yet: a ring that grows by doubling and
 * gives its memory back when it runs empty. QoS 0 messages are counted apart, since only they may be dropped.
 */
export class MessageQueue {
  #ring: (AnyMessage | undefined)[] = new Array<AnyMessage | undefined>(SMALLEST)
  /** Absolute positions: `#head` of the first, `#tail` behind the last. They index the ring modulo its length. */
  #head = 0
  #tail = 0
  /** No QoS 0 message stands before this position. */
  #firstLoose = 0
  #length = 0
  #looseMessages = 0
  #looseBytes = 0

  get length(): number {
    return this.#length
  }

  /** How many of them are QoS 0. */
  get looseMessages(): number {
    return this.#looseMessages
  }

  /** Bytes of payload of those. */
  get looseBytes(): number {
    return this.#looseBytes
  }

  push(message: AnyMessage): void {
    if (this.#tail - this.#head === this.#ring.length) this.#grow()
    this.#ring[this.#tail & (this.#ring.length - 1)] = message
    this.#tail += 1
    this.#length += 1
    if (message.qos === 0) {
      this.#looseMessages += 1
      this.#looseBytes += message.payload.length
    }
  }

  shift(): AnyMessage | undefined {
    while (this.#head !== this.#tail) {
      const index = this.#head & (this.#ring.length - 1)
      const message = this.#ring[index]
      this.#ring[index] = undefined
      this.#head += 1
      // A gap is what dropOldest has left.
      if (message === undefined) continue
      this.#length -= 1
      if (message.qos === 0) this.#forget(message)
      if (this.#length === 0) this.#reset()
      return message
    }
    return undefined
  }

  peek(): AnyMessage | undefined {
    this.#compact()
    return this.#ring[this.#head & (this.#ring.length - 1)]
  }

  /** Takes the oldest QoS 0 message out, wherever it stands. Each position is looked at once, so it costs O(1) in the long run. */
  dropOldest(): AnyMessage | undefined {
    if (this.#looseMessages === 0) return undefined
    if (this.#firstLoose < this.#head) this.#firstLoose = this.#head
    for (; this.#firstLoose < this.#tail; this.#firstLoose += 1) {
      const index = this.#firstLoose & (this.#ring.length - 1)
      const message = this.#ring[index]
      if (message === undefined || message.qos !== 0) continue
      this.#ring[index] = undefined
      this.#firstLoose += 1
      this.#length -= 1
      this.#forget(message)
      this.#compact()
      return message
    }
    return undefined
  }

  /** Takes back the message that was pushed last. */
  dropNewest(): void {
    const index = (this.#tail - 1) & (this.#ring.length - 1)
    const message = this.#ring[index]
    if (message === undefined) return
    this.#ring[index] = undefined
    this.#tail -= 1
    this.#length -= 1
    if (message.qos === 0) this.#forget(message)
  }

  /** Everything, in order; the queue is empty afterwards. */
  takeAll(): AnyMessage[] {
    const messages: AnyMessage[] = []
    for (let position = this.#head; position !== this.#tail; position += 1) {
      const index = position & (this.#ring.length - 1)
      const message = this.#ring[index]
      if (message !== undefined) messages.push(message)
      // What stayed here would keep a message and its chunk alive.
      this.#ring[index] = undefined
    }
    this.#length = 0
    this.#looseMessages = 0
    this.#looseBytes = 0
    this.#reset()
    return messages
  }

  #forget(message: AnyMessage): void {
    this.#looseMessages -= 1
    this.#looseBytes -= message.payload.length
  }

  /** Gaps at the head would let a ring grow whose consumer has stopped for good. */
  #compact(): void {
    while (this.#head !== this.#tail && this.#ring[this.#head & (this.#ring.length - 1)] === undefined) {
      this.#head += 1
    }
  }

  #reset(): void {
    this.#head = 0
    this.#tail = 0
    this.#firstLoose = 0
    if (this.#ring.length > 1024) this.#ring = new Array<AnyMessage | undefined>(SMALLEST)
  }

  #grow(): void {
    const old = this.#ring
    // Messages that were dropped from the middle have left gaps: half of them are worth moving together.
    const size = this.#length * 2 <= old.length ? old.length : old.length * 2
    const ring = new Array<AnyMessage | undefined>(size)
    let at = 0
    for (let position = this.#head; position !== this.#tail; position += 1) {
      const message = old[position & (old.length - 1)]
      if (message !== undefined) ring[at++] = message
    }
    this.#ring = ring
    this.#head = 0
    this.#tail = at
    this.#firstLoose = 0
  }
}

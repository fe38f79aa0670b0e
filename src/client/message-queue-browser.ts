import type { AnyMessage } from './message.ts'

/** Takes the place of message-queue.ts in browsers, where few messages wait: a list, which moves what is in it. */
export class MessageQueue {
  readonly #messages: AnyMessage[] = []
  #looseMessages = 0
  #looseBytes = 0

  get length(): number {
    return this.#messages.length
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
    this.#messages.push(message)
    this.#count(message, 1)
  }

  shift(): AnyMessage | undefined {
    return this.#take(0)
  }

  /** Takes the oldest QoS 0 message out, wherever it stands. */
  dropOldest(): AnyMessage | undefined {
    return this.#take(this.#messages.findIndex(({ qos }) => qos === 0))
  }

  /** Takes back the message that was pushed last. */
  dropNewest(): void {
    this.#take(this.#messages.length - 1)
  }

  /** Everything, in order; the queue is empty afterwards. */
  takeAll(): AnyMessage[] {
    this.#looseMessages = 0
    this.#looseBytes = 0
    return this.#messages.splice(0)
  }

  #take(index: number): AnyMessage | undefined {
    const [message] = index < 0 ? [] : this.#messages.splice(index, 1)
    if (message !== undefined) this.#count(message, -1)
    return message
  }

  #count({ qos, payload }: AnyMessage, sign: 1 | -1): void {
    if (qos > 0) return
    this.#looseMessages += sign
    this.#looseBytes += sign * payload.length
  }
}

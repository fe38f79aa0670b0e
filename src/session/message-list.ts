import type { OutboundMessage } from './outbound-message.ts'

/** A list of messages linked through the messages themselves: any of them can leave it in one step. */
export class MessageList {
  head: OutboundMessage | undefined = undefined
  tail: OutboundMessage | undefined = undefined
  size: number = 0

  append(message: OutboundMessage): void {
    message.previous = this.tail
    message.next = undefined
    if (this.tail === undefined) this.head = message
    else this.tail.next = message
    this.tail = message
    this.size++
  }

  /** The message must be in this list. */
  remove(message: OutboundMessage): void {
    const { previous, next } = message
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.tail = previous
    else next.previous = previous
    message.previous = undefined
    message.next = undefined
    this.size--
  }

  /** Empties the list and gives what was in it, in order. */
  drain(): OutboundMessage[] {
    const messages: OutboundMessage[] = []
    for (let message = this.head; message !== undefined; ) {
      const next: OutboundMessage | undefined = message.next
      message.previous = undefined
      message.next = undefined
      messages.push(message)
      message = next
    }
    this.head = undefined
    this.tail = undefined
    this.size = 0
    return messages
  }
}

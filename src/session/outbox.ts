import { MessageList } from './message-list.ts'
import { type OutboundMessage, Stage } from './outbound-message.ts'

/**
 * The sender's side of delivery: every publication that is not settled, in the order of the calls.
 *
 *     waiting     QoS 0 that could not be written at once
 *     flow        QoS 1 and 2 up to PUBACK or PUBREC:   sent … sent │ not sent on this connection … │
 *                                                                   cursor
 *     released    QoS 2 from PUBREC to PUBCOMP, in the order of the PUBRECs [MQTT-4.6.0-4]
 *
 * Sending is moving the cursor; resending after a reconnect is putting it back to the head. So the original order
 * is kept whatever the packet ids are [MQTT-4.6.0-1], and a message is never sent twice on a connection.
 */
export class Outbox {
  readonly waiting: MessageList = new MessageList()
  readonly flow: MessageList = new MessageList()
  readonly released: MessageList = new MessageList()
  /** The first message of `flow` that has not been sent on this connection. */
  cursor: OutboundMessage | undefined = undefined
  /**
   * Exchanges of this connection that count against the server's Receive Maximum: from PUBLISH to PUBACK, PUBCOMP or
   * a failing PUBREC [MQTT-4.9.0-1]. Those that were released on an earlier connection count as well, which
   * is stricter than asked: the server may still hold their slots.
   */
  inFlight: number = 0
  /** Payload bytes of everything not sent yet. */
  queuedBytes: number = 0
  /** Messages not sent yet. */
  queuedMessages: number = 0

  get isEmpty(): boolean {
    return this.flow.size === 0 && this.released.size === 0 && this.waiting.size === 0
  }

  /** The lowest sequence number in it; Infinity when it is empty. */
  get oldest(): number {
    let oldest = Math.min(this.flow.head?.sequence ?? Infinity, this.waiting.head?.sequence ?? Infinity)
    // In the order of their PUBRECs, not of the calls.
    for (let message = this.released.head; message !== undefined; message = message.next) {
      oldest = Math.min(oldest, message.sequence)
    }
    return oldest
  }

  /** Takes a new message in, unsent. */
  add(message: OutboundMessage): void {
    this.queuedMessages++
    this.queuedBytes += message.payload.length
    if (message.qos === 0) {
      this.waiting.append(message)
      return
    }
    this.flow.append(message)
    this.cursor ??= message
  }

  /** A message that waits in a store counts as queued. */
  addSpilled(bytes: number): void {
    this.queuedMessages++
    this.queuedBytes += bytes
  }

  /** It does not wait any more, and has not been recalled. */
  removeSpilled(bytes: number): void {
    this.queuedMessages--
    this.queuedBytes -= bytes
  }

  /** A message comes back from a store: the next one behind all others, counted already. */
  recall(message: OutboundMessage): void {
    this.flow.append(message)
    this.cursor ??= message
  }

  /** Whether a message of `flow` has been sent on this connection: `flow` is ordered by sequence numbers. */
  wasSent(message: OutboundMessage): boolean {
    return this.cursor === undefined || message.sequence < this.cursor.sequence
  }

  /** The message at the cursor has been written. */
  advance(message: OutboundMessage): void {
    if (message.stage === Stage.queued) {
      this.#leaveQueue(message)
      message.stage = Stage.sent
    }
    this.inFlight++
    this.cursor = message.next
  }

  /** PUBREC: only PUBREL will be sent from now on. */
  release(message: OutboundMessage): void {
    // A server may answer before the resend; every released message counts, so this one starts to.
    if (!this.wasSent(message)) this.inFlight++
    this.#removeFromFlow(message)
    message.stage = Stage.released
    this.released.append(message)
  }

  /** Takes a message out for good. */
  settle(message: OutboundMessage): void {
    switch (message.stage) {
      case Stage.queued:
        this.#leaveQueue(message)
        if (message.qos === 0) this.waiting.remove(message)
        else this.#removeFromFlow(message)
        break
      case Stage.sent:
        if (this.wasSent(message)) this.inFlight--
        this.#removeFromFlow(message)
        break
      case Stage.released:
        this.inFlight--
        this.released.remove(message)
        break
      default:
        return
    }
    message.stage = Stage.settled
  }

  /** A new connection to a session that is present: everything in `flow` is to be sent (again). */
  rewind(): void {
    this.cursor = this.flow.head
    this.inFlight = this.released.size
  }

  /** The server has no session: gives every message that had been sent, in order, and forgets the released ones. */
  takeSent(): OutboundMessage[] {
    const sent: OutboundMessage[] = this.released.drain()
    for (
      let message = this.flow.head;
      message !== undefined && message.stage === Stage.sent;
      message = message.next
    ) {
      sent.push(message)
    }
    for (const message of sent) if (message.stage === Stage.sent) this.flow.remove(message)
    this.cursor = this.flow.head
    this.inFlight = 0
    return sent.sort((a, b) => a.sequence - b.sequence)
  }

  /** Puts messages that are to be published anew in front of those that were never sent. In their order. */
  prepend(messages: readonly OutboundMessage[]): void {
    const later = this.flow.drain()
    for (const message of messages) {
      message.stage = Stage.queued
      this.queuedMessages++
      this.queuedBytes += message.payload.length
      this.flow.append(message)
    }
    for (const message of later) this.flow.append(message)
    this.cursor = this.flow.head
  }

  /** Puts a message of a restored session in its place: the calls come in the order of the sequence numbers. */
  restore(message: OutboundMessage): void {
    if (message.stage === Stage.queued) this.add(message)
    else this.flow.append(message)
  }

  /** Everything, and forgets it. */
  takeAll(): OutboundMessage[] {
    this.cursor = undefined
    this.inFlight = 0
    this.queuedBytes = 0
    this.queuedMessages = 0
    return [...this.released.drain(), ...this.flow.drain(), ...this.waiting.drain()].sort(
      (a, b) => a.sequence - b.sequence,
    )
  }

  #removeFromFlow(message: OutboundMessage): void {
    if (message === this.cursor) this.cursor = message.next
    this.flow.remove(message)
  }

  #leaveQueue(message: OutboundMessage): void {
    this.queuedMessages--
    this.queuedBytes -= message.payload.length
  }
}

import { Fifo } from './fifo.ts'
import { AckState, type InboundMessage } from './inbound-message.ts'

/** PUBREC has been sent (or is about to be): the id waits for its PUBREL, the message itself is no longer needed. */
export const RECEIVED: unique symbol = Symbol('received')
/** Undefined: nothing is known of the id, the next PUBLISH with it is a new message. */
export type Slot = InboundMessage | typeof RECEIVED | undefined

/** What to do with a PUBLISH. */
export const Arrival = {
  /** A new message: the application gets it. */
  deliver: 0,
  /** Known already: nothing to deliver; an acknowledgement may have become payable. */
  known: 1,
  /** Kept until its PUBREL; PUBREC has become payable. */
  held: 2,
} as const
export type Arrival = (typeof Arrival)[keyof typeof Arrival]

/** What to do with a PUBREL, unless it releases a message. */
export const Release = {
  complete: 0,
  unknown: 1,
  premature: 2,
  /** The application has the message and has not finished with it: PUBCOMP follows when it has. */
  pending: 3,
} as const
export type Release = (typeof Release)[keyof typeof Release]

/**
 * The receiver's side of delivery. An id goes through these states, and `#slots` says where it is:
 *
 *     undefined ──PUBLISH──> message ──application has finished──> PUBACK ──> undefined          QoS 1
 *     undefined ──PUBLISH──> message ──application has finished──> PUBREC ──> RECEIVED
 *                                          RECEIVED ──PUBREL──> PUBCOMP ──> undefined            QoS 2
 *
 * The acknowledgement is withheld until the application has finished. When the connection ends first, the server sends
 * the message again; the slot says that the application has it, so it is not delivered twice, and what the application
 * said meanwhile is paid then. MQTT asks for that at QoS 2 [MQTT-4.3.3-10]; at QoS 1, where only DUP on a resumed session
 * shows a resend, it is a courtesy.
 *
 * Acknowledgements leave in the order of arrival, each QoS on its own. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
 *
 * `ReleaseFlow` delivers QoS 2 later: when PUBREL comes.
 */
export class InboundFlow {
  protected slots: Slot[] = []
  /** What arrived on this connection and is not acknowledged, in order. */
  readonly owed: readonly [qos1: Fifo<InboundMessage>, qos2: Fifo<InboundMessage>] = [new Fifo(), new Fifo()]
  /** MQTT 3.1, whose CONNACK does not say whether the server has the session: DUP alone tells what is sent again. */
  isPresenceUnknown: boolean = false
  /** PUBLISH packets of this connection that count against our Receive Maximum. [MQTT-3.3.4-9] */
  protected count: number = 0
  #resent = 0
  /** Messages that arrived on this connection, to tell a resend after a reconnect from a repeat on the same connection. */
  #current: Set<InboundMessage> | undefined = undefined

  /** Unacknowledged QoS 1 and 2 messages of this connection, QoS 2 up to PUBCOMP. */
  get counted(): number {
    return Math.max(this.count, 0)
  }

  /**
   * What the server may leave unacknowledged on this connection beyond our Receive Maximum. It must send again what was
   * unacknowledged [MQTT-4.4.0-1], and Mosquitto 2.0 does so without counting: to refuse that would refuse it on
   * every connection from then on. New messages are held to the limit.
   */
  get allowance(): number {
    return this.#resent
  }

  onPublish(message: InboundMessage): Arrival {
    if (message.dup) this.#resent++
    const slot = this.slotOf(message.packetId)
    return message.qos === 1 ? this.#onQoS1(message, slot) : this.onQoS2(message, slot)
  }

  /**
   * The next message whose acknowledgement may leave, taken from its queue; its slot is moved on.
   */
  nextPayable(qos: 1 | 2): InboundMessage | undefined {
    const queue = this.owed[qos - 1] as Fifo<InboundMessage>
    // Disowned: nobody waits for it.
    while (queue.peek()?.ackState === AckState.none) queue.shift()
    if (queue.peek()?.ackState !== AckState.ready) return undefined
    const message = queue.shift() as InboundMessage
    message.ackState = AckState.written
    if (qos === 1 || message.ackReasonCode >= 0x80) {
      // [MQTT-4.3.2-5] [MQTT-4.3.3-9]: the id is free for a new message.
      if (this.slots[message.packetId] === message) this.slots[message.packetId] = undefined
      if (this.count > 0) this.count--
    } else {
      this.pubrecWritten(message)
    }
    this.#current?.delete(message)
    return message
  }

  /** It will never be acknowledged on this connection. It goes on counting, since the server counts it. */
  disown(message: InboundMessage): void {
    message.ackState = AckState.none
    if (this.slots[message.packetId] === message) this.slots[message.packetId] = undefined
  }

  /** It was given out and has not reached the application: the server's next resend gives it out again. */
  takeBack(message: InboundMessage): void {
    this.disown(message)
  }

  /** A PUBREL: the message that it releases, for the application to get now, or what else to do. */
  onPubrel(packetId: number): InboundMessage | Release {
    const slot = this.slots[packetId]
    if (slot === undefined) return Release.unknown
    if (slot !== RECEIVED) return Release.premature
    this.complete(packetId)
    return Release.complete
  }

  /** Of a message that was delivered at its PUBREL: whether its PUBCOMP may leave; it is taken as written then. */
  finish(_message: InboundMessage): boolean | undefined {
    return undefined
  }

  /** The connection is gone: nothing can be acknowledged before the server has sent it again. */
  connectionLost(): void {
    this.owed[0].clear()
    this.owed[1].clear()
    this.count = 0
    this.#resent = 0
    this.#current = undefined
  }

  /** The server has no session: every id is new, and nothing is owed for what came before. */
  sessionLost(): void {
    for (const slot of this.slots) {
      if (slot !== undefined && slot !== RECEIVED) slot.ackState = AckState.none
    }
    this.slots = []
  }

  restore(received: readonly number[]): void {
    for (const id of received) {
      this.slotOf(id)
      this.slots[id] = RECEIVED
    }
  }

  protected pubrecWritten({ packetId }: InboundMessage): void {
    this.slots[packetId] = RECEIVED
  }

  protected complete(packetId: number): void {
    this.slots[packetId] = undefined
    // Below zero for what was received on an earlier connection: each PUBCOMP lets the server send one more, also one
    // for a PUBREL that it has sent again. [MQTT 5.0 §4.9]
    this.count--
  }

  #onQoS1(message: InboundMessage, slot: Slot): Arrival {
    if (
      slot !== undefined &&
      slot !== RECEIVED &&
      slot.qos === 1 &&
      message.dup &&
      !this.#isCurrent(slot) &&
      isSame(slot, message)
    ) {
      this.#owe(slot)
      return Arrival.known
    }
    // Also an id that is in use on this connection: in 3.1.1 the server may not have read our PUBACK of it yet.
    message.ackState = AckState.owed
    this.slots[message.packetId] = message
    this.#owe(message)
    return Arrival.deliver
  }

  protected onQoS2(message: InboundMessage, slot: Slot): Arrival {
    // Without DUP it comes from a session that does not know of the earlier one.
    const isNew = this.isPresenceUnknown && !message.dup
    if (slot === RECEIVED && !isNew) {
      // The repeat is acknowledged in its turn, by itself. [MQTT-4.3.3-10]
      message.ackState = AckState.ready
      this.owed[1].push(message)
      return Arrival.known
    }
    if (slot !== undefined && slot !== RECEIVED && slot.qos === 2 && !isNew) {
      if (!this.#isCurrent(slot)) this.#owe(slot)
      return Arrival.known
    }
    message.ackState = AckState.owed
    this.slots[message.packetId] = message
    this.#owe(message)
    return Arrival.deliver
  }

  #owe(message: InboundMessage): void {
    this.owed[message.qos === 1 ? 0 : 1].push(message)
    this.#current?.add(message)
    this.count++
  }

  /** Asked only when an id comes that is still in use, which is rare: the set is built then. */
  #isCurrent(message: InboundMessage): boolean {
    this.#current ??= new Set([...this.owed[0], ...this.owed[1]])
    return this.#current.has(message)
  }

  protected slotOf(packetId: number): Slot {
    const slots = this.slots
    if (packetId >= slots.length) {
      // Doubling and filled: an array with holes would be slower for its whole life.
      const length = Math.min(Math.max(16, 2 ** Math.ceil(Math.log2(packetId + 1))), 65_536)
      while (slots.length < length) slots.push(undefined)
      return undefined
    }
    return slots[packetId]
  }
}

/**
 * A server that lost the session may use an identifier for another message before we can hear of the loss. At QoS 1
 * it must not be swallowed, and being sure costs a comparison that is rarely made.
 */
function isSame(known: InboundMessage, message: InboundMessage): boolean {
  return (
    known.topic === message.topic &&
    known.payload.length === message.payload.length &&
    known.payload.every((byte, at) => byte === message.payload[at])
  )
}

import type { PublishClass } from '../codec/publish.ts'
import { Arrival, InboundFlow, RECEIVED, Release, type Slot } from './inbound-flow.ts'
import { AckState, type InboundMessage } from './inbound-message.ts'

/** A QoS 2 message that waits for its PUBREL, as a journal keeps it. */
export type HeldMessage = Pick<InboundMessage, 'packetId' | 'topic' | 'payload' | 'retain' | 'propertyBytes'>

/**
 * The receiver's side of delivery with QoS 2 delivered late instead of acknowledged late:
 *
 *     undefined ──PUBLISH──> PUBREC ──> held message ──PUBREL──> released message
 *                                       released message ──application has finished──> PUBCOMP ──> undefined
 *
 * PUBCOMPs leave as the application finishes: MQTT asks no order of them. Both kinds of message outlive their connection.
 */
export class ReleaseFlow extends InboundFlow {
  /** Delivered, PUBCOMP to follow. */
  readonly #released: Set<InboundMessage> = new Set()
  /** Of the held and released messages those for which PUBLISH or PUBREL came on this connection. */
  readonly #present: Set<InboundMessage> = new Set()

  /** Goes on with what a journal has kept. */
  static holding(messages: readonly HeldMessage[], publishClass: PublishClass<InboundMessage>): ReleaseFlow {
    const flow = new ReleaseFlow()
    for (const { packetId, topic, payload, retain, propertyBytes } of messages) {
      const message = new publishClass(payload, {
        topicName: topic,
        flags: 4 | (retain ? 1 : 0),
        packetId,
        topicAlias: 0,
        subscriptionIdentifiers: undefined,
        bytes: propertyBytes,
        propertiesAt: propertyBytes.length === 0 ? -1 : 0,
      })
      message.subscriptionIdentifiers = message.properties.subscriptionIdentifiers
      message.ackState = AckState.held
      flow.slotOf(packetId)
      flow.slots[packetId] = message
    }
    return flow
  }

  override onPubrel(packetId: number): InboundMessage | Release {
    const slot = this.slots[packetId]
    if (slot === undefined || slot === RECEIVED) return super.onPubrel(packetId)
    if (slot.ackState === AckState.held) {
      slot.ackState = AckState.owed
      this.#released.add(slot)
      this.#present.add(slot)
      return slot
    }
    if (!this.#released.has(slot)) return Release.premature
    this.#present.add(slot)
    return this.finish(slot) === true ? Release.complete : Release.pending
  }

  /** True when the application is `ready`, and PUBREL came on this connection. */
  override finish(message: InboundMessage): boolean | undefined {
    if (!this.#released.has(message)) return undefined
    if (message.ackState !== AckState.ready || !this.#present.delete(message)) return false
    message.ackState = AckState.written
    this.#released.delete(message)
    this.complete(message.packetId)
    return true
  }

  override disown(message: InboundMessage): void {
    this.#released.delete(message)
    super.disown(message)
  }

  /** The next PUBREL gives it out. */
  override takeBack(message: InboundMessage): void {
    if (this.#released.delete(message)) message.ackState = AckState.held
    else super.disown(message)
  }

  override connectionLost(): void {
    super.connectionLost()
    this.#present.clear()
  }

  override sessionLost(): void {
    super.sessionLost()
    this.#released.clear()
  }

  protected override pubrecWritten(message: InboundMessage): void {
    // Not its own slot: it was the repeat of a message that has come further.
    if (this.slots[message.packetId] === message) message.ackState = AckState.held
  }

  protected override onQoS2(message: InboundMessage, slot: Slot): Arrival {
    // As an earlier process left it.
    if (slot === RECEIVED) return super.onQoS2(message, slot)
    // PUBREC each time. [MQTT-4.3.3-10]
    message.ackState = AckState.ready
    this.owed[1].push(message)
    const known = slot?.qos === 2 ? slot : undefined
    // Whoever has sent PUBREL does not send PUBLISH again, but for a server that was set back to an earlier state.
    if (known !== undefined && this.#released.has(known) && message.dup) return Arrival.known
    this.slots[message.packetId] = message
    // The repeat takes the place of what it repeats, and a new message that of one from a session that is gone.
    if (known === undefined || !this.#present.delete(known)) this.count++
    if (known !== undefined) {
      known.ackState = AckState.none
      this.#released.delete(known)
    }
    this.#present.add(message)
    return Arrival.held
  }
}

import { AckState, type InboundMessage } from '../session/inbound-message.ts'

/** Messages that the program has to acknowledge. */
export class OwedMessages {
  /** By QoS and number. */
  readonly #messages = new Map<number, InboundMessage>()

  add(message: InboundMessage): void {
    this.#messages.set(keyOf(message.packetId, message.qos), message)
  }

  /** The message, which is no longer owed then; undefined when it is not. */
  take(mid: number, qos: number): InboundMessage | undefined {
    if (this.#messages.size === 0) return undefined
    const key = keyOf(mid, qos)
    const message = this.#messages.get(key)
    this.#messages.delete(key)
    return message
  }

  takeQoS1(): InboundMessage[] {
    const taken = [...this.#messages.values()].filter(({ qos }) => qos === 1)
    for (const { packetId } of taken) this.take(packetId, 1)
    return taken
  }

  /** Nothing is owed to a session that is gone. */
  forgetLost(): void {
    for (const [key, { ackState }] of this.#messages) {
      if (ackState === AckState.none) this.#messages.delete(key)
    }
  }
}

function keyOf(mid: number, qos: number): number {
  return qos * 0x1_0000 + mid
}

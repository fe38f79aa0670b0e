import type { PublishProperties } from '../codec/packet.ts'
import type { PublishSource } from '../codec/publish.ts'
import { MqttError, wrongOption } from '../errors.ts'
import { AckState, InboundMessage } from '../session/inbound-message.ts'
import { captureWildcards } from '../topic/match.ts'
import { isRefusalCode } from './refusal-code.ts'

/** A received message of whatever subscription. */
export type AnyMessage = Message<unknown, unknown>

/** Whoever a message was handed to, as the message needs to know it. */
export interface MessageOwner {
  /** What it asked for. */
  readonly filters: readonly string[]
  /** Names of the levels of a typed topic. */
  readonly parse: ((topic: string) => unknown) | undefined
  /** Pays what is owed to the server. */
  settle(message: AnyMessage, reasonCode: number): void
  disown(message: AnyMessage): void
}

/** The account of a message that several consumers have: it is acknowledged when the last is done with it. */
export interface SharedDelivery {
  readonly message: AnyMessage
  remaining: number
  /** The first failure that a consumer reported; 0 = none. */
  reasonCode: number
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * A received message. Made by the decoder itself, one object per message: fields only, no constructor. When several
 * subscriptions want it, each further one gets an object that inherits from the first and has its own fields below.
 *
 * `payload` may be a view of the received chunk, which is often 64 KiB: whoever keeps a message keeps the chunk
 * alive. Take `copy()` of what is to stay.
 */
export class Message<Params = readonly string[], Value = unknown> extends InboundMessage {
  /** @internal */
  owner: MessageOwner | undefined = undefined
  /** @internal */
  shared: SharedDelivery | undefined = undefined
  /** @internal The consumer that has this object is done with it. */
  handled: boolean = false
  /** What the schema of the subscription made of the payload; `undefined` without a schema. */
  value: Value = undefined as Value

  /** @internal */
  constructor(payload: Uint8Array, source: PublishSource) {
    super(payload, source)
  }

  /** MQTT 5 properties as on the wire, decoded when first read; empty in 3.x and when there are none. */
  override get properties(): PublishProperties {
    // What the decoder keeps in private fields, an inheriting object has not.
    const origin = this.shared?.message
    return origin === undefined || origin === (this as unknown) ? super.properties : origin.properties
  }

  /**
   * What the wildcards of the filter matched, in their order; `#` gives the remaining levels as one string. For a
   * typed topic a record by name.
   */
  get params(): Params {
    return (this.owner === undefined ? [] : readParams(this.owner, this.topic)) as Params
  }

  /** The payload as UTF-8; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return utf8.decode(this.payload)
  }

  /**
   * The payload as JSON. The type is the caller's claim; use a schema to have it checked.
   *
   * @throws MqttError `ERR_MQTT_PAYLOAD` when it is not JSON
   */
  json<T = unknown>(): T {
    try {
      return JSON.parse(this.text()) as T
    } catch (cause) {
      throw new MqttError(`The payload of "${this.topic}" is not JSON: ${(cause as Error).message}`, {
        code: 'ERR_MQTT_PAYLOAD',
        cause,
      })
    }
  }

  /** The payload in memory of its own, to keep after the message. */
  copy(): Uint8Array {
    return new Uint8Array(this.payload)
  }

  /**
   * Done: the message is acknowledged (QoS 1: PUBACK, QoS 2: PUBREC) as soon as everybody else who has it is done too, and
   * in the order of arrival. Again, at QoS 0, or after the session was lost it does nothing.
   */
  ack(): void {
    this.settle(0)
  }

  /**
   * Failed: acknowledged with a reason code, which MQTT 5.0 servers may act on or log; no server delivers the message
   * again because of it. MQTT 3.x has no reason codes: there it is a plain acknowledgement.
   *
   * @param reasonCode - @default 0x80, Unspecified error
   * @throws OptionsError for a code that PUBACK and PUBREC may not carry
   */
  nack(reasonCode: number = 0x80): void {
    if (!isRefusalCode(reasonCode)) {
      const expected = '0x80, 0x83, 0x87, 0x90, 0x91, 0x97 or 0x99'
      throw wrongOption('reasonCode', expected, String(reasonCode))
    }
    this.settle(reasonCode)
  }

  /** @internal */
  settle(reasonCode: number): void {
    if (this.handled) return
    this.handled = true
    if (this.qos === 0) return
    const shared = this.shared
    if (shared === undefined) {
      this.owner?.settle(this, reasonCode)
      return
    }
    if (shared.reasonCode === 0) shared.reasonCode = reasonCode
    shared.remaining -= 1
    if (shared.remaining === 0) this.owner?.settle(shared.message, shared.reasonCode)
  }

  /** @internal Failed, and not to be acknowledged. Others who have it may still do so. */
  disown(): void {
    if (this.handled) return
    if (this.shared === undefined) {
      this.handled = true
      if (this.qos > 0) this.owner?.disown(this)
    } else this.settle(0x80)
  }

  /** @internal Whether the server still waits for this consumer. */
  get isOwed(): boolean {
    return !this.handled && this.ackState === AckState.owed
  }
}

function readParams(owner: MessageOwner, topic: string): unknown {
  if (owner.parse !== undefined) return owner.parse(topic)
  for (const filter of owner.filters) {
    const captured = captureWildcards(filter, topic)
    if (captured !== undefined) return captured
  }
  return []
}

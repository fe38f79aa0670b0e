import { bindArguments, type WithKeywords } from './call-arguments.ts'
import { MessageState } from './enums.ts'
import { UnicodeDecodeError } from './errors.ts'
import { MQTTMessageInfo } from './message-info.ts'
import type { Properties } from './properties.ts'

const PARAMETERS = ['mid', 'topic'] as const
type Parameters = [mid?: number, topic?: Uint8Array]

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A received message. */
export class MQTTMessage {
  /** Seconds of a monotonic clock; 0 for a new one. */
  timestamp: number = 0
  state: MessageState = MessageState.MQTT_MS_INVALID
  dup: boolean = false
  /** Packet identifier; 0 at QoS 0. */
  mid: number
  payload: Uint8Array = new Uint8Array(0)
  qos: 0 | 1 | 2 = 0
  retain: boolean = false
  info: MQTTMessageInfo
  /** `null` before MQTT 5. */
  properties: Properties | null = null
  #topic: Uint8Array | string

  constructor(...args: Parameters)
  constructor(...args: WithKeywords<typeof PARAMETERS, Parameters>)
  constructor(...args: unknown[]) {
    const [mid = 0, topic = new Uint8Array(0)] = bindArguments<Parameters>(PARAMETERS, 0, args)
    this.mid = mid
    this.info = new MQTTMessageInfo(mid)
    this.#topic = topic
  }

  /** Throws `UnicodeDecodeError` when it was set to bytes that are not UTF-8. */
  get topic(): string {
    if (typeof this.#topic === 'string') return this.#topic
    try {
      return strictUtf8.decode(this.#topic)
    } catch {
      throw new UnicodeDecodeError('the topic is not UTF-8')
    }
  }

  set topic(value: Uint8Array | string) {
    this.#topic = value
  }

  /** Whether the other is a message with the same `mid`. */
  equals(other: unknown): boolean {
    return other instanceof MQTTMessage && other.mid === this.mid
  }
}

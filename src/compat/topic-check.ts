import { MQTTProtocolVersion } from './enums.ts'
import { ValueError } from './errors.ts'

const LONGEST = 65_535
const LARGEST_PAYLOAD = 268_435_455

/** Throws `ValueError` for a topic that can not be published to. Empty ones are for topic aliases of MQTT 5. */
export function checkTopic(topic: unknown, protocol: MQTTProtocolVersion): asserts topic is string {
  if (typeof topic !== 'string') throw new ValueError('Invalid topic: expected a string.')
  if (topic === '' && protocol !== MQTTProtocolVersion.MQTTv5) throw new ValueError('Invalid topic: empty.')
  if (/[+#]/.test(topic)) throw new ValueError('Publish topic cannot contain wildcards.')
  if (utf8Length(topic) > LONGEST) throw new ValueError('Publish topic is too long.')
}

export function checkQos(qos: unknown): asserts qos is 0 | 1 | 2 {
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new ValueError('Invalid QoS level.')
}

export function checkPayload(payload: Uint8Array): void {
  if (payload.length > LARGEST_PAYLOAD) throw new ValueError('Payload too large.')
}

/** Throws `ValueError` for what is not a topic filter. */
export function checkFilter(filter: unknown): asserts filter is string {
  if (typeof filter !== 'string' || filter === '') throw new ValueError('Invalid topic.')
  const levels = filter.split('/')
  const valid = levels.every(
    (level, n) => level === '+' || (level === '#' && n === levels.length - 1) || !/[+#]/.test(level),
  )
  if (!valid || utf8Length(filter) > LONGEST) throw new ValueError('Invalid subscription filter.')
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}

import {
  checkQoS,
  type Encoder,
  encoder,
  type FieldStream,
  listField,
  packetIdField,
  withProperties,
} from './field-stream.ts'
import type { SubscribePacket, SubscriptionRequest } from './packet.ts'
import { topicFilterRule } from './topic-rules.ts'

const NO_LOCAL = 4
const RETAIN_AS_PUBLISHED = 8

export function subscribeLayout(stream: FieldStream, given: Partial<SubscribePacket>): SubscribePacket {
  const packetId = packetIdField(stream, given.packetId, '2.2.1-3')
  const properties = stream.properties(given.properties)
  const filters = listField(stream, given.filters, 'filters', '3.8.3-2', requestField)
  return withProperties({ type: 'subscribe', packetId, filters }, properties)
}

function requestField(stream: FieldStream, value: SubscriptionRequest | undefined): SubscriptionRequest {
  const given: Partial<SubscriptionRequest> = value ?? {}
  const filter = topicFilterField(stream, given.filter)
  const five = stream.version === 5
  const byte = stream.uint(1, optionsByte(given, five), 'subscriptionOptions', '3.8.3-1')
  if (byte > (five ? 63 : 3)) {
    throw stream.fault(0x81, 'subscriptionOptions', '3.8.3-5', 'no reserved bits', byte)
  }
  const qos = stream.reads ? byte & 3 : given.qos
  checkQoS(stream, qos, 'filters[].qos', '3.8.3')
  if (!five) return { filter, qos }
  const retainHandling = stream.reads ? byte >> 4 : (given.retainHandling ?? 0)
  checkQoS(stream, retainHandling, 'filters[].retainHandling', '3.8.3')
  const noLocal = (byte & NO_LOCAL) !== 0
  if (noLocal && filter.startsWith('$share/')) {
    throw stream.fault(0x82, 'filters[].noLocal', '3.8.3-4', 'false on a Shared Subscription', noLocal)
  }
  return { filter, qos, noLocal, retainAsPublished: (byte & RETAIN_AS_PUBLISHED) !== 0, retainHandling }
}

/** What is out of range in it is refused afterwards. */
function optionsByte(
  { qos = 0, noLocal, retainAsPublished, retainHandling = 0 }: Partial<SubscriptionRequest>,
  five: boolean,
): number {
  if (!five) return qos & 3
  return (
    (qos & 3) |
    (noLocal ? NO_LOCAL : 0) |
    (retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
    ((retainHandling & 3) << 4)
  )
}

/** One Topic Filter of SUBSCRIBE or UNSUBSCRIBE. */
export function topicFilterField(stream: FieldStream, value: string | undefined): string {
  const filter = stream.string(value, 'filters[]', `3.${stream.type}.3-2`)
  const broken = topicFilterRule(filter, stream.version === 5)
  if (broken !== undefined) throw stream.fault(0x8f, 'filters[]', ...broken, filter)
  return filter
}

/**
 * Writes a SUBSCRIBE. MQTT 3.x has neither properties nor options but the QoS: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export const encodeSubscribe: Encoder<SubscribePacket> = /* @__PURE__ */ encoder(0x82, subscribeLayout)

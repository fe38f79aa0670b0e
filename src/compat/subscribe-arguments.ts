import type { SubscriptionRequest } from '../codec/packet.ts'
import { MQTTProtocolVersion } from './enums.ts'
import { ValueError } from './errors.ts'
import { SubscribeOptions } from './subscribe-options.ts'
import { checkFilter, checkQos } from './topic-check.ts'

/** What `subscribe()` takes as its first argument. */
export type SubscribeTopic =
  | string
  | [topic: string, qos: number]
  | [topic: string, options: SubscribeOptions]
  | [topic: string, how: number | SubscribeOptions][]

/**
 * The filters of one SUBSCRIBE out of the many forms. An array that starts with an array is a list, any other is a pair.
 *
 * @throws ValueError for every form that the protocol version does not have
 */
export function subscriptionRequests(
  topic: unknown,
  qos: number,
  options: SubscribeOptions | null,
  protocol: MQTTProtocolVersion,
): SubscriptionRequest[] {
  const five = protocol === MQTTProtocolVersion.MQTTv5
  if (typeof topic === 'string') {
    if (!five) return [request(topic, qos, five)]
    if (options !== null && qos !== 0) throw new ValueError('Give either qos or options, not both.')
    return [request(topic, options ?? qos, five)]
  }
  if (!Array.isArray(topic) || topic.length === 0)
    throw new ValueError('No topic specified, or invalid topic type.')
  const list: unknown[] = topic
  if (Array.isArray(list[0])) return list.map((pair) => request(...pairOf(pair), five))
  const [filter, how] = pairOf(list)
  if (five && !(how instanceof SubscribeOptions))
    throw new ValueError('A pair needs SubscribeOptions with MQTT 5.')
  return [request(filter, how, five)]
}

function pairOf(pair: unknown): [filter: unknown, how: unknown] {
  if (!Array.isArray(pair) || pair.length !== 2)
    throw new ValueError('A pair must be [topic, qos or options].')
  return [pair[0], pair[1]]
}

function request(filter: unknown, how: unknown, five: boolean): SubscriptionRequest {
  checkFilter(filter)
  if (how instanceof SubscribeOptions) {
    if (!five) throw new ValueError('SubscribeOptions are for MQTT 5.')
    how.pack()
    const { QoS, noLocal, retainAsPublished, retainHandling } = how
    return {
      filter,
      qos: QoS as 0 | 1 | 2,
      noLocal,
      retainAsPublished,
      retainHandling: retainHandling as 0 | 1 | 2,
    }
  }
  if (typeof how !== 'number') throw new ValueError('Subscribe options must be SubscribeOptions or a QoS.')
  checkQos(how)
  return { filter, qos: how }
}

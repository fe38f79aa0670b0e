import { checkTopicFilter } from '../codec/check-topic.ts'
import type { QoS, SubscriptionRequest } from '../codec/packet.ts'
import { wrongOption } from '../errors.ts'
import { checkSome } from '../option-rules.ts'
import { isSharedFilter } from '../topic/topic-filter.ts'
import { consumerRules } from './consumer-options.ts'

/** How a filter is subscribed to: what SUBSCRIBE says about it. */
export interface FilterOptions {
  /** The most that the server may use. @default 0 */
  readonly qos?: QoS | undefined
  /** MQTT 5.0: not what this client has published itself. @default false */
  readonly noLocal?: boolean | undefined
  /** MQTT 5.0: keep the RETAIN flag that the publisher set. @default false */
  readonly retainAsPublished?: boolean | undefined
  /**
   * Which retained messages to send: 0 = those there are, 1 = only for a filter that nobody else of this client has,
   * 2 = none. On 3.x servers always send them; this client then leaves them out. @default 0
   */
  readonly retainHandling?: 0 | 1 | 2 | undefined
}

/** @throws OptionsError */
export function toSubscriptionRequest(
  filter: string,
  options: FilterOptions,
  path: string,
): SubscriptionRequest {
  checkTopicFilter(filter, path)
  checkSome(consumerRules, options)
  const { qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 } = options
  // MQTT 5.0 §3.8.3.1 [MQTT-3.8.3-4]
  if (noLocal && isSharedFilter(filter))
    throw wrongOption('noLocal', 'false for a shared subscription', String(noLocal))
  return { filter, qos, noLocal, retainAsPublished, retainHandling }
}

/**
 * What to ask the server for when several want the same filter, since it keeps one subscription per filter: the
 * highest QoS, and of each other option the choice that keeps nothing from anybody.
 */
export function mergeRequests(one: SubscriptionRequest, other: SubscriptionRequest): SubscriptionRequest {
  return {
    filter: one.filter,
    qos: Math.max(one.qos, other.qos) as QoS,
    noLocal: one.noLocal === true && other.noLocal === true,
    retainAsPublished: one.retainAsPublished === true || other.retainAsPublished === true,
    retainHandling: Math.min(one.retainHandling ?? 0, other.retainHandling ?? 0) as 0 | 1 | 2,
  }
}

/** Does the server's subscription do for a consumer that wants `wanted`? Retained messages apart. */
export function covers(present: SubscriptionRequest, wanted: SubscriptionRequest): boolean {
  return (
    present.qos >= wanted.qos &&
    present.noLocal === wanted.noLocal &&
    present.retainAsPublished === wanted.retainAsPublished
  )
}

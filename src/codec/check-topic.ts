import { topicField } from './field-stream.ts'
import { scratch } from './scratch.ts'
import { topicFilterRule } from './topic-rules.ts'

/**
 * Refuses what may not be published to, as a packet with it would be refused: an empty name, wildcards, U+0000, lone surrogates,
 * more than 65,535 bytes. Names are taken as they are: nothing is normalised. [MQTT-4.7.3-4]
 *
 * @param path - where the name was given, for the error
 * @throws OptionsError
 */
export function checkTopicName(topic: string, path = 'topic'): void {
  scratch.begin(0, 0)
  topicField(scratch, topic, path, '', '4.7.0-1')
}

/**
 * Refuses what may not be subscribed to: an empty filter, `#` that is not the whole last level, `+` that is not a
 * whole level, U+0000, lone surrogates, more than 65,535 bytes, and a `$share/` without a group name or filter: MQTT 3.1.1 knows
 * no shared subscriptions, but its servers that have them use the same form.
 *
 * @param path - where the filter was given, for the error
 * @throws OptionsError
 */
export function checkTopicFilter(filter: string, path = 'filter'): void {
  scratch.begin(0, 0)
  scratch.string(filter, path, '')
  const broken = topicFilterRule(filter, true)
  if (broken !== undefined) throw scratch.fault(0, path, ...broken, filter)
}

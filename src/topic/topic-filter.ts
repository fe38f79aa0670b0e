import { HASH, lengthFault, PLUS, SLASH, topicError, unitFault } from './topic-name.ts'

/** A Topic Filter taken apart. */
export interface TopicFilter {
  /** As it stands in SUBSCRIBE: with `$share/{group}/` when it is shared. */
  readonly filter: string
  /** The ShareName of a shared subscription. */
  readonly share: string | undefined
  /** What topics are matched against: the filter without `$share/{group}/`. */
  readonly pattern: string
  readonly hasWildcard: boolean
}

const SHARE = '$share/'

/**
 * Refuses what may not be subscribed to: an empty filter, `#` that is not the whole last level, `+` that is not a
 * whole level, U+0000, lone surrogates, more than 65,535 bytes, and a `$share` without a group name or filter.
 *
 * @param path where the filter was given, for the error
 * @throws OptionsError
 */
export function checkTopicFilter(filter: string, path = 'filter'): void {
  const fault = topicFilterFault(filter)
  if (fault !== undefined) throw topicError(filter, path, 'a topic filter', fault)
}

/** Whether a filter may be subscribed to; see {@link checkTopicFilter}. */
export function isTopicFilter(filter: string): boolean {
  return topicFilterFault(filter) === undefined
}

/**
 * Checks a filter and takes it apart.
 *
 * @throws OptionsError as {@link checkTopicFilter} does
 */
export function parseTopicFilter(filter: string, path = 'filter'): TopicFilter {
  checkTopicFilter(filter, path)
  const pattern = filterPattern(filter)
  const share = pattern === filter ? undefined : filter.slice(SHARE.length, -pattern.length - 1)
  return { filter, share, pattern, hasWildcard: hasWildcard(pattern) }
}

/** A valid filter without `$share/{group}/`: what topics are matched against. MQTT 5.0 §4.8.2 */
export function filterPattern(filter: string): string {
  if (!filter.startsWith(SHARE)) return filter
  const end = filter.indexOf('/', SHARE.length)
  return end === -1 ? filter : filter.slice(end + 1)
}

/** Whether a filter is a shared subscription, `$share/{group}/{filter}`. */
export function isSharedFilter(filter: string): boolean {
  return filter.startsWith(SHARE)
}

export function hasWildcard(pattern: string): boolean {
  return pattern.includes('+') || pattern.includes('#')
}

function topicFilterFault(filter: string): string | undefined {
  if (typeof filter !== 'string') return `is a ${typeof filter}, not a string`
  if (filter.length === 0) return 'is empty [MQTT-4.7.3-1]'
  let start = 0
  if (filter === '$share' || filter.startsWith(SHARE)) {
    // MQTT 3.1.1 knows no shared subscriptions, but its servers that have them use the same form.
    const end = filter.indexOf('/', SHARE.length)
    const name = end === -1 ? filter.slice(SHARE.length) : filter.slice(SHARE.length, end)
    if (name === '') return 'has no ShareName of at least one character [MQTT-4.8.2-1]'
    if (hasWildcard(name)) return 'has a wildcard in its ShareName [MQTT-4.8.2-2]'
    if (end === -1 || end === filter.length - 1) return 'has no filter after its ShareName [MQTT-4.8.2-2]'
    start = end + 1
  }
  for (let index = 0; index < filter.length; index++) {
    const unit = filter.charCodeAt(index)
    if (unit === HASH) {
      if (index !== filter.length - 1 || !startsLevel(filter, index, start)) {
        return `holds "#" at ${index}; it must be the whole last level [MQTT-4.7.1-1]`
      }
    } else if (unit === PLUS) {
      const endsLevel = index === filter.length - 1 || filter.charCodeAt(index + 1) === SLASH
      if (!endsLevel || !startsLevel(filter, index, start)) {
        return `holds "+" at ${index}; it must be a whole level [MQTT-4.7.1-2]`
      }
    } else if (unit === 0 || (unit & 0xf800) === 0xd800) {
      const fault = unitFault(filter, index)
      if (fault !== undefined) return fault
      index++
    }
  }
  return lengthFault(filter)
}

function startsLevel(filter: string, index: number, start: number): boolean {
  return index === start || filter.charCodeAt(index - 1) === SLASH
}

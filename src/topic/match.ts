import { DOLLAR, filterPattern, HASH, PLUS } from './topic-filter.ts'

/**
 * Whether a valid filter matches a topic name. `$share/{group}/` is ignored. A wildcard at the first level does not
 * match a topic that begins with `$` [MQTT-4.7.2-1]; `a/#` matches `a` too [MQTT-4.7.1-1].
 */
export function matchesFilter(filter: string, topic: string): boolean {
  return walk(filterPattern(filter), topic, undefined)
}

/**
 * What the wildcards of a filter stand for in a topic: one string for each `+`, in order, and for `#` the rest of
 * the topic (empty when `a/#` matched `a`). Undefined when the filter does not match.
 */
export function captureWildcards(filter: string, topic: string): string[] | undefined {
  const captured: string[] = []
  return walk(filterPattern(filter), topic, captured) ? captured : undefined
}

function walk(pattern: string, topic: string, captured: string[] | undefined): boolean {
  let at = 0
  let from = 0
  if (topic.charCodeAt(0) === DOLLAR) {
    const first = pattern.charCodeAt(0)
    if (first === PLUS || first === HASH) return false
  }
  // `from` runs one past the end of the topic when its levels are used up.
  for (;;) {
    const unit = pattern.charCodeAt(at)
    if (unit === HASH) {
      captured?.push(topic.slice(from))
      return true
    }
    if (from > topic.length) return false
    const topicEnd = levelEnd(topic, from)
    const patternEnd = levelEnd(pattern, at)
    if (unit === PLUS) captured?.push(topic.slice(from, topicEnd))
    else if (topicEnd - from !== patternEnd - at || !topic.startsWith(pattern.slice(at, patternEnd), from))
      return false
    at = patternEnd + 1
    from = topicEnd + 1
    if (patternEnd === pattern.length) return topicEnd === topic.length
  }
}

function levelEnd(text: string, from: number): number {
  const slash = text.indexOf('/', from)
  return slash === -1 ? text.length : slash
}

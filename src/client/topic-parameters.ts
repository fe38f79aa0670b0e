/**
 * What the wildcards of the first filter that fits have matched: one string per `+`, and for `#` the remaining levels as
 * one string (empty when it matched the parent level itself).
 */
export function readPlaceholders(filters: readonly string[], topic: string): readonly string[] {
  for (const filter of filters) {
    const values = matchPlaceholders(filter, topic)
    if (values !== undefined) return values
  }
  return []
}

/** `undefined` when the topic does not match the filter. */
export function matchPlaceholders(filter: string, topic: string): readonly string[] | undefined {
  const wanted = withoutShare(filter).split('/')
  const given = topic.split('/')
  const values: string[] = []
  for (let level = 0; level < wanted.length; level++) {
    const want = wanted[level]
    // MQTT 5.0 §4.7.2 [MQTT-4.7.2-1]: a leading wildcard does not match topics that begin with "$".
    if (level === 0 && (want === '#' || want === '+') && topic.startsWith('$')) return undefined
    if (want === '#') {
      values.push(given.slice(level).join('/'))
      return values
    }
    const have = given[level]
    if (have === undefined) return undefined
    if (want === '+') values.push(have)
    else if (want !== have) return undefined
  }
  return given.length === wanted.length ? values : undefined
}

/** `$share/group/a/b` subscribes to `a/b`. */
export function withoutShare(filter: string): string {
  if (!filter.startsWith('$share/')) return filter
  const group = filter.indexOf('/', '$share/'.length)
  return group === -1 ? filter : filter.slice(group + 1)
}

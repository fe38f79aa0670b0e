type Rule = readonly [statement: string, expected: string]

/**
 * The rule that a Topic Filter breaks; undefined = none.
 *
 * @param shared - whether `$share/` has a meaning, as it has in MQTT 5
 */
export function topicFilterRule(filter: string, shared: boolean): Rule | undefined {
  if (filter === '') return ['4.7.3-1', 'at least one character']
  let plain = filter
  if (shared && filter.startsWith('$share/')) {
    plain = /^\$share\/[^/+#]+\/(.+)/s.exec(filter)?.[1] ?? ''
    if (plain === '')
      return [/^\$share\/[^/]/.test(filter) ? '4.8.2-2' : '4.8.2-1', '$share/ShareName/filter']
  }
  if (plain.includes('#') && /#.|[^/]#/s.test(plain)) return ['4.7.1-1', '# to be the whole last level']
  if (plain.includes('+') && /[^/]\+|\+[^/]/.test(plain)) return ['4.7.1-2', '+ to be a whole level']
  return undefined
}

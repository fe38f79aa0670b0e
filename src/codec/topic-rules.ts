type Rule = readonly [statement: string, expected: string]

/**
 * The rule that a Topic Filter breaks; undefined = none.
 *
 * @param shared - MQTT 5, where `$share/` has a meaning
 */
export function topicFilterRule(filter: string, shared: boolean): Rule | undefined {
  if (filter === '') return ['4.7.3-1', 'at least one character']
  let plain = filter
  if (shared && filter.startsWith('$share/')) {
    plain = /^\$share\/[^/+#]+\/(.+)/s.exec(filter)?.[1] ?? ''
    if (plain === '') return [filter[7] === '/' ? '4.8.2-1' : '4.8.2-2', '$share/ShareName/filter']
  }
  if (plain.includes('#') && /#.|[^/]#/s.test(plain)) return ['4.7.1-1', '# to be the whole last level']
  if (plain.includes('+') && /[^/]\+|\+[^/]/.test(plain)) return ['4.7.1-2', '+ to be a whole level']
  return undefined
}

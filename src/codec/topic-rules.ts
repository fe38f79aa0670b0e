/**
 * What is wrong with a Topic Filter, in words that complete "expected ..."; undefined = nothing.
 *
 * @param shared - MQTT 5, where `$share/` has a meaning
 */
export function topicFilterFault(filter: string, shared: boolean): string | undefined {
  if (filter === '') return 'a Topic Filter of at least one character [MQTT-4.7.3-1]'
  let plain = filter
  if (shared && filter.startsWith('$share/')) {
    const slash = filter.indexOf('/', 7)
    const name = slash < 0 ? '' : filter.slice(7, slash)
    if (name === '' || /[+#]/.test(name))
      return 'a ShareName without wildcards after $share/ [MQTT-4.8.2-1] [MQTT-4.8.2-2]'
    plain = filter.slice(slash + 1)
    if (plain === '') return 'a Topic Filter after the ShareName [MQTT-4.8.2-2]'
  }
  for (let at = plain.indexOf('#'); at >= 0; at = plain.indexOf('#', at + 1)) {
    if (at !== plain.length - 1 || !(at === 0 || plain[at - 1] === '/')) {
      return '# alone in the last level of a Topic Filter [MQTT-4.7.1-1]'
    }
  }
  for (let at = plain.indexOf('+'); at >= 0; at = plain.indexOf('+', at + 1)) {
    const next = plain[at + 1]
    if (!(at === 0 || plain[at - 1] === '/') || !(next === undefined || next === '/')) {
      return '+ alone in a level of a Topic Filter [MQTT-4.7.1-2]'
    }
  }
  return undefined
}

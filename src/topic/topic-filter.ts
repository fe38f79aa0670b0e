export const PLUS = 0x2b
export const HASH = 0x23
export const SLASH = 0x2f
export const DOLLAR = 0x24

const SHARE = '$share/'

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

import { DOLLAR, filterPattern, hasWildcard, SLASH } from './topic-filter.ts'

/** Topics whose matches are remembered, and how often a topic is not among them before others take their turn. */
const REMEMBERED = 2048
const PATIENCE = 16 * REMEMBERED

/**
 * An index from Topic Filters to values, made for matching: filters without wildcards are one lookup of the whole
 * topic, the others a tree of their levels. What a match costs depends on the topic's length and on what matches,
 * not on how many filters there are: levels are found by a hash that is computed in place instead of being cut out of the topic.
 *
 * What the last topics have matched is remembered: in most programs the same ones come again and again, and many in the same
 * order, so that the one that came next is tried before any lookup.
 *
 * The hash needs no secret: only the user's own filters are stored under it, a server's topics merely look it up.
 */
export class SubscriptionTrie<T> {
  readonly #exact = new Map<string, T[]>()
  readonly #root = new TrieNode<T>('')
  #remembered: Map<string, Match<T>> | undefined
  /** Of the topic that came last. */
  #last: Match<T> | undefined
  /** Lookups that did not find a full memory to know their topic. */
  #misses = 0

  /** Adds a value under a valid filter; `$share/{group}/` is ignored. The same value may be added again. */
  add(filter: string, value: T): void {
    this.#forget()
    const pattern = filterPattern(filter)
    if (!hasWildcard(pattern)) {
      const values = this.#exact.get(pattern)
      if (values === undefined) this.#exact.set(pattern, [value])
      else values.push(value)
      return
    }
    let node = this.#root
    for (const level of pattern.split('/')) node = node.childOrNew(level)
    node.values.push(value)
  }

  /** Removes a value once. False when it was not there. */
  remove(filter: string, value: T): boolean {
    this.#forget()
    const pattern = filterPattern(filter)
    if (!hasWildcard(pattern)) {
      const values = this.#exact.get(pattern)
      if (values === undefined || !removeOnce(values, value)) return false
      if (values.length === 0) this.#exact.delete(pattern)
      return true
    }
    const path = [this.#root]
    for (const level of pattern.split('/')) {
      const child = path[path.length - 1]?.child(level)
      if (child === undefined) return false
      path.push(child)
    }
    const leaf = path[path.length - 1]
    if (leaf === undefined || !removeOnce(leaf.values, value)) return false
    for (let depth = path.length - 1; depth > 0; depth--) {
      const node = path[depth]
      if (node === undefined || !node.isEmpty) break
      path[depth - 1]?.drop(node)
    }
    return true
  }

  /**
   * The values of all filters that match a topic name. A value that was added under several of them is there several times.
   * A wildcard at the first level matches no topic that begins with `$`. [MQTT-4.7.2-1]
   */
  match(topic: string): readonly T[] {
    const follower = this.#last?.follower
    if (follower !== undefined && follower.topic === topic) {
      this.#last = follower
      return follower.values
    }
    // Also where all filters are topics: among thousands of them this is the smaller map, and has the very strings that are received.
    const known = this.#remembered?.get(topic)
    if (known === undefined) return this.#search(topic)
    if (this.#last !== undefined) this.#last.follower = known
    this.#last = known
    return known.values
  }

  #search(topic: string): readonly T[] {
    const found: T[] = []
    if (this.#exact.size > 0) append(this.#exact.get(topic), found)
    descend(this.#root, topic, 0, topic.charCodeAt(0) !== DOLLAR, found)
    if (this.#remembered?.size === REMEMBERED) {
      this.#misses++
      if (this.#misses < PATIENCE) return found
      this.#forget()
    }
    const last = this.#last?.values
    const values = last !== undefined && isSame(last, found) ? last : found
    const match = { topic, values, follower: undefined }
    if (this.#last !== undefined) this.#last.follower = match
    this.#last = match
    this.#remembered ??= new Map()
    this.#remembered.set(topic, match)
    return values
  }

  #forget(): void {
    this.#misses = 0
    this.#last = undefined
    this.#remembered = undefined
  }
}

/** What a topic has matched. */
interface Match<T> {
  readonly topic: string
  /** Those that match the same share a list. */
  readonly values: readonly T[]
  /** Of the topic that came next. */
  follower: Match<T> | undefined
}

class TrieNode<T> {
  readonly level: string
  readonly values: T[] = []
  /** `+` below this level. */
  plus: TrieNode<T> | undefined
  /** `#` below this level. */
  hash: TrieNode<T> | undefined
  /** The other levels by their hash; those that share one are chained by `next`. */
  literals: Map<number, TrieNode<T>> | undefined
  next: TrieNode<T> | undefined

  constructor(level: string) {
    this.level = level
  }

  get isEmpty(): boolean {
    return (
      this.values.length === 0 &&
      this.plus === undefined &&
      this.hash === undefined &&
      this.literals === undefined
    )
  }

  child(level: string): TrieNode<T> | undefined {
    if (level === '+') return this.plus
    if (level === '#') return this.hash
    let node = this.literals?.get(hashLevel(level))
    while (node !== undefined && node.level !== level) node = node.next
    return node
  }

  childOrNew(level: string): TrieNode<T> {
    const found = this.child(level)
    if (found !== undefined) return found
    const made = new TrieNode<T>(level)
    if (level === '+') this.plus = made
    else if (level === '#') this.hash = made
    else {
      this.literals ??= new Map()
      const hash = hashLevel(level)
      made.next = this.literals.get(hash)
      this.literals.set(hash, made)
    }
    return made
  }

  drop(child: TrieNode<T>): void {
    if (child === this.plus) this.plus = undefined
    else if (child === this.hash) this.hash = undefined
    else this.#dropLiteral(child)
  }

  #dropLiteral(child: TrieNode<T>): void {
    if (this.literals === undefined) return
    const hash = hashLevel(child.level)
    const first = this.literals.get(hash)
    if (first === child) {
      if (child.next !== undefined) this.literals.set(hash, child.next)
      else this.literals.delete(hash)
    } else {
      let node = first
      while (node !== undefined && node.next !== child) node = node.next
      if (node !== undefined) node.next = child.next
    }
    if (this.literals.size === 0) this.literals = undefined
  }
}

/**
 * Follows a topic down from `node`, whose levels end before `from`. A loop along the only way there is; where `+`
 * and a name are both there, `+` is followed by recursion, so that its depth is bounded by the number of filters.
 */
function descend<T>(node: TrieNode<T>, topic: string, from: number, wildcards: boolean, into: T[]): void {
  let at = node
  let start = from
  let allowed = wildcards
  for (;;) {
    if (allowed && at.hash !== undefined) append(at.hash.values, into)
    // One past the end: the topic is used up.
    if (start > topic.length) {
      append(at.values, into)
      return
    }
    const plus = allowed ? at.plus : undefined
    const literals = at.literals
    if (literals === undefined && plus === undefined) return
    let hash = HASH_START
    let end = start
    for (; end < topic.length; end++) {
      const unit = topic.charCodeAt(end)
      if (unit === SLASH) break
      hash = hashUnit(hash, unit)
    }
    let literal = literals?.get(hash & HASH_MASK)
    while (literal !== undefined && !isLevel(literal.level, topic, start, end)) literal = literal.next
    start = end + 1
    allowed = true
    if (literal === undefined) {
      if (plus === undefined) return
      at = plus
    } else {
      if (plus !== undefined) descend(plus, topic, start, true, into)
      at = literal
    }
  }
}

function isLevel(level: string, topic: string, start: number, end: number): boolean {
  return level.length === end - start && topic.startsWith(level, start)
}

/** FNV-1a over UTF-16 units, kept to 30 bits: a small integer on every engine, which a Map finds without allocating. */
const HASH_START = 0x811c9dc5 | 0
const HASH_MASK = 0x3fffffff

function hashUnit(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193)
}

function hashLevel(level: string): number {
  let hash = HASH_START
  for (let index = 0; index < level.length; index++) hash = hashUnit(hash, level.charCodeAt(index))
  return hash & HASH_MASK
}

function append<T>(values: readonly T[] | undefined, into: T[]): void {
  if (values === undefined) return
  for (const value of values) into.push(value)
}

function isSame<T>(one: readonly T[], other: readonly T[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index])
}

function removeOnce<T>(values: T[], value: T): boolean {
  const index = values.indexOf(value)
  if (index === -1) return false
  values.splice(index, 1)
  return true
}

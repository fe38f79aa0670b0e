import { KeyError } from './errors.ts'

/** One level of a filter. */
interface Node<T> {
  readonly children: Map<string, Node<T>>
  content: T | null
}

/** A map from topic filters to values that can be asked which of its filters match a topic. */
export class MQTTMatcher<T> {
  readonly #root: Node<T> = { children: new Map(), content: null }

  /** `null` as a value counts as not there. */
  set(key: string, value: T): void {
    let node = this.#root
    for (const level of key.split('/')) {
      let child = node.children.get(level)
      if (child === undefined) {
        child = { children: new Map(), content: null }
        node.children.set(level, child)
      }
      node = child
    }
    node.content = value
  }

  /** Throws `KeyError` for an unknown filter. */
  get(key: string): T {
    const content = this.#path(key).at(-1)?.content
    if (content === undefined || content === null) throw new KeyError(key)
    return content
  }

  /** Throws `KeyError` for an unknown filter. */
  delete(key: string): void {
    const path = this.#path(key)
    const node = path.at(-1)
    if (node === undefined || node.content === null) throw new KeyError(key)
    node.content = null
    const levels = key.split('/')
    // From the leaf up, as long as nothing else needs the level.
    for (let depth = levels.length; depth > 0; depth--) {
      const { children, content } = path[depth]!
      if (children.size > 0 || content !== null) return
      path[depth - 1]!.children.delete(levels[depth - 1]!)
    }
  }

  /** The values of all filters that match: at each level first the exact name, then `+`, then `#`. */
  iter_match(topic: string): IterableIterator<T> {
    return matches(this.#root, topic.split('/'), 0, topic.startsWith('$'))
  }

  /** The nodes from the root to the one of `key`; empty when there is none. */
  #path(key: string): Node<T>[] {
    const path = [this.#root]
    for (const level of key.split('/')) {
      const child = path.at(-1)!.children.get(level)
      if (child === undefined) return []
      path.push(child)
    }
    return path
  }
}

/** Whether a topic filter matches a topic. */
export function topic_matches_sub(sub: string, topic: string): boolean {
  const matcher = new MQTTMatcher<true>()
  matcher.set(sub, true)
  return matcher.iter_match(topic).next().done !== true
}

function* matches<T>(
  node: Node<T>,
  levels: string[],
  depth: number,
  reserved: boolean,
): Generator<T, void, undefined> {
  // [MQTT-4.7.2-1]: a filter that begins with a wildcard does not match a topic that begins with $.
  const wildcards = !reserved || depth > 0
  if (depth === levels.length) {
    if (node.content !== null) yield node.content
  } else {
    const exact = node.children.get(levels[depth]!)
    if (exact !== undefined) yield* matches(exact, levels, depth + 1, reserved)
    const plus = node.children.get('+')
    if (plus !== undefined && wildcards) yield* matches(plus, levels, depth + 1, reserved)
  }
  const hash = node.children.get('#')
  if (hash !== undefined && hash.content !== null && wildcards) yield hash.content
}

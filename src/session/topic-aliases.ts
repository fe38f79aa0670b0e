/** A topic shorter than this gains nothing: the alias property itself takes three bytes, and a byte of Property Length. */
const SHORTEST_WORTHWHILE_TOPIC = 5
/** A topic seen this often keeps its alias through this many misses of others. */
const HIGHEST_SCORE = 8

/**
 * The aliases we give to topics on one connection. [MQTT-3.3.2-8 and following] They die with it.
 *
 * Aliases are handed out until the server's maximum is reached; then a hand goes round the table, taking a point
 * from each alias it passes, and the first with none left gets the new topic. Topics that are used often win
 * points and stay; a flood of one-off topics moves the hand, not them.
 */
export class OutboundAliases {
  readonly #maximum: number
  readonly #aliases: Map<string, number> = new Map()
  readonly #topics: string[] = ['']
  readonly #scores: number[] = [0]
  #hand = 1
  /** Set by `assign`: the server knows the alias already, the topic may be left out. */
  isKnown: boolean = false

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** The alias to send with this topic; 0 = none. */
  assign(topic: string): number {
    this.isKnown = false
    if (topic.length < SHORTEST_WORTHWHILE_TOPIC) return 0
    const known = this.#aliases.get(topic)
    if (known !== undefined) {
      const score = this.#scores[known] ?? 0
      if (score < HIGHEST_SCORE) this.#scores[known] = score + 1
      this.isKnown = true
      return known
    }
    if (this.#topics.length <= this.#maximum) {
      this.#topics.push(topic)
      this.#scores.push(1)
      const alias = this.#topics.length - 1
      this.#aliases.set(topic, alias)
      return alias
    }
    const alias = this.#hand
    this.#hand = alias === this.#maximum ? 1 : alias + 1
    const score = this.#scores[alias] ?? 0
    if (score > 0) {
      this.#scores[alias] = score - 1
      return 0
    }
    this.#bind(alias, topic)
    return alias
  }

  /** The caller chose the alias; 1..maximum, checked before. */
  assignFixed(topic: string, alias: number): void {
    this.isKnown = this.#topics[alias] === topic
    if (this.isKnown) return
    while (this.#topics.length <= alias) {
      this.#topics.push('')
      this.#scores.push(0)
    }
    this.#bind(alias, topic)
    this.#scores[alias] = HIGHEST_SCORE
  }

  /** The packet that was to give this alias its topic was not written: whatever the server has under it, it is not that. */
  forget(alias: number): void {
    const topic = this.#topics[alias]
    if (topic !== undefined && this.#aliases.get(topic) === alias) this.#aliases.delete(topic)
    this.#topics[alias] = ''
    this.#scores[alias] = 0
  }

  #bind(alias: number, topic: string): void {
    const before = this.#topics[alias]
    if (before !== undefined && this.#aliases.get(before) === alias) this.#aliases.delete(before)
    this.#topics[alias] = topic
    this.#scores[alias] = 1
    this.#aliases.set(topic, alias)
  }
}

/** The aliases that the server gives on one connection, up to the Topic Alias Maximum of our CONNECT. */
export class InboundAliases {
  readonly maximum: number
  readonly #topics: (string | undefined)[] = []

  constructor(maximum: number) {
    this.maximum = maximum
  }

  set(alias: number, topic: string): void {
    while (this.#topics.length < alias) this.#topics.push(undefined)
    this.#topics[alias] = topic
  }

  get(alias: number): string | undefined {
    return this.#topics[alias]
  }
}

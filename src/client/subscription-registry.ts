import type { SubscriptionRequest } from '../codec/packet.ts'
import { reasonCodeText } from '../codec/reason-code.ts'
import { ClosedError, type MqttError, SubscribeError, UnsubscribeError } from '../errors.ts'
import type {
  FilterResult,
  SubscribeCommand,
  SubscribeOutcome,
  UnsubscribeCommand,
} from '../session/command.ts'
import { matchesFilter } from '../topic/match.ts'
import { SubscriptionTrie } from '../topic/subscription-trie.ts'
import { isSharedFilter } from '../topic/topic-filter.ts'
import { covers, mergeRequests } from './filter-options.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage, MessageOwner } from './message.ts'

/**
 * What is wanted from the server, per filter and with everybody who wants it. The server keeps one subscription per
 * client and filter, so claims on the same filter are merged, a later claim renews the subscription where it asks for more
 * (or for the retained messages), and the last to go unsubscribes.
 *
 * The session keeps what was asked for last and asks again when the server has lost it; here is who is told.
 */

/** Somebody who wants filters. */
export interface Claim {
  readonly requests: readonly SubscriptionRequest[]
  /** Once per filter, and again never. `reasonCode` is the granted QoS. */
  granted(filter: string, reasonCode: number): void
  /** The filter is not, or no longer, subscribed to. */
  refused(filter: string, error: MqttError): void
}

/** A claim that messages are handed to. */
export interface Consumer extends Claim, MessageOwner {
  accept(message: AnyMessage): void
  /** Takes no user code to `accept` a message, as long as it has room: it may get several in one go. */
  readonly isPassive: boolean
  /** Accepts the messages from one index to before another, and says which is the first that it has not taken. */
  acceptRun(messages: AnyMessage[], from: number, to: number): number
  /** Whether a retained message on this topic, sent because somebody subscribed, is for this consumer. */
  wantsRetained(message: AnyMessage, entry: FilterEntry): boolean
  /** The delivery that it was last looked at for, so that it sees each message once. */
  delivery: number
}

export class SubscriptionRegistry {
  readonly #host: ClientHost
  readonly #entries = new Map<string, FilterEntry>()
  readonly #byIdentifier = new Map<number, FilterEntry>()
  readonly #trie = new SubscriptionTrie<FilterEntry>()
  readonly #firstIdentifier: number
  #nextIdentifier: number
  /** How often anything has been asked for; tells consumers whether somebody came after them. */
  #subscribes = 0
  /** How the last `find` came to its entries. */
  route: Route = 0

  constructor(host: ClientHost) {
    this.#host = host
    // A kept session may hold identifiers of an earlier process. Three bytes on the wire, begun at random, keep the two apart.
    this.#firstIdentifier = 16_384 + Math.floor(host.clock.random() * 1_048_576)
    this.#nextIdentifier = this.#firstIdentifier
  }

  get subscribes(): number {
    return this.#subscribes
  }

  /** Registers a claim and asks the server for what it needs. */
  add(claim: Claim, consumer: Consumer | undefined): void {
    const asked: FilterEntry[] = []
    const granted: FilterEntry[] = []
    for (const request of claim.requests) {
      const entry = this.#entries.get(request.filter)
      if (entry === undefined) {
        const made = new FilterEntry(request, this.#nextIdentifier++)
        this.#entries.set(request.filter, made)
        this.#byIdentifier.set(made.identifier, made)
        this.#trie.add(request.filter, made)
        made.join(claim, consumer)
        asked.push(made)
      } else {
        entry.join(claim, consumer)
        if (entry.needsRenewal(request)) {
          entry.request = mergeRequests(entry.request, request)
          asked.push(entry)
        } else if (entry.round !== undefined) entry.round.waiting.push(claim)
        else granted.push(entry)
      }
    }
    if (asked.length > 0) this.#ask(asked, claim)
    for (const entry of granted) claim.granted(entry.filter, entry.grantedCode)
  }

  /**
   * Withdraws a claim. Filters that nobody wants any more are unsubscribed from; `settle` tells the outcome, at once when there is
   * nothing to ask.
   */
  remove(claim: Claim, settle: (outcome: SubscribeOutcome | MqttError | undefined) => void): void {
    const filters: string[] = []
    for (const { filter } of claim.requests) {
      const entry = this.#entries.get(filter)
      if (entry?.leave(claim) === true && !entry.isWanted) {
        this.#drop(entry)
        filters.push(filter)
      }
    }
    if (filters.length === 0) settle(undefined)
    else this.unsubscribe(filters, settle)
  }

  /** Sends an UNSUBSCRIBE whether or not this client has the filters: a kept session may. */
  unsubscribe(filters: readonly string[], settle: (outcome: SubscribeOutcome | MqttError) => void): void {
    this.#host.unsubscribe(new Unsubscribing(filters, settle))
  }

  /** Ends the plain claim on a filter. False when somebody else still wants it, so that the server must keep it. */
  removePlain(filter: string): boolean {
    const entry = this.#entries.get(filter)
    if (entry === undefined) return true
    entry.plain = undefined
    if (entry.isWanted) return false
    this.#drop(entry)
    return true
  }

  /**
   * Finds which filters a message is meant for: by its Subscription Identifiers where it has some, else by its topic. `route`
   * says how. What is found in the same way is most often the same list.
   */
  find(message: AnyMessage): readonly FilterEntry[] {
    const identifiers = message.subscriptionIdentifiers
    if (identifiers !== undefined) {
      let found: readonly FilterEntry[] = []
      let retired = false
      for (const identifier of identifiers) {
        const entry = this.#byIdentifier.get(identifier)
        if (entry !== undefined && this.#fits(entry, message)) {
          found = found.length === 0 ? entry.alone : [...found, entry]
        } else if (
          !this.#host.inherited &&
          identifier >= this.#firstIdentifier &&
          identifier < this.#nextIdentifier
        )
          retired = true
      }
      this.route = identifiers.length === 1 ? Route.copy : Route.single
      if (found.length > 0) return found
      this.route = Route.left
      // A copy for somebody who has gone: others have their own.
      if (retired) return found
    }
    this.route = Route.single
    return this.#trie.match(message.topic)
  }

  #fits(entry: FilterEntry, message: AnyMessage): boolean {
    // A session that is older than this process may deliver under identifiers that somebody else gave out.
    return this.#host.inherited !== true || matchesFilter(entry.filter, message.topic)
  }

  /** What the server said when the session asked again. */
  resubscribed(results: readonly FilterResult[]): void {
    for (const { filter, reasonCode } of results) {
      const entry = this.#entries.get(filter)
      if (entry === undefined) continue
      if (reasonCode < 0x80) entry.grantedCode = reasonCode
      else this.#refuse(entry, refusal(filter, reasonCode, undefined, 'after the session was lost'), [])
    }
  }

  #ask(entries: readonly FilterEntry[], claim: Claim | undefined): void {
    this.#subscribes += 1
    // One SUBSCRIBE has one identifier, so a packet per filter, unless the server is known to have none.
    const together = this.#host.limits?.subscriptionIdentifiersAvailable === false
    if (together) this.#send(entries, 0, claim)
    else for (const entry of entries) this.#send([entry], entry.identifier, claim)
  }

  #send(entries: readonly FilterEntry[], identifier: number, claim: Claim | undefined): void {
    const round = new Round(this, entries, identifier)
    if (claim !== undefined) round.waiting.push(claim)
    for (const entry of entries) {
      // Whoever waited for the SUBSCRIBE before is answered by this one, which supersedes it.
      if (entry.round !== undefined) for (const early of entry.round.waiting) round.adopt(early)
      entry.round = round
      entry.retainedSeen = false
    }
    this.#host.subscribe(round)
  }

  /** @internal */
  settleRound(round: Round, outcome: SubscribeOutcome | MqttError): void {
    // The client is closed: everybody is told by `MessageRouter.end`, in peace.
    if (outcome instanceof ClosedError) return
    for (const [index, entry] of round.entries.entries()) {
      if (entry.round !== round) continue
      entry.round = undefined
      const waiting = round.waiting.filter((claim) => requestFor(claim, entry.filter) !== undefined)
      const reasonCode = outcome instanceof Error ? 0x80 : (outcome.results[index]?.reasonCode ?? 0x80)
      if (reasonCode < 0x80) {
        entry.grantedCode = reasonCode
        for (const claim of waiting) claim.granted(entry.filter, reasonCode)
        continue
      }
      const error =
        outcome instanceof Error
          ? outcome
          : refusal(entry.filter, reasonCode, outcome.properties?.reasonString, undefined, outcome)
      // Given up before the answer: nobody but those who wait for it is concerned.
      if (this.#entries.get(entry.filter) === entry) this.#refuseRound(entry, waiting, error)
      else for (const claim of waiting) claim.refused(entry.filter, error)
    }
  }

  /** A renewal that is refused ends those who asked for it; for the others the old subscription is asked for again. */
  #refuseRound(entry: FilterEntry, rejected: readonly Claim[], error: MqttError): void {
    const others = entry.claims().filter((claim) => !rejected.includes(claim))
    if (rejected.length === 0 || others.length === 0 || this.#host.ended !== undefined) {
      this.#refuse(entry, error, rejected)
      return
    }
    for (const claim of rejected) {
      entry.leave(claim)
      claim.refused(entry.filter, error)
    }
    entry.request = others.flatMap((claim) => requestFor(claim, entry.filter) ?? []).reduce(mergeRequests)
    this.#ask([entry], undefined)
  }

  #refuse(entry: FilterEntry, error: MqttError, waiting: readonly Claim[]): void {
    this.#drop(entry)
    for (const claim of new Set([...entry.claims(), ...waiting])) claim.refused(entry.filter, error)
  }

  #drop(entry: FilterEntry): void {
    this.#entries.delete(entry.filter)
    this.#byIdentifier.delete(entry.identifier)
    this.#trie.remove(entry.filter, entry)
  }
}

/** How `find` came to its entries. */
export const Route = {
  /** The one copy of the message: everybody it fits is in the list. */
  single: 0,
  /** A copy made for one filter; the server sends others for other filters. */
  copy: 1,
  /** A copy made for a filter that was left since, even if somebody wants the same filter again. */
  left: 2,
} as const
export type Route = (typeof Route)[keyof typeof Route]

/** One filter, and who wants it. */
export class FilterEntry {
  readonly filter: string
  readonly filters: readonly string[]
  readonly alone: readonly FilterEntry[] = [this]
  readonly identifier: number
  /** Replaced when somebody comes or goes: most filters have one for ever, and what grows has room for seventeen. */
  consumers: readonly Consumer[] = []
  /** The claim of `subscribe()`: its messages go to the `message` event. */
  plain: Claim | undefined
  /** What the server was asked for last. */
  request: SubscriptionRequest
  grantedCode = 0
  /** The SUBSCRIBE that has not been answered yet. */
  round: Round | undefined
  /** A retained message has come since that SUBSCRIBE. */
  retainedSeen = false
  /** Owner of messages under this filter that listeners of the `message` event have; made by the router. */
  listeners: MessageOwner | undefined

  constructor(request: SubscriptionRequest, identifier: number) {
    this.filter = request.filter
    this.filters = [request.filter]
    this.identifier = identifier
    this.request = request
  }

  /** The one who wants it, when there is one and no plain claim. */
  get only(): Consumer | undefined {
    return this.consumers.length === 1 && this.plain === undefined ? this.consumers[0] : undefined
  }

  get isWanted(): boolean {
    return this.consumers.length > 0 || this.plain !== undefined
  }

  claims(): Claim[] {
    return this.plain === undefined ? [...this.consumers] : [...this.consumers, this.plain]
  }

  join(claim: Claim, consumer: Consumer | undefined): void {
    if (consumer === undefined) this.plain = claim
    else this.consumers = [...this.consumers, consumer]
  }

  /** False when it was not there. */
  leave(claim: Claim): boolean {
    if (this.plain === claim) {
      this.plain = undefined
      return true
    }
    const before = this.consumers.length
    this.consumers = this.consumers.filter((consumer) => consumer !== claim)
    return this.consumers.length < before
  }

  /** Does a newcomer need a SUBSCRIBE of its own? */
  needsRenewal(wanted: SubscriptionRequest): boolean {
    if (!covers(this.request, mergeRequests(this.request, wanted))) return true
    if (wanted.retainHandling !== 0 || isSharedFilter(this.filter)) return false
    // The one under way brings the retained messages to the newcomer too, if none of them has passed already.
    return this.round === undefined || this.retainedSeen || this.request.retainHandling !== 0
  }
}

/** A SUBSCRIBE from here to its answer. */
class Round implements SubscribeCommand {
  readonly entries: readonly FilterEntry[]
  readonly filters: readonly SubscriptionRequest[]
  readonly subscriptionIdentifier: number
  /** The claims that wait for this answer. */
  readonly waiting: Claim[] = []
  readonly #registry: SubscriptionRegistry

  constructor(
    registry: SubscriptionRegistry,
    entries: readonly FilterEntry[],
    subscriptionIdentifier: number,
  ) {
    this.#registry = registry
    this.entries = entries
    this.filters = entries.map((entry) => entry.request)
    this.subscriptionIdentifier = subscriptionIdentifier
  }

  adopt(claim: Claim): void {
    if (!this.waiting.includes(claim)) this.waiting.push(claim)
  }

  settle(outcome: SubscribeOutcome | MqttError): void {
    this.#registry.settleRound(this, outcome)
  }
}

class Unsubscribing implements UnsubscribeCommand {
  readonly filters: readonly string[]
  readonly settle: (outcome: SubscribeOutcome | MqttError) => void

  constructor(filters: readonly string[], settle: (outcome: SubscribeOutcome | MqttError) => void) {
    this.filters = filters
    this.settle = settle
  }
}

function requestFor(claim: Claim, filter: string): SubscriptionRequest | undefined {
  return claim.requests.find((request) => request.filter === filter)
}

function refusal(
  filter: string,
  reasonCode: number,
  reasonString: string | undefined,
  when: string | undefined,
  outcome?: SubscribeOutcome,
): SubscribeError {
  const again = when === undefined ? '' : ` ${when}`
  const detail = reasonString === undefined ? '' : ` ("${reasonString}")`
  return new SubscribeError(
    `The server refused the subscription to "${filter}"${again}: ${reasonCodeText(reasonCode)}${detail}`,
    { filter, reasonCode, reasonString, userProperties: outcome?.properties?.userProperties },
  )
}

export function unsubscribeRefusal(filter: string, reasonCode: number): UnsubscribeError {
  return new UnsubscribeError(`The server refused to end "${filter}": ${reasonCodeText(reasonCode)}`, {
    filter,
    reasonCode,
  })
}

import type { SubscriptionRequest, UserProperties } from '../codec/packet.ts'
import type { SubscribeCommand } from './command.ts'

/** One filter as it is wanted. */
interface Wanted {
  readonly request: SubscriptionRequest
  readonly subscriptionIdentifier: number
  readonly userProperties: UserProperties | undefined
}

/**
 * The subscriptions that should exist: what has been asked for and not been taken back or refused.
 * When the server has no session, they are asked for again.
 */
export class Subscriptions {
  readonly #wanted: Map<string, Wanted> = new Map()

  want(command: SubscribeCommand): void {
    const { subscriptionIdentifier, userProperties } = command
    for (const request of command.filters) {
      this.#wanted.set(request.filter, { request, subscriptionIdentifier, userProperties })
    }
  }

  /** Refused: it is not wanted any more, unless another command has asked for the filter since. */
  refused(request: SubscriptionRequest): void {
    if (this.#wanted.get(request.filter)?.request === request) this.#wanted.delete(request.filter)
  }

  unwant(filters: readonly string[]): void {
    for (const filter of filters) this.#wanted.delete(filter)
  }

  clear(): void {
    this.#wanted.clear()
  }

  /**
   * Everything wanted but `except`, as few commands as the Subscription Identifiers allow: one identifier goes
   * for a whole SUBSCRIBE. User Properties belonged to the first SUBSCRIBE and go again with it.
   */
  commands(except: ReadonlySet<string>, settle: SubscribeCommand['settle']): SubscribeCommand[] {
    const groups = new Map<string, SubscribeCommand & { readonly filters: SubscriptionRequest[] }>()
    for (const [filter, { request, subscriptionIdentifier, userProperties }] of this.#wanted) {
      if (except.has(filter)) continue
      const key = `${subscriptionIdentifier} ${userProperties === undefined ? '' : JSON.stringify(userProperties)}`
      const group = groups.get(key)
      if (group === undefined)
        groups.set(key, { filters: [request], subscriptionIdentifier, userProperties, settle })
      else group.filters.push(request)
    }
    return [...groups.values()]
  }
}

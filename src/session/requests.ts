import type { SubackPacket, SubscriptionRequest, UnsubackPacket } from '../codec/packet.ts'
import type { MqttError } from '../errors.ts'
import type { FilterResult, SubscribeCommand, UnsubscribeCommand } from './command.ts'
import { Fifo } from './fifo.ts'

/**
 * One SUBSCRIBE or UNSUBSCRIBE packet: a whole command, or the part of one that was split because it would
 * have exceeded the server's Maximum Packet Size.
 */
export type RequestPart = SubscribePart | UnsubscribePart

export interface SubscribePart {
  readonly kind: 'subscribe'
  readonly request: PendingRequest<SubscribeCommand>
  readonly filters: readonly SubscriptionRequest[]
  /** Index of each of `filters` in the command. */
  readonly indexes: readonly number[]
}

export interface UnsubscribePart {
  readonly kind: 'unsubscribe'
  readonly request: PendingRequest<UnsubscribeCommand>
  readonly filters: readonly string[]
  readonly indexes: readonly number[]
}

/** A command with the answers that have come so far. */
export class PendingRequest<Command extends SubscribeCommand | UnsubscribeCommand> {
  readonly command: Command
  readonly #results: (FilterResult | undefined)[]
  #missing: number
  #settled = false

  constructor(command: Command) {
    this.command = command
    this.#results = new Array(command.filters.length).fill(undefined)
    this.#missing = command.filters.length
  }

  /** Enters the answer for one filter; with the last one the command is settled. */
  answer(index: number, filter: string, reasonCode: number, properties: SubackPacket['properties']): void {
    if (this.#settled || this.#results[index] !== undefined) return
    this.#results[index] = { filter, reasonCode }
    this.#missing--
    if (this.#missing > 0) return
    this.#settled = true
    this.command.settle({ results: this.#results as FilterResult[], properties })
  }

  fail(error: MqttError): void {
    if (this.#settled) return
    this.#settled = true
    this.command.settle(error)
  }
}

/** SUBSCRIBE and UNSUBSCRIBE packets that wait to be sent, in their order, and those that wait for their answer. */
export class Requests {
  #waiting: Fifo<RequestPart> = new Fifo()
  /** With their packet ids. */
  readonly #unanswered: Map<RequestPart, number> = new Map()

  get waiting(): number {
    return this.#waiting.size
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0 && this.#unanswered.size === 0
  }

  add(part: RequestPart): void {
    this.#waiting.push(part)
  }

  /** Puts a part in front of all others. */
  addFirst(...parts: readonly RequestPart[]): void {
    const later = this.#waiting
    this.#waiting = new Fifo()
    for (const part of parts) this.#waiting.push(part)
    for (const part of later) this.#waiting.push(part)
  }

  peek(): RequestPart | undefined {
    return this.#waiting.peek()
  }

  shift(): RequestPart | undefined {
    return this.#waiting.shift()
  }

  sent(part: RequestPart, packetId: number): void {
    this.#unanswered.set(part, packetId)
  }

  answered(part: RequestPart): void {
    this.#unanswered.delete(part)
  }

  /**
   * The connection is gone: what was not answered is to be sent again, before what was never sent.
   * Gives the packet ids that are free now.
   */
  connectionLost(): readonly number[] {
    if (this.#unanswered.size === 0) return []
    const ids = [...this.#unanswered.values()]
    this.addFirst(...this.#unanswered.keys())
    this.#unanswered.clear()
    return ids
  }

  /** The filters that waiting SUBSCRIBEs will ask for. */
  filtersToSubscribe(): Set<string> {
    const filters = new Set<string>()
    for (const part of this.#waiting) {
      if (part.kind === 'subscribe') for (const { filter } of part.filters) filters.add(filter)
    }
    return filters
  }

  /**
   * The server has no session: there is nothing to unsubscribe but what a SUBSCRIBE before it in the queue will ask for.
   * Gives the parts that were taken out.
   */
  takeVoidUnsubscribes(): readonly RequestPart[] {
    const before = this.#waiting
    this.#waiting = new Fifo()
    const subscribed = new Set<string>()
    const taken: RequestPart[] = []
    for (const part of before) {
      if (part.kind === 'subscribe') for (const { filter } of part.filters) subscribed.add(filter)
      else if (!part.filters.some((filter) => subscribed.has(filter))) {
        taken.push(part)
        continue
      }
      this.#waiting.push(part)
    }
    return taken
  }

  failAll(error: MqttError): void {
    this.connectionLost()
    const parts = [...this.#waiting]
    this.#waiting = new Fifo()
    for (const part of parts) part.request.fail(error)
  }
}

export function firstPart(request: PendingRequest<SubscribeCommand>): SubscribePart {
  return {
    kind: 'subscribe',
    request,
    filters: request.command.filters,
    indexes: request.command.filters.map((_, i) => i),
  }
}

export function firstUnsubscribePart(request: PendingRequest<UnsubscribeCommand>): UnsubscribePart {
  return {
    kind: 'unsubscribe',
    request,
    filters: request.command.filters,
    indexes: request.command.filters.map((_, i) => i),
  }
}

/** Two halves of a part that is too large for one packet. It must have at least two filters. */
export function split(part: RequestPart): readonly [RequestPart, RequestPart] {
  const half = part.filters.length >> 1
  const cut = (from: number, to: number) =>
    ({ ...part, filters: part.filters.slice(from, to), indexes: part.indexes.slice(from, to) }) as RequestPart
  return [cut(0, half), cut(half, part.filters.length)]
}

/** The topic filter of the n-th entry. */
export function filterAt(part: RequestPart, n: number): string {
  return part.kind === 'subscribe' ? (part.filters[n]?.filter ?? '') : (part.filters[n] ?? '')
}

export function answer(part: RequestPart, packet: SubackPacket | UnsubackPacket): void {
  for (let n = 0; n < part.filters.length; n++) {
    // UNSUBACK of 3.x has no codes: it means success.
    part.request.answer(
      part.indexes[n] ?? 0,
      filterAt(part, n),
      packet.reasonCodes[n] ?? 0,
      packet.properties,
    )
  }
}

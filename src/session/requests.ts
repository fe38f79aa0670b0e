import type { AckProperties } from '../codec/packet.ts'
import type { MqttError } from '../errors.ts'
import type { FilterResult, SubscribeCommand, UnsubscribeCommand } from './command.ts'
import { Fifo } from './fifo.ts'

/** A command with the answers that have come so far. */
export class PendingRequest {
  readonly command: SubscribeCommand | UnsubscribeCommand
  readonly #results: (FilterResult | undefined)[]
  /** Filters without an answer; 0 = the command is settled. */
  #missing: number

  constructor(command: SubscribeCommand | UnsubscribeCommand) {
    this.command = command
    this.#results = new Array(command.filters.length).fill(undefined)
    this.#missing = command.filters.length
  }

  filterAt(place: number): string {
    const asked = this.command.filters[place] ?? ''
    return typeof asked === 'string' ? asked : asked.filter
  }

  /** Enters the answer for one filter; with the last one the command is settled. */
  answer(place: number, reasonCode: number, properties?: AckProperties): void {
    if (this.#missing === 0 || this.#results[place] !== undefined) return
    this.#results[place] = { filter: this.filterAt(place), reasonCode }
    this.#missing--
    if (this.#missing === 0) this.command.settle({ results: this.#results as FilterResult[], properties })
  }

  fail(error: MqttError): void {
    if (this.#missing === 0) return
    this.#missing = 0
    this.command.settle(error)
  }
}

/**
 * One SUBSCRIBE or UNSUBSCRIBE packet: a whole command, or the part of one that was split because it would
 * have exceeded the server's Maximum Packet Size.
 */
export class RequestPart {
  readonly kind: 'subscribe' | 'unsubscribe'
  readonly request: PendingRequest
  /** Which filters of the command it asks for, by their places there. */
  readonly places: readonly number[]

  constructor(request: PendingRequest, places: readonly number[] = [...request.command.filters.keys()]) {
    this.kind = 'subscriptionIdentifier' in request.command ? 'subscribe' : 'unsubscribe'
    this.request = request
    this.places = places
  }

  get filters(): string[] {
    return this.places.map((place) => this.request.filterAt(place))
  }

  /** Two halves, for what is too large for one packet. It must have at least two filters. */
  split(): readonly [RequestPart, RequestPart] {
    const half = this.places.length >> 1
    const { request, places } = this
    return [new RequestPart(request, places.slice(0, half)), new RequestPart(request, places.slice(half))]
  }

  /** One answer for all of its filters. */
  answerAll(reasonCode: number): void {
    for (const place of this.places) this.request.answer(place, reasonCode)
  }
}

/** SUBSCRIBE and UNSUBSCRIBE packets that wait to be sent, in their order, and those that wait for their answer. */
export class Requests {
  #waiting: Fifo<RequestPart> = new Fifo()
  /** With their packet ids. */
  #unanswered: Map<RequestPart, number> | undefined = undefined

  get waiting(): number {
    return this.#waiting.size
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0 && this.#unanswered === undefined
  }

  add(part: RequestPart): void {
    this.#waiting.push(part)
  }

  /** Puts parts in front of all others. */
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
    this.#unanswered ??= new Map()
    this.#unanswered.set(part, packetId)
  }

  answered(part: RequestPart): void {
    this.#unanswered?.delete(part)
    if (this.#unanswered?.size === 0) this.#unanswered = undefined
  }

  /**
   * The connection is gone: what was not answered is to be sent again, before what was never sent.
   * Gives the packet ids that are free now.
   */
  connectionLost(): readonly number[] {
    const unanswered = this.#unanswered
    if (unanswered === undefined) return []
    this.#unanswered = undefined
    this.addFirst(...unanswered.keys())
    return [...unanswered.values()]
  }

  /**
   * The server has no session: there is nothing to unsubscribe but what a SUBSCRIBE before it in the queue will ask for.
   * Answers the others with this code. Gives the filters that will be asked for.
   */
  settleVoidUnsubscribes(reasonCode: number): Set<string> {
    const before = this.#waiting
    this.#waiting = new Fifo()
    const subscribed = new Set<string>()
    const settled: RequestPart[] = []
    for (const part of before) {
      const { filters } = part
      if (part.kind === 'subscribe') for (const filter of filters) subscribed.add(filter)
      else if (!filters.some((filter) => subscribed.has(filter))) {
        settled.push(part)
        continue
      }
      this.#waiting.push(part)
    }
    for (const part of settled) part.answerAll(reasonCode)
    return subscribed
  }

  failAll(error: MqttError): void {
    this.connectionLost()
    const parts = [...this.#waiting]
    this.#waiting = new Fifo()
    for (const part of parts) part.request.fail(error)
  }
}

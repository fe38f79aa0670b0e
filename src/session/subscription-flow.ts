import type { Packet, SubackPacket, UnsubackPacket } from '../codec/packet.ts'
import { encodeSubscribe } from '../codec/subscribe.ts'
import { encodeUnsubscribe } from '../codec/unsubscribe.ts'
import type { MqttError } from '../errors.ts'
import type { FilterResult, SubscribeCommand, UnsubscribeCommand } from './command.ts'
import type { Connection } from './connection.ts'
import type { Limits } from './limits.ts'
import type { PacketIds } from './packet-ids.ts'
import {
  answer,
  filterAt,
  firstPart,
  firstUnsubscribePart,
  PendingRequest,
  type RequestPart,
  Requests,
  type SubscribePart,
  split,
} from './requests.ts'
import { Subscriptions } from './subscriptions.ts'
import { violation } from './violation.ts'
import type { Wire } from './wire.ts'

const WILDCARDS_NOT_SUPPORTED = 0xa2
const SHARED_NOT_SUPPORTED = 0x9e
const PACKET_TOO_LARGE = 0x95
const NO_SUBSCRIPTION_EXISTED = 0x11

/**
 * SUBSCRIBE and UNSUBSCRIBE: what is wanted, what waits to be asked for, and what waits for its answer.
 * A command is settled by the answers to its packets, however often they had to be sent.
 */
export class SubscriptionFlow {
  readonly #requests = new Requests()
  readonly #wanted = new Subscriptions()
  readonly #ids: PacketIds<RequestPart | object>
  readonly #wire: Wire

  constructor(ids: PacketIds<RequestPart | object>, wire: Wire) {
    this.#ids = ids
    this.#wire = wire
  }

  get isIdle(): boolean {
    return this.#requests.isEmpty
  }

  get hasWaiting(): boolean {
    return this.#requests.waiting > 0
  }

  subscribe(command: SubscribeCommand): void {
    this.#wanted.want(command)
    this.#requests.add(firstPart(new PendingRequest(command)))
  }

  unsubscribe(command: UnsubscribeCommand, online: boolean, mayResume: boolean): void {
    this.#wanted.unwant(command.filters)
    const part = firstUnsubscribePart(new PendingRequest(command))
    if (online || mayResume || this.#requests.waiting > 0) this.#requests.add(part)
    // Whoever unsubscribes offline need not wait: nothing will be delivered any more, and the server is told later.
    if (!online) answerAll(part, NO_SUBSCRIPTION_EXISTED)
  }

  /** Sends what waits, as far as packet ids go. */
  pump(connection: Connection): void {
    const { limits } = connection
    if (limits === undefined) return
    for (let part = this.#requests.peek(); part !== undefined; part = this.#requests.peek()) {
      if (part.kind === 'subscribe' && this.#refuseFilters(part, limits)) continue
      const id = this.#ids.allocate(part)
      if (id === 0) return
      this.#requests.shift()
      if (this.#write(connection, part, id) > 0) {
        this.#requests.sent(part, id)
        continue
      }
      this.#ids.release(id)
      if (part.filters.length > 1) this.#requests.addFirst(...split(part))
      else answerAll(part, PACKET_TOO_LARGE)
    }
  }

  /** SUBACK or UNSUBACK. An answer to nothing that is known is ignored. */
  answered(
    connection: Connection,
    packet: SubackPacket | UnsubackPacket,
    holder: RequestPart | object | undefined,
  ): void {
    if (holder === undefined || !('kind' in holder)) return
    const part = holder
    const name = packet.type.toUpperCase()
    if (packet.type !== (part.kind === 'subscribe' ? 'suback' : 'unsuback')) {
      throw violation(name, `${name} answers ${part.kind.toUpperCase()}`, 'MQTT-2.2.1-6', {
        field: 'Packet Identifier',
      })
    }
    const hasCodes = packet.type === 'suback' || connection.connect.protocolVersion === 5
    if (hasCodes && packet.reasonCodes.length !== part.filters.length) {
      throw violation(
        name,
        `${name} with ${packet.reasonCodes.length} reason codes for ${part.filters.length} filters`,
        packet.type === 'suback' ? 'MQTT-3.8.4-6' : 'MQTT-3.11.3-2',
        { field: 'Reason Codes' },
      )
    }
    this.#ids.release(packet.packetId)
    this.#requests.answered(part)
    if (part.kind === 'subscribe') {
      part.filters.forEach((request, n) => {
        if ((packet.reasonCodes[n] ?? 0) >= 0x80) this.#wanted.refused(request)
      })
    }
    answer(part, packet)
    this.pump(connection)
  }

  connectionLost(): void {
    for (const id of this.#requests.connectionLost()) this.#ids.release(id)
  }

  /** The server has no session: asks again for everything wanted that no waiting command asks for anyway. */
  startNewSession(resubscribe: boolean, onResubscribed: (results: readonly FilterResult[]) => void): void {
    if (!resubscribe) this.#wanted.clear()
    for (const part of this.#requests.takeVoidUnsubscribes()) answerAll(part, NO_SUBSCRIPTION_EXISTED)
    const commands = this.#wanted.commands(this.#requests.filtersToSubscribe(), (outcome) => {
      if ('results' in outcome) onResubscribed(outcome.results)
    })
    this.#requests.addFirst(...commands.map((command) => firstPart(new PendingRequest(command))))
  }

  fail(error: MqttError): void {
    this.#wanted.clear()
    for (const id of this.#requests.connectionLost()) this.#ids.release(id)
    this.#requests.failAll(error)
  }

  #write(connection: Connection, part: RequestPart, packetId: number): number {
    const { protocolVersion } = connection.connect
    const { userProperties } = part.request.command
    const user = userProperties === undefined ? {} : { userProperties }
    let packet: Packet
    let written: number
    if (part.kind === 'unsubscribe') {
      packet = { type: 'unsubscribe', packetId, filters: part.filters, properties: user }
      written = encodeUnsubscribe(this.#wire.output, protocolVersion, packet)
    } else {
      const { subscriptionIdentifier } = part.request.command
      const identified =
        subscriptionIdentifier > 0 && connection.limits?.subscriptionIdentifiersAvailable === true
      const properties = identified ? { ...user, subscriptionIdentifier } : user
      packet = { type: 'subscribe', packetId, filters: part.filters, properties }
      written = encodeSubscribe(this.#wire.output, protocolVersion, packet)
    }
    if (written > 0) this.#wire.sent(packet)
    return written
  }

  /**
   * Answers those filters of the first waiting part that the server has said it does not take, and leaves the others.
   * True when the queue has changed and is to be looked at again.
   */
  #refuseFilters(part: SubscribePart, limits: Limits): boolean {
    if (limits.wildcardSubscriptionAvailable && limits.sharedSubscriptionAvailable) return false
    const codes = part.filters.map(({ filter }) => refusalOf(filter, limits))
    if (codes.every((code) => code === 0)) return false
    this.#requests.shift()
    const kept = part.filters.flatMap((request, n) =>
      codes[n] === 0 ? [{ request, index: part.indexes[n] ?? 0 }] : [],
    )
    if (kept.length > 0) {
      const filters = kept.map(({ request }) => request)
      this.#requests.addFirst({ ...part, filters, indexes: kept.map(({ index }) => index) })
    }
    part.filters.forEach((request, n) => {
      const code = codes[n] ?? 0
      if (code === 0) return
      this.#wanted.refused(request)
      part.request.answer(part.indexes[n] ?? 0, request.filter, code, undefined)
    })
    return true
  }
}

/** The code with which the server would have to refuse the filter, by its own CONNACK; 0 = none. */
function refusalOf(filter: string, limits: Limits): number {
  if (!limits.sharedSubscriptionAvailable && filter.startsWith('$share/')) return SHARED_NOT_SUPPORTED
  if (!limits.wildcardSubscriptionAvailable && /[+#]/.test(filter)) return WILDCARDS_NOT_SUPPORTED
  return 0
}

function answerAll(part: RequestPart, reasonCode: number): void {
  for (let n = 0; n < part.filters.length; n++) {
    part.request.answer(part.indexes[n] ?? 0, filterAt(part, n), reasonCode, undefined)
  }
}

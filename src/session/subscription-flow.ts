import type { AckProperties, Packet, SubackPacket, UnsubackPacket } from '../codec/packet.ts'
import { encodeSubscribe } from '../codec/subscribe.ts'
import { encodeUnsubscribe } from '../codec/unsubscribe.ts'
import type { MqttError } from '../errors.ts'
import type { FilterResult, SubscribeCommand, UnsubscribeCommand } from './command.ts'
import type { Connection } from './connection.ts'
import type { Limits } from './limits.ts'
import type { PacketIds } from './packet-ids.ts'
import { PendingRequest, RequestPart, Requests } from './requests.ts'
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

  subscribe(command: SubscribeCommand): void {
    this.#wanted.want(command)
    this.#requests.add(new RequestPart(new PendingRequest(command)))
  }

  unsubscribe(command: UnsubscribeCommand, online: boolean, mayResume: boolean): void {
    this.#wanted.unwant(command.filters)
    const part = new RequestPart(new PendingRequest(command))
    if (online || mayResume || this.#requests.waiting > 0) this.#requests.add(part)
    // Whoever unsubscribes offline need not wait: nothing will be delivered any more, and the server is told later.
    if (!online) part.answerAll(NO_SUBSCRIPTION_EXISTED)
  }

  /** Sends what waits, as far as packet ids go. */
  pump(connection: Connection): void {
    const { limits } = connection
    if (limits === undefined) return
    for (let part = this.#requests.peek(); part !== undefined; part = this.#requests.peek()) {
      if (this.#refuseFilters(part, limits)) continue
      const id = this.#ids.allocate(part)
      if (id === 0) return
      this.#requests.shift()
      if (this.#write(connection, part, id) > 0) {
        this.#requests.sent(part, id)
        continue
      }
      this.#ids.release(id)
      if (part.places.length > 1) this.#requests.addFirst(...part.split())
      else part.answerAll(PACKET_TOO_LARGE)
    }
  }

  /** SUBACK or UNSUBACK. An answer to nothing that is known is ignored. */
  answered(
    connection: Connection,
    packet: SubackPacket | UnsubackPacket,
    holder: RequestPart | object | undefined,
  ): void {
    if (!(holder instanceof RequestPart)) return
    const part = holder
    const name = packet.type.toUpperCase()
    if (packet.type !== (part.kind === 'subscribe' ? 'suback' : 'unsuback')) {
      throw violation(name, `${name} answers ${part.kind.toUpperCase()}`, 'MQTT-2.2.1-6', {
        field: 'Packet Identifier',
      })
    }
    const hasCodes = packet.type === 'suback' || connection.protocolVersion === 5
    if (hasCodes && packet.reasonCodes.length !== part.places.length) {
      throw violation(
        name,
        `${name} with ${packet.reasonCodes.length} reason codes for ${part.places.length} filters`,
        packet.type === 'suback' ? 'MQTT-3.8.4-6' : 'MQTT-3.11.3-2',
        { field: 'Reason Codes' },
      )
    }
    this.#ids.release(packet.packetId)
    this.#requests.answered(part)
    for (const [n, place] of part.places.entries()) {
      // UNSUBACK of 3.x has no codes: it means success.
      this.#answer(part.request, place, packet.reasonCodes[n] ?? 0, packet.properties)
    }
    this.pump(connection)
  }

  connectionLost(): void {
    for (const id of this.#requests.connectionLost()) this.#ids.release(id)
  }

  /** The server has no session: asks again for everything wanted that no waiting command asks for anyway. */
  startNewSession(resubscribe: boolean, onResubscribed: (results: readonly FilterResult[]) => void): void {
    if (!resubscribe) this.#wanted.clear()
    const asked = this.#requests.settleVoidUnsubscribes(NO_SUBSCRIPTION_EXISTED)
    const commands = this.#wanted.commands(asked, (outcome) => {
      if ('results' in outcome) onResubscribed(outcome.results)
    })
    this.#requests.addFirst(...commands.map((command) => new RequestPart(new PendingRequest(command))))
  }

  fail(error: MqttError): void {
    this.#wanted.clear()
    for (const id of this.#requests.connectionLost()) this.#ids.release(id)
    this.#requests.failAll(error)
  }

  #write(connection: Connection, { request: { command }, places }: RequestPart, packetId: number): number {
    const { protocolVersion } = connection
    const { output } = this.#wire
    const { userProperties } = command
    const user = userProperties === undefined ? {} : { userProperties }
    let packet: Packet
    let written: number
    if ('subscriptionIdentifier' in command) {
      const { subscriptionIdentifier } = command
      const identified =
        subscriptionIdentifier > 0 && connection.limits?.subscriptionIdentifiersAvailable === true
      const properties = identified ? { ...user, subscriptionIdentifier } : user
      packet = { type: 'subscribe', packetId, filters: at(command.filters, places), properties }
      written = encodeSubscribe(output, protocolVersion, packet)
    } else {
      packet = { type: 'unsubscribe', packetId, filters: at(command.filters, places), properties: user }
      written = encodeUnsubscribe(output, protocolVersion, packet)
    }
    if (written > 0) this.#wire.sent(packet)
    return written
  }

  #answer(request: PendingRequest, place: number, reasonCode: number, properties?: AckProperties): void {
    const asked = request.command.filters[place]
    // Before the answer, which may ask for it again.
    if (reasonCode >= 0x80 && typeof asked === 'object') this.#wanted.refused(asked)
    request.answer(place, reasonCode, properties)
  }

  /**
   * Answers those filters of the first waiting part that the server has said it does not take, and leaves the others.
   * True when the queue has changed and is to be looked at again.
   */
  #refuseFilters({ kind, request, places }: RequestPart, limits: Limits): boolean {
    const refusal = (place: number): number => refusalOf(request.filterAt(place), limits)
    const refused = kind === 'subscribe' ? places.filter((place) => refusal(place) > 0) : []
    if (refused.length === 0) return false
    this.#requests.shift()
    const kept = places.filter((place) => refusal(place) === 0)
    if (kept.length > 0) this.#requests.addFirst(new RequestPart(request, kept))
    for (const place of refused) this.#answer(request, place, refusal(place))
    return true
  }
}

function at<T>(list: readonly T[], places: readonly number[]): T[] {
  return places.map((place) => list[place] as T)
}

/** The code with which the server would have to refuse the filter, by its own CONNACK; 0 = none. */
function refusalOf(filter: string, limits: Limits): number {
  if (!limits.sharedSubscriptionAvailable && filter.startsWith('$share/')) return SHARED_NOT_SUPPORTED
  if (!limits.wildcardSubscriptionAvailable && /[+#]/.test(filter)) return WILDCARDS_NOT_SUPPORTED
  return 0
}

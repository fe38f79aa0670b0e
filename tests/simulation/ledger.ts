import type { QoS } from '../../src/codec/packet.ts'
import { MqttError, SessionLostError } from '../../src/errors.ts'
import type { BrokerMessage, Delivery } from '../../src/testing/broker-session.ts'
import { utf8 } from '../support/bytes.ts'

/** One message published by the client, as the application and the broker know it. */
export interface OutboundEntry {
  readonly number: number
  readonly topic: string
  readonly qos: QoS
  settled: number
  outcome: unknown
  /** How often the broker took it for a new message. */
  accepted: number
  isCancelled: boolean
  /** Its caller has stopped waiting, and the delivery may go on. */
  goesOn: boolean
  isAbandoned: boolean
  /** The client has said that it is stored. */
  isStored: boolean
  /** The process that published it is gone, and another one is to deliver it. */
  isOrphan: boolean
  /** It has ended, and its process died before that was on record: it may come all the same, or again. */
  isDoubtful: boolean
  /** Times that the server lost the session while it was open. */
  losses: number
  /** Of these the client could not know. */
  unseenLosses: number
}

/** One message published by the broker, as it was queued for the client and came to its application. */
interface InboundEntry {
  readonly number: number
  /** Copies made for the client, by QoS. */
  readonly copies: [number, number, number]
  /** Copies that must arrive, unless the broker's session ends. */
  readonly certain: Delivery[]
  readonly delivered: [number, number, number]
}

/**
 * What was promised and what came of it: every message by its number, which its payload carries. Here are the rules of
 * delivery as an application sees them: settled once, exactly once, at least once, in order.
 */
export class Ledger {
  readonly outbound: OutboundEntry[] = []
  readonly #inbound: Map<number, InboundEntry> = new Map()
  readonly #report: (rule: string, message: string) => void
  readonly #mayRepublish: boolean
  readonly #oneConnection: boolean
  readonly #lastAccepted: [number, number, number] = [-1, -1, -1]
  readonly #lastDelivered: Map<string, number> = new Map()
  #inboundCount = 0
  #unsettled = 0

  /**
   * @param oneConnection - connections follow each other: the broker ends the old one for the new one. A client that gets
   *   another identifier each time has none to end, and what it sent last may arrive after what it sends next
   */
  constructor(
    report: (rule: string, message: string) => void,
    mayRepublish: boolean,
    oneConnection: boolean,
  ) {
    this.#oneConnection = oneConnection
    this.#report = report
    this.#mayRepublish = mayRepublish
  }

  /** Publications without an outcome. */
  get unsettled(): number {
    return this.#unsettled
  }

  get delivered(): number {
    let count = 0
    for (const entry of this.#inbound.values())
      count += entry.delivered[0] + entry.delivered[1] + entry.delivered[2]
    return count
  }

  // ------------------------------------------------------------------------------------------- from the client

  publish(topic: string, qos: QoS): OutboundEntry {
    const entry: OutboundEntry = {
      number: this.outbound.length,
      topic,
      qos,
      settled: 0,
      outcome: undefined,
      accepted: 0,
      isCancelled: false,
      goesOn: false,
      isAbandoned: false,
      isStored: false,
      isOrphan: false,
      isDoubtful: false,
      losses: 0,
      unseenLosses: 0,
    }
    this.outbound.push(entry)
    this.#unsettled++
    return entry
  }

  sessionLost(): void {
    for (const entry of this.outbound) if (isOpen(entry)) entry.losses++
  }

  /** The session was lost, and nothing on the wire told the client. */
  sessionLostUnseen(): void {
    for (const entry of this.outbound) if (isOpen(entry)) entry.unseenLosses++
    this.#lastDelivered.clear()
  }

  settled(entry: OutboundEntry, outcome: unknown): void {
    entry.settled++
    entry.outcome = outcome
    if (entry.settled > 1)
      this.#report('settled once', `${describe(entry)} was settled ${entry.settled} times`)
    else this.#unsettled--
    if (entry.isCancelled)
      this.#report('settled once', `${describe(entry)} was settled after it was cancelled`)
    if (entry.qos > 0 && !(outcome instanceof Error) && entry.accepted === 0) {
      this.#report('at least once', `${describe(entry)} was reported as done, and the broker never had it`)
    }
  }

  cancelled(entry: OutboundEntry): void {
    entry.isCancelled = true
    entry.settled++
    this.#unsettled--
  }

  /** The process died before it, and it was not stored: it may be lost. */
  abandoned(entry: OutboundEntry): void {
    entry.isAbandoned = true
    if (entry.settled === 0) this.#unsettled--
  }

  /** The process has ended before it, and it is stored: the next one delivers it. */
  orphaned(entry: OutboundEntry): void {
    entry.isOrphan = true
    if (entry.settled === 0) this.#unsettled--
  }

  /** A new process has these publications from its store: none may be missing. */
  resumed(numbers: readonly number[]): void {
    const found = new Set(numbers)
    for (const entry of this.outbound) {
      if (entry.settled === 0 && !entry.isAbandoned && !found.has(entry.number)) {
        this.#report('stored', `${describe(entry)} was not settled, and is not in the store`)
      }
    }
    for (const number of numbers) {
      const entry = this.outbound[number]
      if (entry !== undefined && entry.settled > 0) {
        this.#report('stored', `${describe(entry)} was settled, and is still in the store`)
      }
    }
  }

  accepted(message: BrokerMessage): void {
    const entry = this.outbound[numberOf(message.payload)]
    if (entry === undefined || entry.topic !== message.topic) return
    entry.accepted++
    const { qos } = entry
    if (message.qos !== qos)
      this.#report('no downgrade', `${describe(entry)} reached the broker at QoS ${message.qos}`)
    const republished = (this.#mayRepublish ? entry.losses : 0) + entry.unseenLosses
    const most = qos === 1 ? Number.POSITIVE_INFINITY : 1 + (qos === 2 ? republished : 0)
    if (entry.accepted > most) {
      this.#report(
        qos === 2 ? 'exactly once' : 'at most once',
        `${describe(entry)} came ${entry.accepted} times`,
      )
    }
    if (entry.accepted > 1) return
    if (this.#oneConnection && entry.number < this.#lastAccepted[qos]) {
      this.#report(
        'order',
        `${describe(entry)} came after ${this.#lastAccepted[qos]}, which was published later`,
      )
    }
    this.#lastAccepted[qos] = Math.max(this.#lastAccepted[qos], entry.number)
    if (entry.isCancelled) this.#report('cancelled', `${describe(entry)} came although it was cancelled`)
  }

  // ------------------------------------------------------------------------------------------- to the client

  /** The payload of the next message of the broker's. */
  nextPayload(size: number): Uint8Array {
    return payloadOf(this.#inboundCount++, size)
  }

  queued(delivery: Delivery, isCertain: boolean): void {
    const number = numberOf(delivery.message.payload)
    let entry = this.#inbound.get(number)
    if (entry === undefined) {
      entry = { number, copies: [0, 0, 0], certain: [], delivered: [0, 0, 0] }
      this.#inbound.set(number, entry)
    }
    entry.copies[delivery.qos]++
    if (isCertain) entry.certain.push(delivery)
  }

  /** The process died before its application had finished with this message. */
  mayComeAgain(qos: QoS, payload: Uint8Array): void {
    const entry = this.#inbound.get(numberOf(payload))
    if (entry !== undefined) entry.copies[qos]++
  }

  /**
   * @param isRepeat - a copy that the server sends again, of a message that this receiver has had from another copy: the
   *   server made one for each of its overlapping subscriptions, and at another QoS it may be. What comes again has no place in
   *   the order of what comes first
   */
  deliver(topic: string, qos: QoS, payload: Uint8Array, isRepeat = false): void {
    const number = numberOf(payload)
    const entry = this.#inbound.get(number)
    if (entry === undefined) {
      this.#report('made up', `message ${number} on ${topic} was delivered, and the broker never sent it`)
      return
    }
    entry.delivered[qos]++
    const count = entry.delivered[qos]
    if (qos !== 1 && count > entry.copies[qos]) {
      this.#report(
        qos === 2 ? 'exactly once' : 'at most once',
        `inbound ${number} (QoS ${qos}) was delivered ${count} times; ${entry.copies[qos]} copies were made`,
      )
    }
    // Retained messages come again with each subscription.
    if (count > 1 || isRepeat || topic.startsWith('kept/')) return
    const key = `${qos} ${topic}`
    const last = this.#lastDelivered.get(key) ?? -1
    if (number < last) this.#report('order', `inbound ${number} on ${topic} (QoS ${qos}) came after ${last}`)
    this.#lastDelivered.set(key, Math.max(last, number))
  }

  // ------------------------------------------------------------------------------------------- at the end

  /** @param lives - whether the broker's session that this delivery was queued for is still there */
  finish(lives: (delivery: Delivery) => boolean): void {
    for (const entry of this.outbound) {
      if (entry.isAbandoned || entry.isOrphan) continue
      if (entry.settled !== 1)
        this.#report('settled once', `${describe(entry)} was settled ${entry.settled} times`)
      const { outcome } = entry
      if (
        entry.accepted > 0 &&
        entry.losses === 0 &&
        !entry.isDoubtful &&
        outcome instanceof MqttError &&
        !(outcome instanceof SessionLostError)
      ) {
        this.#report(
          'honest',
          `${describe(entry)} was taken by the broker, and failed with: ${outcome.message}`,
        )
      }
    }
    for (const entry of this.#inbound.values()) {
      for (const qos of [1, 2] as const) {
        const certain = entry.certain.filter((delivery) => delivery.qos === qos && lives(delivery)).length
        if (entry.delivered[qos] < certain) {
          this.#report(
            qos === 2 ? 'exactly once' : 'at least once',
            `inbound ${entry.number} (QoS ${qos}) was delivered ${entry.delivered[qos]} times of ${certain}`,
          )
        }
      }
    }
  }
}

export function payloadOf(number: number, size: number): Uint8Array {
  const text = `${number} `
  return utf8(text.padEnd(size, '.'))
}

export function numberOf(payload: Uint8Array): number {
  let number = 0
  for (const byte of payload) {
    if (byte < 0x30 || byte > 0x39) break
    number = number * 10 + byte - 0x30
  }
  return number
}

/** It may still come to the broker. */
function isOpen({ settled, goesOn, isOrphan, isAbandoned, isDoubtful }: OutboundEntry): boolean {
  return settled === 0 || goesOn || isOrphan || isAbandoned || isDoubtful
}

export function describe(entry: OutboundEntry): string {
  return `publication ${entry.number} to ${entry.topic} (QoS ${entry.qos})`
}

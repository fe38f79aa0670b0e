import type { PublishContent, PublishProperties, QoS } from '../codec/packet.ts'

/**
 * How far a publication has come. The order of the numbers is the order of life.
 *
 *     queued ──> sent ──> released ──> settled        QoS 2 (released: PUBREC received, PUBREL owed or sent)
 *     queued ──> sent ───────────────> settled        QoS 1
 *     queued ────────────────────────> settled        QoS 0, cancelled, expired, dropped
 *
 * A `spilled` one waits in a store; when its turn comes, another object takes its place in the outbox, queued.
 */
export const Stage = { spilled: -1, queued: 0, sent: 1, released: 2, settled: 3 } as const
export type Stage = (typeof Stage)[keyof typeof Stage]

/**
 * What time does to a waiting publication. An object of its own, since most publications have none:
 * one field of the message instead of three.
 */
export class MessageExpiry {
  /** When it is dropped if it is still not sent (Message Expiry Interval or the queue's age limit); Infinity = never. */
  readonly dropAt: number
  /** When its Message Expiry Interval is over; Infinity = it has none. Milliseconds since the epoch. */
  readonly endsAt: number
  /** Seconds written in its first PUBLISH. Fixed from then on: no expiry once sent. [MQTT-4.3.3-7] */
  interval: number = -1

  constructor(dropAt: number, endsAt: number) {
    this.dropAt = dropAt
    this.endsAt = endsAt
  }
}

/**
 * One publication, from the call until its outcome: what the caller gave, and where the session is with it.
 * The session keeps these objects themselves in its outbox (as links of a list), so that there is one object
 * per message; the client derives what its users hold from this class. All fields below `properties` belong to the session.
 */
export class OutboundMessage implements PublishContent {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  /** Without Topic Alias and Message Expiry Interval: the session writes those itself. */
  readonly properties: PublishProperties | undefined
  /** Absent for most: never expires. */
  readonly expiry: MessageExpiry | undefined
  /** Topic Alias asked for by the caller; 0 = as `autoTopicAlias` says, -1 = one of the session's choice. */
  readonly topicAlias: number

  /** 0 until the first PUBLISH leaves, and always at QoS 0. */
  packetId: number = 0
  dup: boolean = false
  stage: Stage = Stage.queued
  /** Order in the session's life; the key of its record in a store. 0 until the session has it. */
  sequence: number = 0
  /** Links of the outbox list that holds it. */
  previous: OutboundMessage | undefined = undefined
  next: OutboundMessage | undefined = undefined

  constructor(
    topic: string,
    payload: Uint8Array,
    qos: QoS,
    retain: boolean,
    properties: PublishProperties | undefined,
    expiry: MessageExpiry | undefined,
    topicAlias: number,
  ) {
    this.topic = topic
    this.payload = payload
    this.qos = qos
    this.retain = retain
    this.properties = properties
    this.expiry = expiry
    this.topicAlias = topicAlias
  }
}

import type { ProtocolVersion, PublishProperties, QoS, Will } from '../codec/packet.ts'
import { matchesFilter } from '../topic/match.ts'
import { isSharedFilter } from '../topic/topic-filter.ts'

/** An application message inside the model broker. */
export interface BrokerMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  /** As published, without Topic Alias and Subscription Identifiers. */
  readonly properties: PublishProperties
  /** When it is worthless; Infinity = never. */
  readonly expiresAt: number
  /** Client Identifier of the publisher; absent when the broker made it itself. */
  readonly from: string | undefined
}

/** One message on its way to one session. */
export interface Delivery {
  readonly message: BrokerMessage
  readonly qos: QoS
  readonly retain: boolean
  readonly subscriptionIdentifiers: readonly number[]
  /** 0 until it is sent. */
  packetId: number
  /** A PUBLISH with it has been written on some connection. */
  isSent: boolean
  /** PUBREC received: PUBREL is owed. */
  isReleased: boolean
}

export interface BrokerSubscription {
  readonly filter: string
  readonly qos: QoS
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** 0 = none. */
  readonly subscriptionIdentifier: number
}

/** What the broker keeps about a client between its connections. [MQTT 5.0 §4.1] */
export class BrokerSession {
  readonly clientId: string
  readonly version: ProtocolVersion
  readonly subscriptions: Map<string, BrokerSubscription> = new Map()
  /** Of QoS 1 and 2, never sent. */
  readonly queue: Delivery[] = []
  /** Sent and unfinished, by packet identifier, in the order of their first PUBLISH. */
  readonly inFlight: Map<number, Delivery> = new Map()
  /** In the order of their PUBRECs. */
  readonly released: Set<Delivery> = new Set()
  /** QoS 2 messages of the client between PUBLISH and PUBREL, by packet identifier. */
  readonly received: Map<number, BrokerMessage> = new Map()
  /** Seconds; 0xFFFFFFFF = for ever. */
  expiryInterval: number = 0
  /** When it ends unless a client connects; Infinity while one is connected. */
  endsAt: number = Number.POSITIVE_INFINITY
  /** A will that waits for its delay. */
  will: Will | undefined
  willAt: number = Number.POSITIVE_INFINITY

  constructor(clientId: string, version: ProtocolVersion) {
    this.clientId = clientId
    this.version = version
  }

  /** The lowest identifier that is not in use, so that they come again soon; 0 when all are. */
  takePacketId(): number {
    for (let id = 1; id <= 0xffff; id++) if (!this.inFlight.has(id)) return id
    return 0
  }

  /** The subscriptions of its own (not shared ones) that match a message. */
  matching(message: BrokerMessage): BrokerSubscription[] {
    const found: BrokerSubscription[] = []
    for (const subscription of this.subscriptions.values()) {
      if (isSharedFilter(subscription.filter)) continue
      if (subscription.noLocal && message.from === this.clientId) continue
      if (matchesFilter(subscription.filter, message.topic)) found.push(subscription)
    }
    return found
  }
}

/** A delivery that has not been sent. */
export function makeDelivery(
  message: BrokerMessage,
  subscriptions: readonly BrokerSubscription[],
  retain: boolean,
): Delivery {
  const granted = Math.max(...subscriptions.map((subscription) => subscription.qos)) as QoS
  const identifiers = subscriptions.map((subscription) => subscription.subscriptionIdentifier)
  return {
    message,
    qos: Math.min(granted, message.qos) as QoS,
    retain,
    subscriptionIdentifiers: identifiers.filter((identifier) => identifier !== 0),
    packetId: 0,
    isSent: false,
    isReleased: false,
  }
}

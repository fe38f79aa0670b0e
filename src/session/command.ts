import type {
  AckProperties,
  ConnectPacket,
  DisconnectProperties,
  SubscriptionRequest,
  UserProperties,
} from '../codec/packet.ts'
import type { MqttError } from '../errors.ts'

/** Monotonic milliseconds since the epoch: within a process it never runs backwards, across processes it is about right. */
export type Millis = number

/** The CONNECT to send. Client identifier and Clean Start are the session's to adapt (Assigned Client Identifier, first connection). */
export type ConnectRequest = ConnectPacket

/** One filter's place in a SUBSCRIBE, and its outcome. */
export interface FilterResult {
  readonly filter: string
  /** As in SUBACK: 0..2 granted QoS, 0x80 and up refused. */
  readonly reasonCode: number
}

/**
 * A SUBSCRIBE, from the call to its outcome. The filters become part of the desired state at once: when the
 * connection is lost before the SUBACK, they are asked for again after the next CONNACK, and this call is settled by that answer.
 */
export interface SubscribeCommand {
  readonly filters: readonly SubscriptionRequest[]
  /** MQTT 5 where the server allows them; 0 = none. One identifier for all filters of the command. */
  readonly subscriptionIdentifier: number
  readonly userProperties?: UserProperties | undefined
  /** Called once. An `MqttError` when there will be no SUBACK (closed, not allowed by the server's limits). */
  settle(outcome: SubscribeOutcome | MqttError): void
}

export interface SubscribeOutcome {
  readonly results: readonly FilterResult[]
  readonly properties: AckProperties | undefined
}

export interface UnsubscribeCommand {
  readonly filters: readonly string[]
  readonly userProperties?: UserProperties | undefined
  /** Called once. When no connection is there, the filters are just forgotten and every code is 0x11 (No subscription existed). */
  settle(outcome: SubscribeOutcome | MqttError): void
}

export interface DisconnectRequest {
  readonly reasonCode: number
  readonly properties?: DisconnectProperties
}

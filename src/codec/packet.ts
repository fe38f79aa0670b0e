/**
 * The control packets as plain values, in the shape of MQTT 5.0. The 3.x dialects are translated by the codec:
 * what they lack is absent, and their return codes arrive as MQTT 5 reason codes.
 */

/** 5 = MQTT 5.0, 4 = MQTT 3.1.1, 3 = MQTT 3.1: the Protocol Level byte of CONNECT. */
export type ProtocolVersion = 3 | 4 | 5

/** 0 = at most once, 1 = at least once, 2 = exactly once. [MQTT-3.3.1-4] */
export type QoS = 0 | 1 | 2

/** User Properties: pairs in their order; names may repeat. Each string takes at most 65,535 bytes as UTF-8. [MQTT-3.1.3-10] */
export type UserProperties = readonly (readonly [name: string, value: string])[]

/** [MQTT 5.0 §3.1.2.11] */
export interface ConnectProperties {
  /** Seconds, 0 to 0xFFFFFFFF, which means never. Absent = 0: the session ends with the connection. */
  readonly sessionExpiryInterval?: number
  /** QoS 1 and 2 messages that the client takes at once, 1 to 65,535. Absent = 65,535. [MQTT-3.3.4-9] */
  readonly receiveMaximum?: number
  /** Bytes of the largest packet that the client takes, 1 and up. Absent = no limit but MQTT's. [MQTT-3.1.2-24] */
  readonly maximumPacketSize?: number
  /** The highest Topic Alias that the client takes, 0 to 65,535. Absent = 0: none. [MQTT-3.1.2-26] */
  readonly topicAliasMaximum?: number
  /** Asks for Response Information in CONNACK. Absent = false. [MQTT-3.1.2-28] */
  readonly requestResponseInformation?: boolean
  /** false: Reason Strings and User Properties in PUBLISH, CONNACK and DISCONNECT alone. Absent = true. [MQTT-3.1.2-29] */
  readonly requestProblemInformation?: boolean
  readonly userProperties?: UserProperties
  /** Asks for extended authentication. [MQTT 5.0 §4.12] */
  readonly authenticationMethod?: string
  /** At most 65,535 bytes; only with a method. */
  readonly authenticationData?: Uint8Array
}

/** [MQTT 5.0 §3.1.3.2] */
export interface WillProperties {
  /** Seconds until the Will is published, 0 to 0xFFFFFFFF. Absent = 0. [MQTT-3.1.3-9] */
  readonly willDelayInterval?: number
  /** 1 = the payload is UTF-8. */
  readonly payloadFormatIndicator?: 0 | 1
  /** Seconds, 0 to 0xFFFFFFFF. Absent = never. */
  readonly messageExpiryInterval?: number
  readonly contentType?: string
  /** A Topic Name: no wildcards, at least one character. */
  readonly responseTopic?: string
  /** At most 65,535 bytes. */
  readonly correlationData?: Uint8Array
  readonly userProperties?: UserProperties
}

/** What the server publishes when the connection ends without a proper DISCONNECT. [MQTT-3.1.2-8] */
export interface Will {
  /** Without wildcards, at least one character. [MQTT-3.1.3-11] */
  readonly topic: string
  /** At most 65,535 bytes. */
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly properties?: WillProperties
}

export interface ConnectPacket {
  readonly type: 'connect'
  readonly protocolVersion: ProtocolVersion
  /** Clean Session in 3.x, where it also says that nothing is kept afterwards. [MQTT-3.1.2-4] */
  readonly cleanStart: boolean
  /** Seconds, 0 to 65,535; 0 = off. [MQTT-3.1.2-22] */
  readonly keepAlive: number
  /** May be empty in 5.0, in 3.1.1 with `cleanStart` only; 1 to 23 characters in 3.1. [MQTT-3.1.3-3] */
  readonly clientId: string
  readonly username?: string
  /** At most 65,535 bytes; in 3.x only with a user name: MQTT 3.1.1 [MQTT-3.1.2-22]. */
  readonly password?: Uint8Array
  readonly will?: Will
  readonly properties?: ConnectProperties
  /** Sets the highest bit of the Protocol Level: how a bridge makes itself known to brokers that know the convention. */
  readonly bridge?: boolean
}

/** [MQTT 5.0 §3.2.2.3]; what the server does not mention has the default named here. */
export interface ConnackProperties {
  /** Seconds. Absent = as asked for. [MQTT 5.0 §3.2.2.3.2] */
  readonly sessionExpiryInterval?: number
  /** QoS 1 and 2 messages that the server takes at once, 1 to 65,535. Absent = 65,535. */
  readonly receiveMaximum?: number
  /** Absent = 2. [MQTT-3.2.2-11] */
  readonly maximumQoS?: 0 | 1
  /** Absent = true. [MQTT-3.2.2-14] */
  readonly retainAvailable?: boolean
  /** Bytes, 1 and up. Absent = no limit but MQTT's. [MQTT-3.2.2-15] */
  readonly maximumPacketSize?: number
  /** The identifier that the server chose for a client that gave none. [MQTT-3.2.2-16] */
  readonly assignedClientIdentifier?: string
  /** 0 to 65,535. Absent = 0. [MQTT-3.2.2-17] */
  readonly topicAliasMaximum?: number
  readonly reasonString?: string
  readonly userProperties?: UserProperties
  /** Absent = true. */
  readonly wildcardSubscriptionAvailable?: boolean
  /** Absent = true. */
  readonly subscriptionIdentifiersAvailable?: boolean
  /** Absent = true. */
  readonly sharedSubscriptionAvailable?: boolean
  /** Seconds; replaces the client's. [MQTT-3.2.2-21] */
  readonly serverKeepAlive?: number
  readonly responseInformation?: string
  /** Another server to use. */
  readonly serverReference?: string
  readonly authenticationMethod?: string
  /** At most 65,535 bytes; only with a method. */
  readonly authenticationData?: Uint8Array
}

export interface ConnackPacket {
  readonly type: 'connack'
  /** Never true in a refusal [MQTT-3.2.2-6]; always false in 3.1, which does not say. */
  readonly sessionPresent: boolean
  /** MQTT 5 numbering. 3.x return codes 1..5 are read as 0x84, 0x85, 0x88, 0x86, 0x87 and written back the same way. */
  readonly reasonCode: number
  readonly properties?: ConnackProperties
}

/** [MQTT 5.0 §3.3.2.3] */
export interface PublishProperties {
  /** 1 = the payload is UTF-8. [MQTT-3.3.2-4] */
  readonly payloadFormatIndicator?: 0 | 1
  /** Seconds, 0 to 0xFFFFFFFF. Absent = never. [MQTT-3.3.2-5] */
  readonly messageExpiryInterval?: number
  /** 1 to 65,535. [MQTT-3.3.2-8] */
  readonly topicAlias?: number
  /** A Topic Name: no wildcards, at least one character. [MQTT-3.3.2-14] */
  readonly responseTopic?: string
  /** At most 65,535 bytes. */
  readonly correlationData?: Uint8Array
  readonly userProperties?: UserProperties
  /** 1 to 268,435,455 each. Server to client only. [MQTT-3.3.4-6] */
  readonly subscriptionIdentifiers?: readonly number[]
  readonly contentType?: string
}

/** What `encodePublish` writes. Decoded ones are instances of `PublishPacket` in publish.ts. */
export interface PublishContent {
  /** At most 65,535 bytes as UTF-8, no wildcards [MQTT-3.3.2-2]; empty when a Topic Alias stands for it. [MQTT-4.7.3-1] */
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  /** Sent before; never at QoS 0. [MQTT-3.3.1-2] */
  readonly dup: boolean
  /** 1 to 65,535; 0 at QoS 0. [MQTT-2.2.1-2] [MQTT-2.2.1-3] */
  readonly packetId: number
  readonly properties?: PublishProperties | undefined
}

/** A PUBLISH as a plain value. */
export interface PublishFields extends PublishContent {
  readonly type: 'publish'
}

/** Of PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK. */
export interface AckProperties {
  readonly reasonString?: string
  readonly userProperties?: UserProperties
}

export interface AckPacket {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'
  /** 1 to 65,535. */
  readonly packetId: number
  /** 0 in 3.x; below 0x80 = success. [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] */
  readonly reasonCode: number
  readonly properties?: AckProperties
  /** Only MQTT 3.1 PUBREL may carry it. */
  readonly dup?: boolean
}

/** One Topic Filter of a SUBSCRIBE with its options, of which 3.x has the QoS alone. [MQTT 5.0 §3.8.3.1] */
export interface SubscriptionRequest {
  /** At most 65,535 bytes as UTF-8; wildcards are whole levels, `#` the last one. [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-2] */
  readonly filter: string
  /** The highest QoS that messages are to be sent with. */
  readonly qos: QoS
  /** Not what this connection published; never on a Shared Subscription. Absent = false. [MQTT-3.8.3-3] [MQTT-3.8.3-4] */
  readonly noLocal?: boolean
  /** Messages keep their RETAIN flag. Absent = false. */
  readonly retainAsPublished?: boolean
  /** Retained messages: 0 = send, 1 = only if the subscription is new, 2 = do not send. Absent = 0. */
  readonly retainHandling?: 0 | 1 | 2
}

export interface SubscribePacket {
  readonly type: 'subscribe'
  /** 1 to 65,535. */
  readonly packetId: number
  /** At least one. [MQTT-3.8.3-2] */
  readonly filters: readonly SubscriptionRequest[]
  /** A Subscription Identifier is 1 to 268,435,455. */
  readonly properties?: { readonly subscriptionIdentifier?: number; readonly userProperties?: UserProperties }
}

export interface SubackPacket {
  readonly type: 'suback'
  /** That of the SUBSCRIBE. [MQTT-3.8.4-2] */
  readonly packetId: number
  /** One per filter, in their order; 0..2 granted QoS, 0x80 and up refused. */
  readonly reasonCodes: readonly number[]
  readonly properties?: AckProperties
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe'
  /** 1 to 65,535. */
  readonly packetId: number
  /** At least one. [MQTT-3.10.3-2] */
  readonly filters: readonly string[]
  readonly properties?: { readonly userProperties?: UserProperties }
}

export interface UnsubackPacket {
  readonly type: 'unsuback'
  /** That of the UNSUBSCRIBE. [MQTT-3.10.4-5] */
  readonly packetId: number
  /** One per filter in MQTT 5; empty in 3.x, whose UNSUBACK has none. */
  readonly reasonCodes: readonly number[]
  readonly properties?: AckProperties
}

export interface PingreqPacket {
  readonly type: 'pingreq'
}

export interface PingrespPacket {
  readonly type: 'pingresp'
}

/** [MQTT 5.0 §3.14.2.2] */
export interface DisconnectProperties {
  /** Seconds; client to server only. [MQTT-3.14.2-2] */
  readonly sessionExpiryInterval?: number
  readonly reasonString?: string
  readonly userProperties?: UserProperties
  /** Server to client only. */
  readonly serverReference?: string
}

export interface DisconnectPacket {
  readonly type: 'disconnect'
  /** 0 in 3.x; 4 = with Will Message, from a client alone. [MQTT-3.14.2-1] */
  readonly reasonCode: number
  readonly properties?: DisconnectProperties
}

/** [MQTT 5.0 §3.15.2.2] */
export interface AuthProperties {
  /** That of the CONNECT; absent only when a server reports success in the shortest form. [MQTT-4.12.0-5] */
  readonly authenticationMethod?: string
  /** At most 65,535 bytes. */
  readonly authenticationData?: Uint8Array
  readonly reasonString?: string
  readonly userProperties?: UserProperties
}

export interface AuthPacket {
  readonly type: 'auth'
  /** 0x00 success (a server's), 0x18 continue, 0x19 re-authenticate (a client's). [MQTT-3.15.2-1] */
  readonly reasonCode: number
  readonly properties?: AuthProperties
}

/** A control packet of any type. */
export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishFields
  | AckPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket

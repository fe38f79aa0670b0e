/**
 * The control packets as plain values, in the shape of MQTT 5.0. The 3.x dialects are translated by the codec:
 * what they lack is absent, and their return codes arrive as MQTT 5 reason codes.
 */

/** 5 = MQTT 5.0, 4 = MQTT 3.1.1, 3 = MQTT 3.1: the Protocol Level byte of CONNECT. */
export type ProtocolVersion = 3 | 4 | 5

export type QoS = 0 | 1 | 2

/** User Properties: pairs in their order; names may repeat. [MQTT-3.1.3-10] */
export type UserProperties = readonly (readonly [name: string, value: string])[]

export interface ConnectProperties {
  /** Seconds; 0xFFFFFFFF = never expires. */
  readonly sessionExpiryInterval?: number
  readonly receiveMaximum?: number
  readonly maximumPacketSize?: number
  readonly topicAliasMaximum?: number
  readonly requestResponseInformation?: boolean
  readonly requestProblemInformation?: boolean
  readonly userProperties?: UserProperties
  readonly authenticationMethod?: string
  readonly authenticationData?: Uint8Array
}

export interface WillProperties {
  /** Seconds. */
  readonly willDelayInterval?: number
  readonly payloadFormatIndicator?: 0 | 1
  /** Seconds. */
  readonly messageExpiryInterval?: number
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: Uint8Array
  readonly userProperties?: UserProperties
}

export interface Will {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly properties?: WillProperties
}

export interface ConnectPacket {
  readonly type: 'connect'
  readonly protocolVersion: ProtocolVersion
  readonly cleanStart: boolean
  /** Seconds, 0 = off. */
  readonly keepAlive: number
  readonly clientId: string
  readonly username?: string
  readonly password?: Uint8Array
  readonly will?: Will
  readonly properties?: ConnectProperties
  /** Sets the highest bit of the Protocol Level: how a bridge makes itself known to brokers that know the convention. */
  readonly bridge?: boolean
}

export interface ConnackProperties {
  readonly sessionExpiryInterval?: number
  readonly receiveMaximum?: number
  readonly maximumQoS?: 0 | 1
  readonly retainAvailable?: boolean
  readonly maximumPacketSize?: number
  readonly assignedClientIdentifier?: string
  readonly topicAliasMaximum?: number
  readonly reasonString?: string
  readonly userProperties?: UserProperties
  readonly wildcardSubscriptionAvailable?: boolean
  readonly subscriptionIdentifiersAvailable?: boolean
  readonly sharedSubscriptionAvailable?: boolean
  readonly serverKeepAlive?: number
  readonly responseInformation?: string
  readonly serverReference?: string
  readonly authenticationMethod?: string
  readonly authenticationData?: Uint8Array
}

export interface ConnackPacket {
  readonly type: 'connack'
  readonly sessionPresent: boolean
  /** MQTT 5 numbering. 3.x return codes 1..5 are read as 0x84, 0x85, 0x88, 0x86, 0x87 and written back the same way. */
  readonly reasonCode: number
  readonly properties?: ConnackProperties
}

export interface PublishProperties {
  readonly payloadFormatIndicator?: 0 | 1
  /** Seconds. */
  readonly messageExpiryInterval?: number
  readonly topicAlias?: number
  readonly responseTopic?: string
  readonly correlationData?: Uint8Array
  readonly userProperties?: UserProperties
  /** Server to client only. [MQTT-3.3.4-6] */
  readonly subscriptionIdentifiers?: readonly number[]
  readonly contentType?: string
}

/** What `encodePublish` writes. Decoded ones are instances of `PublishPacket` in publish.ts. */
export interface PublishContent {
  /** Empty when a Topic Alias stands for it. */
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly dup: boolean
  /** 0 at QoS 0. */
  readonly packetId: number
  readonly properties?: PublishProperties | undefined
}

export interface PublishFields extends PublishContent {
  readonly type: 'publish'
}

export interface AckProperties {
  readonly reasonString?: string
  readonly userProperties?: UserProperties
}

export interface AckPacket {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'
  readonly packetId: number
  readonly reasonCode: number
  readonly properties?: AckProperties
  /** Only MQTT 3.1 PUBREL may carry it. */
  readonly dup?: boolean
}

export interface SubscriptionRequest {
  readonly filter: string
  readonly qos: QoS
  readonly noLocal?: boolean
  readonly retainAsPublished?: boolean
  readonly retainHandling?: 0 | 1 | 2
}

export interface SubscribePacket {
  readonly type: 'subscribe'
  readonly packetId: number
  readonly filters: readonly SubscriptionRequest[]
  readonly properties?: { readonly subscriptionIdentifier?: number; readonly userProperties?: UserProperties }
}

export interface SubackPacket {
  readonly type: 'suback'
  readonly packetId: number
  /** One per filter, in their order; 0..2 granted QoS, 0x80 and up refused. */
  readonly reasonCodes: readonly number[]
  readonly properties?: AckProperties
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe'
  readonly packetId: number
  readonly filters: readonly string[]
  readonly properties?: { readonly userProperties?: UserProperties }
}

export interface UnsubackPacket {
  readonly type: 'unsuback'
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

export interface DisconnectProperties {
  /** Client to server only. [MQTT-3.14.2-2] */
  readonly sessionExpiryInterval?: number
  readonly reasonString?: string
  readonly userProperties?: UserProperties
  /** Server to client only. */
  readonly serverReference?: string
}

export interface DisconnectPacket {
  readonly type: 'disconnect'
  /** 0 in 3.x. */
  readonly reasonCode: number
  readonly properties?: DisconnectProperties
}

export interface AuthProperties {
  readonly authenticationMethod?: string
  readonly authenticationData?: Uint8Array
  readonly reasonString?: string
  readonly userProperties?: UserProperties
}

export interface AuthPacket {
  readonly type: 'auth'
  /** 0x00 success, 0x18 continue, 0x19 re-authenticate. */
  readonly reasonCode: number
  readonly properties?: AuthProperties
}

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

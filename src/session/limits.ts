import { LARGEST_PACKET } from '../codec/byte-writer.ts'
import type { ConnackPacket, ConnectPacket, ProtocolVersion } from '../codec/packet.ts'

/** What this connection may do: the CONNACK's grants with MQTT's defaults filled in. Immutable; one per connection. */
export interface Limits {
  readonly protocolVersion: ProtocolVersion
  readonly clientId: string
  readonly sessionPresent: boolean
  /** Seconds; what the server will do, not what was asked. 3.x: 0 for a clean session, else 0xFFFFFFFF. */
  readonly sessionExpiryInterval: number
  /** PUBLISH packets of QoS 1 and 2 that may be unacknowledged at once: the server's, lowered by `maxInflight`. */
  readonly receiveMaximum: number
  readonly maximumQoS: 0 | 1 | 2
  readonly retainAvailable: boolean
  /** Bytes, fixed header included. */
  readonly maximumPacketSize: number
  /** Aliases that the server accepts from us. */
  readonly topicAliasMaximum: number
  readonly wildcardSubscriptionAvailable: boolean
  readonly subscriptionIdentifiersAvailable: boolean
  readonly sharedSubscriptionAvailable: boolean
  /** Seconds in force: the server's, else the one asked for; 0 = off. */
  readonly keepAlive: number
  readonly responseInformation: string | undefined
  readonly serverReference: string | undefined
}

const NEVER_EXPIRES = 0xffff_ffff

/**
 * @param maxInflight - the caller's own window; on 3.x, which has no Receive Maximum, it is the only one
 */
export function negotiateLimits(connect: ConnectPacket, connack: ConnackPacket, maxInflight: number): Limits {
  const asked = connect.properties ?? {}
  const granted = connack.properties ?? {}
  const five = connect.protocolVersion === 5
  const sessionExpiryInterval = five
    ? (granted.sessionExpiryInterval ?? asked.sessionExpiryInterval ?? 0)
    : connect.cleanStart
      ? 0
      : NEVER_EXPIRES
  return Object.freeze({
    protocolVersion: connect.protocolVersion,
    clientId: granted.assignedClientIdentifier ?? connect.clientId,
    sessionPresent: connack.sessionPresent,
    sessionExpiryInterval,
    receiveMaximum: Math.min(granted.receiveMaximum ?? 65_535, maxInflight),
    maximumQoS: granted.maximumQoS ?? 2,
    retainAvailable: granted.retainAvailable ?? true,
    maximumPacketSize: Math.min(granted.maximumPacketSize ?? LARGEST_PACKET, LARGEST_PACKET),
    topicAliasMaximum: granted.topicAliasMaximum ?? 0,
    wildcardSubscriptionAvailable: granted.wildcardSubscriptionAvailable ?? true,
    subscriptionIdentifiersAvailable: five && (granted.subscriptionIdentifiersAvailable ?? true),
    sharedSubscriptionAvailable: granted.sharedSubscriptionAvailable ?? true,
    keepAlive: granted.serverKeepAlive ?? connect.keepAlive,
    responseInformation: granted.responseInformation,
    serverReference: granted.serverReference,
  })
}

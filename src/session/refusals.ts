import type { AckPacket, ConnackPacket, DisconnectPacket } from '../codec/packet.ts'
import { reasonCodeText } from '../codec/reason-code.ts'
import { ConnectError, ConnectionLostError, PublishError, SessionLostError } from '../errors.ts'
import type { Connection } from './connection.ts'
import type { Limits } from './limits.ts'
import type { OutboundMessage } from './outbound-message.ts'

/** The errors that the session's users get to see, each in one place. */

export function connectionRefused(server: string, packet: ConnackPacket | DisconnectPacket): ConnectError {
  return new ConnectError(`Connection refused by ${server}: ${said(packet)}`, {
    code: 'ERR_MQTT_CONNECTION_REFUSED',
    ...wireDetails(packet),
  })
}

export function disconnectedByServer(server: string, packet: DisconnectPacket): ConnectionLostError {
  const hint = packet.reasonCode === 0x8e ? ': client identifier used twice?' : ''
  return new ConnectionLostError(`Disconnected by ${server}: ${said(packet)}${hint}`, {
    code: 'ERR_MQTT_SERVER_DISCONNECT',
    ...wireDetails(packet),
  })
}

/** The transport closed. */
export function transportLost(
  { server, phase, protocolVersion }: Connection,
  cause: Error | undefined,
): ConnectError | ConnectionLostError {
  if (phase === 'online') {
    return new ConnectionLostError(`Connection to ${server} lost: ${cause?.message ?? 'closed'}`, { cause })
  }
  const why = cause?.message ?? `closed; is it a broker that speaks protocolVersion ${protocolVersion}?`
  return new ConnectError(`Connection to ${server} failed before CONNACK: ${why}`, {
    code: 'ERR_MQTT_CONNECTION_CLOSED',
    cause,
  })
}

export function keepAliveTimedOut(server: string): ConnectionLostError {
  return new ConnectionLostError(`Connection to ${server} lost: no answer within the keep-alive time`, {
    code: 'ERR_MQTT_KEEP_ALIVE_TIMEOUT',
  })
}

export function publicationRefused(message: OutboundMessage, packet: AckPacket): PublishError {
  const { reasonCode, properties } = packet
  return new PublishError(
    `The server refused the publication to "${message.topic}": ${reasonCodeText(reasonCode)}${reasonGiven(properties?.reasonString)}`,
    {
      topic: message.topic,
      reasonCode,
      reasonString: properties?.reasonString,
      userProperties: properties?.userProperties,
    },
  )
}

/** Whether the server takes such a message at all, its size aside. */
export function isTakenByServer(message: OutboundMessage, limits: Limits): boolean {
  return (
    message.qos <= limits.maximumQoS &&
    (!message.retain || limits.retainAvailable) &&
    message.topicAlias <= limits.topicAliasMaximum
  )
}

/** For a message that `isTakenByServer` denies, or else is too large. */
export function notTakenByServer(message: OutboundMessage, limits: Limits): PublishError {
  const { topic } = message
  const error = (reasonCode: number, why: string) =>
    new PublishError(`Not published to "${topic}": ${why}`, {
      code: 'ERR_MQTT_SERVER_LIMIT',
      topic,
      reasonCode,
    })
  if (message.qos > limits.maximumQoS) return error(0x9b, `the server's Maximum QoS is ${limits.maximumQoS}`)
  if (message.retain && !limits.retainAvailable)
    return error(0x9a, 'the server does not keep retained messages')
  if (message.topicAlias > limits.topicAliasMaximum) {
    return error(
      0x94,
      `Topic Alias ${message.topicAlias} exceeds the server's maximum of ${limits.topicAliasMaximum}`,
    )
  }
  return error(
    0x95,
    `it is larger than the server's Maximum Packet Size of ${limits.maximumPacketSize} bytes`,
  )
}

export function sessionLostWith(message: OutboundMessage): SessionLostError {
  return new SessionLostError(
    `The server lost the session before the QoS 2 publication to "${message.topic}" was complete; ` +
      'it may or may not have been delivered. Set onSessionLost: "republish" to send such messages again',
  )
}

export function expired(message: OutboundMessage): PublishError | SessionLostError {
  // Written before, on a session that the server has lost since: nobody knows whether it arrived.
  if ((message.expiry?.interval ?? -1) >= 0) {
    return new SessionLostError(
      `The publication to "${message.topic}" expired before it could be sent again, after the server had lost the session; ` +
        'it may or may not have been delivered',
    )
  }
  return new PublishError(`Not published to "${message.topic}": it expired while it waited to be sent`, {
    code: 'ERR_MQTT_MESSAGE_EXPIRED',
    topic: message.topic,
  })
}

function said({ reasonCode, properties }: ConnackPacket | DisconnectPacket): string {
  return `${reasonCodeText(reasonCode)}${reasonGiven(properties?.reasonString)}`
}

function reasonGiven(reasonString: string | undefined): string {
  return reasonString === undefined || reasonString === '' ? '' : ` ("${reasonString}")`
}

function wireDetails({ reasonCode, properties }: ConnackPacket | DisconnectPacket): {
  reasonCode: number
  reasonString: string | undefined
  userProperties: readonly (readonly [string, string])[] | undefined
  serverReference: string | undefined
} {
  return {
    reasonCode,
    reasonString: properties?.reasonString,
    userProperties: properties?.userProperties,
    serverReference: properties?.serverReference,
  }
}

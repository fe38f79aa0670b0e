/**
 * Enumerations: frozen objects of numbers, each with a type of the same name.
 * The same numbers under their own names are in constants.ts.
 */

const mqttErrorCode = {
  MQTT_ERR_AGAIN: -1,
  MQTT_ERR_SUCCESS: 0,
  MQTT_ERR_NOMEM: 1,
  MQTT_ERR_PROTOCOL: 2,
  MQTT_ERR_INVAL: 3,
  MQTT_ERR_NO_CONN: 4,
  MQTT_ERR_CONN_REFUSED: 5,
  MQTT_ERR_NOT_FOUND: 6,
  MQTT_ERR_CONN_LOST: 7,
  MQTT_ERR_TLS: 8,
  MQTT_ERR_PAYLOAD_SIZE: 9,
  MQTT_ERR_NOT_SUPPORTED: 10,
  MQTT_ERR_AUTH: 11,
  MQTT_ERR_ACL_DENIED: 12,
  MQTT_ERR_UNKNOWN: 13,
  MQTT_ERR_ERRNO: 14,
  MQTT_ERR_QUEUE_SIZE: 15,
  MQTT_ERR_KEEPALIVE: 16,
} as const

/** What calls return and what `on_disconnect` is told. */
export const MQTTErrorCode: typeof mqttErrorCode = Object.freeze(mqttErrorCode)
export type MQTTErrorCode = (typeof mqttErrorCode)[keyof typeof mqttErrorCode]

const mqttProtocolVersion = {
  MQTTv31: 3,
  MQTTv311: 4,
  MQTTv5: 5,
} as const

/** Protocol level of CONNECT. */
export const MQTTProtocolVersion: typeof mqttProtocolVersion = Object.freeze(mqttProtocolVersion)
export type MQTTProtocolVersion = (typeof mqttProtocolVersion)[keyof typeof mqttProtocolVersion]

const callbackAPIVersion = {
  VERSION1: 1,
  VERSION2: 2,
} as const

/** Which arguments callbacks get. */
export const CallbackAPIVersion: typeof callbackAPIVersion = Object.freeze(callbackAPIVersion)
export type CallbackAPIVersion = (typeof callbackAPIVersion)[keyof typeof callbackAPIVersion]

const messageType = {
  CONNECT: 0x10,
  CONNACK: 0x20,
  PUBLISH: 0x30,
  PUBACK: 0x40,
  PUBREC: 0x50,
  PUBREL: 0x60,
  PUBCOMP: 0x70,
  SUBSCRIBE: 0x80,
  SUBACK: 0x90,
  UNSUBSCRIBE: 0xa0,
  UNSUBACK: 0xb0,
  PINGREQ: 0xc0,
  PINGRESP: 0xd0,
  DISCONNECT: 0xe0,
  AUTH: 0xf0,
} as const

/** Control packet types as the first byte of a packet carries them. */
export const MessageType: typeof messageType = Object.freeze(messageType)
export type MessageType = (typeof messageType)[keyof typeof messageType]

const logLevel = {
  MQTT_LOG_INFO: 1,
  MQTT_LOG_NOTICE: 2,
  MQTT_LOG_WARNING: 4,
  MQTT_LOG_ERR: 8,
  MQTT_LOG_DEBUG: 16,
} as const

/** Levels of `on_log`. */
export const LogLevel: typeof logLevel = Object.freeze(logLevel)
export type LogLevel = (typeof logLevel)[keyof typeof logLevel]

const connackCode = {
  CONNACK_ACCEPTED: 0,
  CONNACK_REFUSED_PROTOCOL_VERSION: 1,
  CONNACK_REFUSED_IDENTIFIER_REJECTED: 2,
  CONNACK_REFUSED_SERVER_UNAVAILABLE: 3,
  CONNACK_REFUSED_BAD_USERNAME_PASSWORD: 4,
  CONNACK_REFUSED_NOT_AUTHORIZED: 5,
} as const

/** Return codes of CONNACK in MQTT 3. */
export const ConnackCode: typeof connackCode = Object.freeze(connackCode)
export type ConnackCode = (typeof connackCode)[keyof typeof connackCode]

const messageState = {
  MQTT_MS_INVALID: 0,
  MQTT_MS_PUBLISH: 1,
  MQTT_MS_WAIT_FOR_PUBACK: 2,
  MQTT_MS_WAIT_FOR_PUBREC: 3,
  MQTT_MS_RESEND_PUBREL: 4,
  MQTT_MS_WAIT_FOR_PUBREL: 5,
  MQTT_MS_RESEND_PUBCOMP: 6,
  MQTT_MS_WAIT_FOR_PUBCOMP: 7,
  MQTT_MS_SEND_PUBREC: 8,
  MQTT_MS_QUEUED: 9,
} as const

/** How far a message has come (`MQTTMessage.state`). */
export const MessageState: typeof messageState = Object.freeze(messageState)
export type MessageState = (typeof messageState)[keyof typeof messageState]

const pahoClientMode = {
  MQTT_CLIENT: 0,
  MQTT_BRIDGE: 1,
} as const

/** Whether the client calls itself a bridge in CONNECT. */
export const PahoClientMode: typeof pahoClientMode = Object.freeze(pahoClientMode)
export type PahoClientMode = (typeof pahoClientMode)[keyof typeof pahoClientMode]

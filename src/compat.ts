/**
 * The documented API of the Paho client for Python, version 2.1, for programs that are carried over from it.
 * New programs are better served by the main entry.
 */

export type {
  CallbackOnConnect,
  CallbackOnConnect_v1,
  CallbackOnConnect_v1_mqtt3,
  CallbackOnConnect_v1_mqtt5,
  CallbackOnConnect_v2,
  CallbackOnConnectFail,
  CallbackOnDisconnect,
  CallbackOnDisconnect_v1,
  CallbackOnDisconnect_v1_mqtt3,
  CallbackOnDisconnect_v1_mqtt5,
  CallbackOnDisconnect_v2,
  CallbackOnLog,
  CallbackOnMessage,
  CallbackOnPreConnect,
  CallbackOnPublish,
  CallbackOnPublish_v1,
  CallbackOnPublish_v2,
  CallbackOnSocket,
  CallbackOnSubscribe,
  CallbackOnSubscribe_v1,
  CallbackOnSubscribe_v1_mqtt3,
  CallbackOnSubscribe_v1_mqtt5,
  CallbackOnSubscribe_v2,
  CallbackOnUnsubscribe,
  CallbackOnUnsubscribe_v1,
  CallbackOnUnsubscribe_v1_mqtt3,
  CallbackOnUnsubscribe_v1_mqtt5,
  CallbackOnUnsubscribe_v2,
} from './compat/callback-types.ts'
export { Client } from './compat/client.ts'
export {
  __version__,
  AUTH,
  CONNACK,
  CONNACK_ACCEPTED,
  CONNACK_REFUSED_BAD_USERNAME_PASSWORD,
  CONNACK_REFUSED_IDENTIFIER_REJECTED,
  CONNACK_REFUSED_NOT_AUTHORIZED,
  CONNACK_REFUSED_PROTOCOL_VERSION,
  CONNACK_REFUSED_SERVER_UNAVAILABLE,
  CONNECT,
  DISCONNECT,
  MQTT_BRIDGE,
  MQTT_CLEAN_START_FIRST_ONLY,
  MQTT_CLIENT,
  MQTT_ERR_ACL_DENIED,
  MQTT_ERR_AGAIN,
  MQTT_ERR_AUTH,
  MQTT_ERR_CONN_LOST,
  MQTT_ERR_CONN_REFUSED,
  MQTT_ERR_ERRNO,
  MQTT_ERR_INVAL,
  MQTT_ERR_KEEPALIVE,
  MQTT_ERR_NO_CONN,
  MQTT_ERR_NOMEM,
  MQTT_ERR_NOT_FOUND,
  MQTT_ERR_NOT_SUPPORTED,
  MQTT_ERR_PAYLOAD_SIZE,
  MQTT_ERR_PROTOCOL,
  MQTT_ERR_QUEUE_SIZE,
  MQTT_ERR_SUCCESS,
  MQTT_ERR_TLS,
  MQTT_ERR_UNKNOWN,
  MQTT_LOG_DEBUG,
  MQTT_LOG_ERR,
  MQTT_LOG_INFO,
  MQTT_LOG_NOTICE,
  MQTT_LOG_WARNING,
  MQTTv5,
  MQTTv31,
  MQTTv311,
  mqtt_ms_invalid,
  mqtt_ms_publish,
  mqtt_ms_queued,
  mqtt_ms_resend_pubcomp,
  mqtt_ms_resend_pubrel,
  mqtt_ms_send_pubrec,
  mqtt_ms_wait_for_puback,
  mqtt_ms_wait_for_pubcomp,
  mqtt_ms_wait_for_pubrec,
  mqtt_ms_wait_for_pubrel,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
} from './compat/constants.ts'
export {
  CallbackAPIVersion,
  ConnackCode,
  LogLevel,
  MessageState,
  MessageType,
  MQTTErrorCode,
  MQTTProtocolVersion,
  PahoClientMode,
} from './compat/enums.ts'
export {
  connack_string,
  convert_connack_rc_to_reason_code,
  convert_disconnect_error_code_to_reason_code,
  error_string,
} from './compat/error-text.ts'
export {
  AssertionError,
  BlockingIOError,
  KeyError,
  MalformedPacket,
  MQTTException,
  RuntimeError,
  UnicodeDecodeError,
  ValueError,
  WebsocketConnectionError,
} from './compat/errors.ts'
export {
  ConnectFlags,
  DisconnectFlags,
} from './compat/flags.ts'
export { LOGGING_LEVEL, type Logger } from './compat/logger.ts'
export { MQTTMatcher, topic_matches_sub } from './compat/matcher.ts'
export { MQTTMessage } from './compat/message.ts'
export { MQTTMessageInfo } from './compat/message-info.ts'
export { PacketTypes } from './compat/packet-types.ts'
export type { PayloadType } from './compat/payload.ts'
export { Properties } from './compat/properties.ts'
export * as properties from './compat/properties-namespace.ts'
export * as publish from './compat/publish.ts'
export { ReasonCode, ReasonCodes } from './compat/reason-code.ts'
export type { CleanStartOption, HTTPHeader, WebSocketHeaders } from './compat/settings.ts'
export type { SocketLike } from './compat/socket-like.ts'
export * as socks from './compat/socks.ts'
export * as ssl from './compat/ssl.ts'
export * as subscribe from './compat/subscribe.ts'
export { SubscribeOptions } from './compat/subscribe-options.ts'
export { VariableByteIntegers } from './compat/wire-values.ts'

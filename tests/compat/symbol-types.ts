/** Every documented type, used once: that they exist is for the compiler to say. */
import type {
  CallbackAPIVersion,
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
  CleanStartOption,
  Client,
  ConnackCode,
  HTTPHeader,
  Logger,
  LogLevel,
  MessageState,
  MessageType,
  MQTTErrorCode,
  MQTTProtocolVersion,
  PahoClientMode,
  PayloadType,
  publish,
  SocketLike,
  WebSocketHeaders,
} from 'mqtt-await/compat'

export interface DocumentedTypes {
  t0: PayloadType
  t1: HTTPHeader
  t2: WebSocketHeaders
  t3: CleanStartOption
  t4: SocketLike
  t5: Logger
  t6: CallbackOnConnect_v1_mqtt3
  t7: CallbackOnConnect_v1_mqtt5
  t8: CallbackOnConnect_v1
  t9: CallbackOnConnect_v2
  t10: CallbackOnConnect
  t11: CallbackOnConnectFail
  t12: CallbackOnDisconnect_v1_mqtt3
  t13: CallbackOnDisconnect_v1_mqtt5
  t14: CallbackOnDisconnect_v1
  t15: CallbackOnDisconnect_v2
  t16: CallbackOnDisconnect
  t17: CallbackOnLog
  t18: CallbackOnMessage
  t19: CallbackOnPreConnect
  t20: CallbackOnPublish_v1
  t21: CallbackOnPublish_v2
  t22: CallbackOnPublish
  t23: CallbackOnSocket
  t24: CallbackOnSubscribe_v1_mqtt3
  t25: CallbackOnSubscribe_v1_mqtt5
  t26: CallbackOnSubscribe_v1
  t27: CallbackOnSubscribe_v2
  t28: CallbackOnSubscribe
  t29: CallbackOnUnsubscribe_v1_mqtt3
  t30: CallbackOnUnsubscribe_v1_mqtt5
  t31: CallbackOnUnsubscribe_v1
  t32: CallbackOnUnsubscribe_v2
  t33: CallbackOnUnsubscribe
  t34: MQTTErrorCode
  t35: MQTTProtocolVersion
  t36: CallbackAPIVersion
  t37: MessageType
  t38: LogLevel
  t39: ConnackCode
  t40: MessageState
  t41: PahoClientMode
  t42: publish.AuthParameter
  t43: publish.TLSParameter
  t44: publish.MessageDict
  t45: publish.MessageTuple
  t46: publish.MessagesList
}

export type DocumentedClient = Client

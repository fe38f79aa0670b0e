import type { Client } from './client.ts'
import type { ConnectFlags, DisconnectFlags } from './flags.ts'
import type { MQTTMessage } from './message.ts'
import type { Properties } from './properties.ts'
import type { ReasonCode } from './reason-code.ts'
import type { SocketLike } from './socket-like.ts'

/** Whatever the program wants its callbacks to be given. */
// biome-ignore lint/suspicious/noExplicitAny: the program's own value, of which only the program knows the type
export type UserData = any

/**
 * The type of the `on_*` properties: functions written for any of the shapes below are accepted without a cast, also with
 * fewer parameters or with untyped ones.
 */
// biome-ignore lint/suspicious/noExplicitAny: which arguments follow depends on versions that are values, not types
export type Callback = (client: Client, userdata: UserData, ...args: any[]) => unknown

export type CallbackOnConnect_v1_mqtt3 = (
  client: Client,
  userdata: UserData,
  flags: Record<string, number>,
  rc: number,
) => unknown
export type CallbackOnConnect_v1_mqtt5 = (
  client: Client,
  userdata: UserData,
  flags: Record<string, number>,
  reason_code: ReasonCode,
  properties: Properties | null,
) => unknown
export type CallbackOnConnect_v1 = CallbackOnConnect_v1_mqtt3 | CallbackOnConnect_v1_mqtt5
export type CallbackOnConnect_v2 = (
  client: Client,
  userdata: UserData,
  connect_flags: ConnectFlags,
  reason_code: ReasonCode,
  properties: Properties,
) => unknown
export type CallbackOnConnect = CallbackOnConnect_v1 | CallbackOnConnect_v2
export type CallbackOnDisconnect_v1_mqtt3 = (client: Client, userdata: UserData, rc: number) => unknown
export type CallbackOnDisconnect_v1_mqtt5 = (
  client: Client,
  userdata: UserData,
  reason_code: ReasonCode | number | null,
  properties: Properties | null,
) => unknown
export type CallbackOnDisconnect_v1 = CallbackOnDisconnect_v1_mqtt3 | CallbackOnDisconnect_v1_mqtt5
export type CallbackOnDisconnect_v2 = (
  client: Client,
  userdata: UserData,
  disconnect_flags: DisconnectFlags,
  reason_code: ReasonCode,
  properties: Properties,
) => unknown
export type CallbackOnDisconnect = CallbackOnDisconnect_v1 | CallbackOnDisconnect_v2
export type CallbackOnPublish_v1 = (client: Client, userdata: UserData, mid: number) => unknown
export type CallbackOnPublish_v2 = (
  client: Client,
  userdata: UserData,
  mid: number,
  reason_code: ReasonCode,
  properties: Properties,
) => unknown
export type CallbackOnPublish = CallbackOnPublish_v1 | CallbackOnPublish_v2
export type CallbackOnSubscribe_v1_mqtt3 = (
  client: Client,
  userdata: UserData,
  mid: number,
  granted_qos: number[],
) => unknown
export type CallbackOnSubscribe_v1_mqtt5 = (
  client: Client,
  userdata: UserData,
  mid: number,
  reason_codes: ReasonCode[],
  properties: Properties,
) => unknown
export type CallbackOnSubscribe_v1 = CallbackOnSubscribe_v1_mqtt3 | CallbackOnSubscribe_v1_mqtt5
export type CallbackOnSubscribe_v2 = CallbackOnSubscribe_v1_mqtt5
export type CallbackOnSubscribe = CallbackOnSubscribe_v1 | CallbackOnSubscribe_v2
export type CallbackOnUnsubscribe_v1_mqtt3 = (client: Client, userdata: UserData, mid: number) => unknown
export type CallbackOnUnsubscribe_v1_mqtt5 = (
  client: Client,
  userdata: UserData,
  mid: number,
  properties: Properties,
  reason_codes: ReasonCode | ReasonCode[],
) => unknown
export type CallbackOnUnsubscribe_v1 = CallbackOnUnsubscribe_v1_mqtt3 | CallbackOnUnsubscribe_v1_mqtt5
export type CallbackOnUnsubscribe_v2 = (
  client: Client,
  userdata: UserData,
  mid: number,
  reason_code_list: ReasonCode[],
  properties: Properties,
) => unknown
export type CallbackOnUnsubscribe = CallbackOnUnsubscribe_v1 | CallbackOnUnsubscribe_v2
export type CallbackOnMessage = (client: Client, userdata: UserData, message: MQTTMessage) => unknown
export type CallbackOnLog = (client: Client, userdata: UserData, level: number, buf: string) => unknown
export type CallbackOnConnectFail = (client: Client, userdata: UserData) => unknown
export type CallbackOnPreConnect = (client: Client, userdata: UserData) => unknown
export type CallbackOnSocket = (client: Client, userdata: UserData, sock: SocketLike) => unknown

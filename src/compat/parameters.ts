/**
 * The parameters of every method of the client that has optional ones: their names for keywords, and their types. Those of
 * the helpers are beside them, in one-shot.ts.
 */
import type { SessionStore } from '../store/store.ts'
import type { UserData } from './callback-types.ts'
import type { CallbackAPIVersion, MQTTProtocolVersion } from './enums.ts'
import type { Logger } from './logger.ts'
import type { PayloadType } from './payload.ts'
import type { Properties } from './properties.ts'
import type { ReasonCode } from './reason-code.ts'
import type { CleanStartOption, TransportName, WebSocketHeaders } from './settings.ts'
import type { SubscribeTopic } from './subscribe-arguments.ts'
import type { SubscribeOptions } from './subscribe-options.ts'
import type { TlsContext } from './tls-settings.ts'

export const CONSTRUCTOR = [
  'callback_api_version',
  'client_id',
  'clean_session',
  'userdata',
  'protocol',
  'transport',
  'reconnect_on_failure',
  'manual_ack',
  'session_store',
  'republish_on_clean_session',
] as const
export type ConstructorArguments = [
  callback_api_version?: CallbackAPIVersion,
  client_id?: string | Uint8Array | null,
  clean_session?: boolean | null,
  userdata?: UserData,
  protocol?: MQTTProtocolVersion,
  transport?: TransportName,
  reconnect_on_failure?: boolean,
  manual_ack?: boolean,
]
export type AllConstructorArguments = [
  ...ConstructorArguments,
  session_store?: SessionStore | null,
  republish_on_clean_session?: boolean,
]
/** What follows by keyword only. */
export const POSITIONAL = 8

export const REINITIALISE = ['client_id', 'clean_session', 'userdata'] as const
export type ReinitialiseArguments = [
  client_id?: string | null,
  clean_session?: boolean | null,
  userdata?: UserData,
]

export const CONNECT = [
  'host',
  'port',
  'keepalive',
  'bind_address',
  'bind_port',
  'clean_start',
  'properties',
] as const
export type ConnectArguments = [
  host: string,
  port?: number,
  keepalive?: number,
  bind_address?: string,
  bind_port?: number,
  clean_start?: CleanStartOption,
  properties?: Properties | null,
]

export const CONNECT_SRV = [
  'domain',
  'keepalive',
  'bind_address',
  'bind_port',
  'clean_start',
  'properties',
] as const
export type ConnectSrvArguments = [
  domain?: string | null,
  keepalive?: number,
  bind_address?: string,
  bind_port?: number,
  clean_start?: CleanStartOption,
  properties?: Properties | null,
]

export const PUBLISH = ['topic', 'payload', 'qos', 'retain', 'properties'] as const
export type PublishArguments = [
  topic: string,
  payload?: PayloadType,
  qos?: number,
  retain?: boolean,
  properties?: Properties | null,
]

export const SUBSCRIBE = ['topic', 'qos', 'options', 'properties'] as const
export type SubscribeArguments = [
  topic: SubscribeTopic,
  qos?: number,
  options?: SubscribeOptions | null,
  properties?: Properties | null,
]

export const UNSUBSCRIBE = ['topic', 'properties'] as const
export type UnsubscribeArguments = [topic: string | string[], properties?: Properties | null]

export const DISCONNECT = ['reasoncode', 'properties'] as const
export type DisconnectArguments = [reasoncode?: ReasonCode | null, properties?: Properties | null]

export const WILL_SET = ['topic', 'payload', 'qos', 'retain', 'properties'] as const
export type WillSetArguments = PublishArguments

export const USERNAME_PW_SET = ['username', 'password'] as const
export type UsernamePwSetArguments = [username: string | null, password?: string | Uint8Array | null]

export const RECONNECT_DELAY_SET = ['min_delay', 'max_delay'] as const
export type ReconnectDelaySetArguments = [min_delay?: number, max_delay?: number]

export const WS_SET_OPTIONS = ['path', 'headers'] as const
export type WsSetOptionsArguments = [path?: string | null, headers?: WebSocketHeaders | null]

export const TLS_SET = [
  'ca_certs',
  'certfile',
  'keyfile',
  'cert_reqs',
  'tls_version',
  'ciphers',
  'keyfile_password',
  'alpn_protocols',
] as const
export type TlsSetArguments = [
  ca_certs?: string | null,
  certfile?: string | null,
  keyfile?: string | null,
  cert_reqs?: number | null,
  tls_version?: number | null,
  ciphers?: string | null,
  keyfile_password?: string | null,
  alpn_protocols?: string[] | null,
]

export const TLS_SET_CONTEXT = ['context'] as const
export type TlsSetContextArguments = [context?: TlsContext | null]

export const ENABLE_LOGGER = ['logger'] as const
export type EnableLoggerArguments = [logger?: Logger | null]

export const LOOP_READ = ['max_packets'] as const
export type LoopReadArguments = [max_packets?: number]

export const LOOP = ['timeout'] as const
export type LoopArguments = [timeout?: number]

export const LOOP_FOREVER = ['timeout', 'retry_first_connection'] as const
export type LoopForeverArguments = [timeout?: number, retry_first_connection?: boolean]

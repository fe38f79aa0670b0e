import { bindArguments, isPlainObject, type WithKeywords } from './call-arguments.ts'
import type { CallbackOnMessage, UserData } from './callback-types.ts'
import { Client } from './client.ts'
import { CallbackAPIVersion, MQTTProtocolVersion } from './enums.ts'
import { connack_string } from './error-text.ts'
import { KeyError, MQTTException, ValueError } from './errors.ts'
import type { MQTTMessage } from './message.ts'
import { TLS_SET } from './parameters.ts'
import type { PayloadType } from './payload.ts'
import type { ReasonCode } from './reason-code.ts'
import type { ProxySettings, TransportName } from './settings.ts'
import type { TlsContext } from './tls-settings.ts'
import { checkQos } from './topic-check.ts'

/** A message by the names of the arguments of `publish()`. */
export type MessageDict = { topic: string; payload?: PayloadType; qos?: number; retain?: boolean }
/** A message by the arguments of `publish()`. */
export type MessageTuple = [topic: string, payload?: PayloadType, qos?: number, retain?: boolean]
export type MessagesList = (MessageDict | MessageTuple)[]
export type AuthParameter = { username: string; password?: string }
/** The arguments of `tls_set()` by name, and `insecure` for `tls_insecure_set()`. */
export type TLSParameter = {
  ca_certs?: string | null
  certfile?: string | null
  keyfile?: string | null
  cert_reqs?: number | null
  tls_version?: number | null
  ciphers?: string | null
  keyfile_password?: string | null
  alpn_protocols?: string[] | null
  insecure?: boolean
}

type TlsArgument = TLSParameter | TlsContext
type Auth = AuthParameter | Record<string, never>

const TLS_SET_NAMES: readonly string[] = TLS_SET

/** What all helpers take for the connection. */
const CONNECTION = [
  'hostname',
  'port',
  'client_id',
  'keepalive',
  'will',
  'auth',
  'tls',
  'protocol',
  'transport',
] as const
type ConnectionArguments = [
  hostname?: string,
  port?: number,
  client_id?: string,
  keepalive?: number,
  will?: MessageDict | null,
  auth?: Auth | null,
  tls?: TlsArgument | null,
  protocol?: MQTTProtocolVersion,
  transport?: TransportName,
]
type ConnectionNames = typeof CONNECTION

const SINGLE: readonly ['topic', 'payload', 'qos', 'retain', ...ConnectionNames, 'proxy_args'] = [
  'topic',
  'payload',
  'qos',
  'retain',
  ...CONNECTION,
  'proxy_args',
]
type SingleArguments = [
  topic: string,
  payload?: PayloadType,
  qos?: number,
  retain?: boolean,
  ...connection: ConnectionArguments,
  proxy_args?: ProxySettings | null,
]

const MULTIPLE: readonly ['msgs', ...ConnectionNames, 'proxy_args'] = ['msgs', ...CONNECTION, 'proxy_args']
type MultipleArguments = [
  msgs: Iterable<MessageDict | MessageTuple>,
  ...connection: ConnectionArguments,
  proxy_args?: ProxySettings | null,
]

const CALLBACK: readonly [
  'callback',
  'topics',
  'qos',
  'userdata',
  ...ConnectionNames,
  'clean_session',
  'proxy_args',
] = ['callback', 'topics', 'qos', 'userdata', ...CONNECTION, 'clean_session', 'proxy_args']
type CallbackArguments = [
  callback: CallbackOnMessage,
  topics: string | string[],
  qos?: number,
  userdata?: UserData,
  ...connection: ConnectionArguments,
  clean_session?: boolean | null,
  proxy_args?: ProxySettings | null,
]

const SIMPLE: readonly [
  'topics',
  'qos',
  'msg_count',
  'retained',
  ...ConnectionNames,
  'clean_session',
  'proxy_args',
] = ['topics', 'qos', 'msg_count', 'retained', ...CONNECTION, 'clean_session', 'proxy_args']
type SimpleArguments = [
  topics: string | string[],
  qos?: number,
  msg_count?: number,
  retained?: boolean,
  ...connection: ConnectionArguments,
  clean_session?: boolean | null,
  proxy_args?: ProxySettings | null,
]

/** Publishes one message, with a connection of its own. Rejects with `MQTTException` when the broker refuses it. */
export function single(...args: SingleArguments): Promise<void>
export function single(...args: WithKeywords<typeof SINGLE, SingleArguments>): Promise<void>
export async function single(...args: unknown[]): Promise<void> {
  const [topic, payload = null, qos = 0, retain = false, ...rest] = bindArguments<SingleArguments>(
    SINGLE,
    1,
    args,
  )
  return multiple([{ topic, payload, qos, retain }], ...rest)
}

/**
 * Publishes messages, with a connection of their own: one after the other, each when the one before is acknowledged.
 * Rejects with `MQTTException` when the broker refuses the connection.
 */
export function multiple(...args: MultipleArguments): Promise<void>
export function multiple(...args: WithKeywords<typeof MULTIPLE, MultipleArguments>): Promise<void>
export async function multiple(...args: unknown[]): Promise<void> {
  const [msgs, ...rest] = bindArguments<MultipleArguments>(MULTIPLE, 1, args)
  if (typeof (msgs as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] !== 'function') {
    throw new TypeError('msgs must be an iterable')
  }
  const connection = rest.slice(0, CONNECTION.length) as ConnectionArguments
  const proxy_args = rest[CONNECTION.length] as ProxySettings | null | undefined
  const messages = [...msgs]
  if (messages.length === 0) throw new ValueError('msgs is empty')
  const client = makeClient(connection, proxy_args)
  const publishNext = (): void => {
    const message = messages.shift()
    if (message === undefined) client.disconnect()
    else publishOne(client, message)
  }
  let begun = false
  client.on_publish = publishNext
  client.on_connect = (_client, _userdata, _flags, reason_code: ReasonCode) => {
    checkAccepted(reason_code)
    // After a lost connection, what was not acknowledged is sent again by itself.
    if (!begun) publishNext()
    begun = true
  }
  await run(client, connection)
}

/**
 * Subscribes and calls back for each message until the callback calls `client.disconnect()`. Rejects with what the callback
 * throws, and with `MQTTException` when the broker refuses the connection.
 */
export function callback(...args: CallbackArguments): Promise<void>
export function callback(...args: WithKeywords<typeof CALLBACK, CallbackArguments>): Promise<void>
export async function callback(...args: unknown[]): Promise<void> {
  const [onMessage, topics, qos = 0, userdata = null, ...rest] = bindArguments<CallbackArguments>(
    CALLBACK,
    2,
    args,
  )
  const connection = rest.slice(0, CONNECTION.length) as ConnectionArguments
  const [clean_session, proxy_args] = rest.slice(CONNECTION.length) as [
    (boolean | null)?,
    (ProxySettings | null)?,
  ]
  checkQos(qos)
  const client = makeClient(connection, proxy_args, clean_session, userdata)
  client.on_message = (_client, data, message: MQTTMessage) => onMessage(client, data, message)
  client.on_connect = (_client, _userdata, _flags, reason_code: ReasonCode) => {
    checkAccepted(reason_code)
    for (const topic of typeof topics === 'string' ? [topics] : topics) client.subscribe(topic, qos)
  }
  await run(client, connection)
}

/** Waits for messages: resolves with one, or with an array of `msg_count` in the order of arrival. */
export function simple(...args: SimpleArguments): Promise<MQTTMessage | MQTTMessage[]>
export function simple(
  ...args: WithKeywords<typeof SIMPLE, SimpleArguments>
): Promise<MQTTMessage | MQTTMessage[]>
export async function simple(...args: unknown[]): Promise<MQTTMessage | MQTTMessage[]> {
  const [topics, qos = 0, msg_count = 1, retained = true, ...rest] = bindArguments<SimpleArguments>(
    SIMPLE,
    1,
    args,
  )
  if (!(msg_count >= 1)) throw new ValueError('msg_count must be > 0')
  const messages: MQTTMessage[] = []
  const collect: CallbackOnMessage = (client, _userdata, message) => {
    if (messages.length >= msg_count || (message.retain && !retained)) return
    messages.push(message)
    if (messages.length >= msg_count) client.disconnect()
  }
  await callback(collect, topics, qos, null, ...rest)
  return msg_count === 1 && messages[0] !== undefined ? messages[0] : messages
}

function makeClient(
  connection: ConnectionArguments,
  proxy_args: ProxySettings | null = null,
  clean_session: boolean | null = true,
  userdata: UserData = null,
): Client {
  const [, , client_id, , will = null, auth = null, tls = null, protocol, transport] = connection
  const client = new Client(
    CallbackAPIVersion.VERSION2,
    client_id,
    // With MQTT 5 it would be refused: clean_start of connect() has its place.
    protocol === MQTTProtocolVersion.MQTTv5 ? null : clean_session,
    userdata,
    protocol,
    transport,
  )
  client.enable_logger()
  if (proxy_args !== null) client.proxy_set(proxy_args)
  if (auth !== null && Object.keys(auth).length > 0) {
    if (!auth.username) throw new KeyError('The username key was not found, this is required for auth')
    client.username_pw_set(auth.username, auth.password ?? null)
  }
  if (will !== null) client.will_set(will.topic, will.payload ?? null, will.qos ?? 0, will.retain ?? false)
  if (tls !== null) setTls(client, tls)
  return client
}

/** Connects and loops until the client disconnects; what a callback throws leaves no connection behind. */
async function run(client: Client, connection: ConnectionArguments): Promise<void> {
  const [hostname = 'localhost', port = 1883, , keepalive = 60] = connection
  try {
    await client.connect(hostname, port, keepalive)
    await client.loop_forever()
  } finally {
    client.disconnect()
  }
}

function setTls(client: Client, tls: TlsArgument): void {
  if (!isPlainObject(tls)) {
    client.tls_set_context(tls)
    return
  }
  const { insecure, ...rest } = tls as TLSParameter
  const names = Object.keys(rest)
  if (names.length === 0) {
    client.tls_set()
  } else if (names.every((name) => TLS_SET_NAMES.includes(name))) {
    client.tls_set(rest)
  } else {
    client.tls_set_context(rest as TlsContext)
  }
  if (insecure === true) client.tls_insecure_set(true)
}

function publishOne(client: Client, message: unknown): void {
  if (Array.isArray(message)) {
    const [topic, payload, qos, retain] = message as MessageTuple
    client.publish(topic, payload, qos, retain)
  } else if (isPlainObject(message)) {
    const { topic, payload, qos, retain } = message as MessageDict
    client.publish(topic, payload, qos, retain)
  } else {
    throw new TypeError('message must be an object or an array')
  }
}

function checkAccepted(reason_code: ReasonCode): void {
  if (reason_code.is_failure) throw new MQTTException(connack_string(reason_code))
}

import { checkTopicName } from '../codec/check-topic.ts'
import type { ConnectProperties, ProtocolVersion, QoS, Will, WillProperties } from '../codec/packet.ts'
import { type MqttError, wrongOption } from '../errors.ts'
import type { SessionConfig } from '../session/session.ts'
import type { SessionStore } from '../store/store.ts'
import type { CustomTransport } from '../transport/custom.ts'
import { type Endpoint, parseEndpoint, parseServer } from '../transport/endpoint.ts'
import type { SocketOptions, TlsOptions, WebSocketOptions } from '../transport/settings.ts'
import { allocate } from './allocate.ts'
import type { Authenticator } from './authentication/authenticator.ts'
import type { Backoff, ReconnectDelay, ReconnectOptions } from './backoff.ts'
import type { LogHook } from './log.ts'
import { Message } from './message.ts'
import { checkOptions } from './options-schema.ts'
import { type Payload, payloadBytes } from './payload.ts'
import { present } from './present.ts'
import type { ReasonClasses } from './reason-class.ts'
import { type UserPropertiesInput, userPropertyPairs } from './user-properties.ts'

/** The message that the server publishes when the connection ends without DISCONNECT. */
export interface WillOptions {
  readonly topic: string
  readonly payload?: Payload | undefined
  /** @default 0 */
  readonly qos?: QoS | undefined
  /** @default false */
  readonly retain?: boolean | undefined
  /** Seconds that the server waits before it publishes the will. MQTT 5. @default 0 */
  readonly delayInterval?: number | undefined
  /** Seconds. MQTT 5. */
  readonly messageExpiryInterval?: number | undefined
  readonly contentType?: string | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Uint8Array | undefined
  readonly payloadFormat?: 'utf8' | 'bytes' | undefined
  readonly userProperties?: UserPropertiesInput | undefined
}

/** Bounds of what waits to be sent. A publication that can be written at once is never refused by them. */
export interface QueueOptions {
  /** @default Infinity */
  readonly maxMessages?: number | undefined
  /** Payload bytes. @default Infinity */
  readonly maxBytes?: number | undefined
  /** How long a publication may wait to be sent; then `acked` rejects. @default Infinity */
  readonly maxAgeMs?: number | undefined
  /**
   * What gives way when the queue is full. The one that does rejects `acked` with `QueueFullError`.
   * "reject" and "drop-newest" refuse the new one; the latter reports it as `dropped`, not as an error.
   * @default 'reject'
   */
  readonly overflow?: 'reject' | 'drop-oldest' | 'drop-newest' | undefined
  /**
   * QoS 0 while there is no connection: wait for one, fail with code `ERR_MQTT_NOT_CONNECTED`, or be dropped
   * (`acked` rejects, the `dropped` event tells). @default 'queue'
   */
  readonly qos0?: 'queue' | 'reject' | 'drop' | undefined
  /**
   * With a `store`: how many queued messages are held in memory. Those of QoS 1 and 2 beyond wait in the store alone, and are read
   * back in their order; so the queue may be larger than memory. Not with `overflow: "drop-oldest"`, where all are in memory.
   * @default 16_384
   */
  readonly memoryMessages?: number | undefined
  /** The same in payload bytes. @default 16_777_216 */
  readonly memoryBytes?: number | undefined
}

/** What `connectOptions` is told about the attempt it is called for. */
export interface ConnectAttempt {
  /** 1 for the first attempt after start or after a stable connection. */
  readonly attempt: number
  /** Why there is another attempt; absent for the first of all. */
  readonly cause: MqttError | undefined
  /** Aborted when the attempt is given up. */
  readonly signal: AbortSignal
}

/** What may differ between one connection and the next: with `url` or `servers` also where to. */
export type ConnectionOverrides = Omit<
  ClientOptions,
  | 'queue'
  | 'store'
  | 'log'
  | 'reconnect'
  | 'connectOptions'
  | 'onSessionLost'
  | 'maxInflight'
  | 'resubscribe'
  | 'reasonCodes'
  | 'protocolVersion'
  | 'serverOrder'
  | 'autoTopicAlias'
  | 'ackTimeoutMs'
  | 'redirects'
>

/** Options of a client. Unknown keys throw. Durations in milliseconds end in `Ms`; those that MQTT defines are in seconds. */
export interface ClientOptions {
  /** Where to connect to, when the first argument of the constructor is this object. */
  readonly url?: string | URL | undefined
  /** Several servers, instead of `url`; each round of attempts goes through them. The one that worked last comes first. */
  readonly servers?: readonly (string | URL)[] | undefined
  /** @default 'in-order' */
  readonly serverOrder?: 'in-order' | 'shuffled' | undefined

  /** @default a random one; '' lets the server assign one */
  readonly clientId?: string | undefined
  /** 5 = MQTT 5.0, 4 = 3.1.1, 3 = 3.1; "auto" = 5.0, and 3.1.1 where the server refuses that. @default 5 */
  readonly protocolVersion?: ProtocolVersion | 'auto' | undefined
  /**
   * Begin without the session that the server may hold. Concerns the first connection of this client: reconnects
   * take up their own session. @default true, but false with a `store` or a `sessionExpiryInterval` above 0
   */
  readonly cleanStart?: boolean | undefined
  /**
   * Seconds that the server keeps the session without a connection; 0xFFFFFFFF = for ever. On 3.x anything above 0 means a
   * session without end. @default 0, with a `store` 0xFFFFFFFF
   */
  readonly sessionExpiryInterval?: number | undefined
  /**
   * Seconds, 0 = off. A dead link is found within one and a half of it. In pages 4 is the least: timers come up to a second late
   * while the page is hidden. @default 60
   */
  readonly keepAlive?: number | undefined
  readonly username?: string | undefined
  readonly password?: string | Uint8Array | undefined
  readonly will?: WillOptions | undefined
  /** QoS 1 and 2 messages that the server may leave unacknowledged at once: the bound of what this client holds. @default 1024 */
  readonly receiveMaximum?: number | undefined
  /**
   * Bytes. The server is told (MQTT 5) and leaves out larger messages; a packet that is larger all the same ends the
   * connection before it is buffered (0x95), also on 3.x, where servers cannot be told. @default 67,108,864; MQTT itself ends at
   * 268,435,460
   */
  readonly maximumPacketSize?: number | undefined
  /** Topic Aliases that the server may use towards this client. @default 0 */
  readonly topicAliasMaximum?: number | undefined
  readonly userProperties?: UserPropertiesInput | undefined
  /** @default false */
  readonly requestResponseInformation?: boolean | undefined
  /** @default true */
  readonly requestProblemInformation?: boolean | undefined
  /** QoS 2 publications that the server may have received before it lost the session. @default 'reject' */
  readonly onSessionLost?: 'reject' | 'republish' | undefined
  /** Subscribe again when the server has no session. @default true */
  readonly resubscribe?: boolean | undefined
  /** QoS 1 and 2 publications in flight, below the server's Receive Maximum. @default 65,535 on 5.0, 20 on 3.x */
  readonly maxInflight?: number | undefined
  /**
   * Keeps the session beyond this process: `levelStore()`, `memoryStore()` (`mqtt-await/store`), or one of your own. It is opened by
   * `connect()` and closed when the client has ended. A publication is stored before it is sent. @default none
   */
  readonly store?: SessionStore | undefined
  /** Use Topic Aliases for all publications, within the server's maximum. @default false */
  readonly autoTopicAlias?: boolean | undefined
  readonly authenticator?: Authenticator | undefined

  /** From the first DNS query to CONNACK; before that, for `connectOptions` to answer. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined
  /**
   * Longest time without any acknowledgement while some are due; then the connection is taken for dead and made anew
   * (an MQTT 5 client may not resend on a living one). 0 = off. @default 0
   */
  readonly ackTimeoutMs?: number | undefined
  readonly tls?: TlsOptions | undefined
  readonly websocket?: WebSocketOptions | undefined
  readonly socket?: SocketOptions | undefined
  /** `http:`, `https:`, `socks4:`, `socks5:`. */
  readonly proxy?: string | URL | undefined
  /** Opens the connections in place of the built-in transports: gives `{ readable, writable }`, or a `Transport`. */
  readonly transport?: CustomTransport | undefined
  /** Called before every attempt; what it returns replaces these options for that attempt. */
  readonly connectOptions?:
    | ((
        attempt: ConnectAttempt,
      ) => ConnectionOverrides | undefined | Promise<ConnectionOverrides | undefined>)
    | undefined
  /**
   * `false`: a lost connection ends the client. "manual": it goes back to `idle` with everything it holds, and
   * `connect()` resumes. @default the defaults of `ReconnectOptions`
   */
  readonly reconnect?: boolean | 'manual' | ReconnectOptions | ReconnectDelay | undefined
  /** Follow Server References of 0x9C and 0x9D, at most three in a row. @default true */
  readonly redirects?: boolean | undefined
  /** Replaces lines of the tables that say which reason codes are worth another attempt. */
  readonly reasonCodes?:
    | { readonly connack?: ReasonClasses | undefined; readonly disconnect?: ReasonClasses | undefined }
    | undefined
  readonly queue?: QueueOptions | undefined
  readonly log?: LogHook | undefined
}

/**
 * Options with their defaults filled in, never changed, and with what the session is told beside them; what a server grants is in
 * `Limits`.
 */
export interface ResolvedOptions extends SessionConfig {
  /** Empty only with a `transport` of one's own. */
  readonly servers: readonly Endpoint[]
  readonly shuffled: boolean
  /** Undefined: make one up. */
  readonly clientId: string | undefined
  readonly protocolVersion: ProtocolVersion
  /** Try 3.1.1 when 5.0 is refused. */
  readonly versionFallback: boolean
  readonly cleanStart: boolean
  readonly keepAlive: number
  readonly username: string | undefined
  readonly password: Uint8Array | undefined
  readonly will: Will | undefined
  readonly connectProperties: ConnectProperties
  readonly onSessionLost: 'reject' | 'republish'
  readonly resubscribe: boolean
  readonly maxInflight: number | undefined
  readonly store: SessionStore | undefined
  readonly autoTopicAlias: boolean
  readonly authenticator: Authenticator | undefined
  readonly connectTimeoutMs: number
  readonly ackTimeoutMs: number
  readonly tls: TlsOptions | undefined
  readonly websocket: WebSocketOptions | undefined
  readonly socket: SocketOptions | undefined
  readonly proxy: string | URL | undefined
  readonly transport: CustomTransport | undefined
  readonly connectOptions: ClientOptions['connectOptions']
  readonly reconnect: false | 'manual' | Backoff | ReconnectDelay
  readonly redirects: boolean
  readonly reasonCodes: NonNullable<ClientOptions['reasonCodes']>
  readonly queue: { readonly [K in keyof QueueOptions]-?: NonNullable<QueueOptions[K]> }
  readonly log: LogHook | undefined
}

/** Session Expiry Interval of a session that does not expire. */
const FOREVER = 0xffff_ffff

/** What one packet of a server that means ill may occupy. Far above what brokers let through (1 MiB and less are common). */
const MAXIMUM_PACKET_SIZE = 67_108_864

const RECONNECT: Backoff = {
  minDelayMs: 500,
  maxDelayMs: 30_000,
  jitter: 'full',
  maxAttempts: Number.POSITIVE_INFINITY,
  initial: false,
  stableAfterMs: 5_000,
}

const QUEUE: ResolvedOptions['queue'] = {
  maxMessages: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  maxAgeMs: Number.POSITIVE_INFINITY,
  overflow: 'reject',
  qos0: 'queue',
  memoryMessages: 16_384,
  memoryBytes: 16_777_216,
}

const DEFAULTS: ResolvedOptions = {
  servers: [],
  shuffled: false,
  clientId: undefined,
  protocolVersion: 5,
  versionFallback: false,
  cleanStart: true,
  keepAlive: 60,
  username: undefined,
  password: undefined,
  will: undefined,
  connectProperties: {},
  onSessionLost: 'reject',
  resubscribe: true,
  maxInflight: undefined,
  store: undefined,
  autoTopicAlias: false,
  publishClass: Message,
  allocate,
  authenticator: undefined,
  connectTimeoutMs: 10_000,
  ackTimeoutMs: 0,
  tls: undefined,
  websocket: undefined,
  socket: undefined,
  proxy: undefined,
  transport: undefined,
  connectOptions: undefined,
  redirects: true,
  reconnect: RECONNECT,
  reasonCodes: {},
  queue: QUEUE,
  log: undefined,
}

/** Joins the two arguments of the constructor. */
export function constructorOptions(
  first: string | URL | ClientOptions,
  second: ClientOptions = {},
): ClientOptions {
  if (typeof first !== 'string' && !(first instanceof URL)) return { ...first, ...second }
  return Object.assign({}, second, { url: first })
}

/** Checks options and fills in defaults. Throws `OptionsError`: path, what was expected, what was given (secrets redacted). */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  checkOptions(options)
  const version = options.protocolVersion ?? 5
  const sessionExpiryInterval = options.sessionExpiryInterval ?? (options.store === undefined ? 0 : FOREVER)
  const servers =
    options.servers?.map((server) => parseEndpoint(server)) ??
    (options.url === undefined ? [] : parseServer(options.url))
  if (servers.length === 0 && options.transport === undefined) {
    const expected = 'the URL of a server (mqtt://host), `servers`, or a `transport`'
    throw wrongOption('url', expected)
  }
  if (
    options.password !== undefined &&
    options.username === undefined &&
    version !== 5 &&
    version !== 'auto'
  ) {
    throw wrongOption('password', 'a username beside it: MQTT 3 knows no password alone [MQTT-3.1.2-22]')
  }
  const { reconnect } = options
  // Not frozen: a frozen object has a shape of its own, as large as itself.
  return withDefaults(DEFAULTS, {
    ...options,
    servers,
    shuffled: options.serverOrder === 'shuffled',
    protocolVersion: version === 'auto' ? 5 : version,
    versionFallback: version === 'auto',
    cleanStart: options.cleanStart ?? sessionExpiryInterval === 0,
    password: options.password === undefined ? undefined : payloadBytes(options.password, 'password'),
    will: options.will === undefined ? undefined : resolveWill(options.will),
    connectProperties: resolveProperties(options, sessionExpiryInterval),
    reconnect:
      reconnect === false || reconnect === 'manual' || typeof reconnect === 'function'
        ? reconnect
        : withDefaults(RECONNECT, reconnect),
    queue: withDefaults(QUEUE, options.queue),
  })
}

/** `undefined` counts as absent. What is as the defaults have it is inherited: a thousand clients have it once. */
function withDefaults<T extends object>(
  defaults: T,
  given: { readonly [K in keyof T]?: T[K] | undefined } | true | undefined,
): T {
  if (given === undefined || given === true) return defaults
  const merged = Object.create(defaults) as T
  for (const key in defaults) {
    const value = given[key]
    if (value !== undefined && value !== defaults[key]) merged[key] = value
  }
  return merged
}

/** CONNECT's own properties; those which say what MQTT assumes anyway are left out. */
function resolveProperties(options: ClientOptions, sessionExpiryInterval: number): ConnectProperties {
  const { receiveMaximum = 1024, topicAliasMaximum = 0, userProperties } = options
  return Object.freeze(
    present({
      sessionExpiryInterval: sessionExpiryInterval || undefined,
      receiveMaximum: receiveMaximum === 65_535 ? undefined : receiveMaximum,
      maximumPacketSize: options.maximumPacketSize ?? MAXIMUM_PACKET_SIZE,
      topicAliasMaximum: topicAliasMaximum || undefined,
      requestResponseInformation: options.requestResponseInformation || undefined,
      requestProblemInformation: options.requestProblemInformation === false ? false : undefined,
      authenticationMethod: options.authenticator?.method,
      userProperties: userProperties === undefined ? undefined : userPropertyPairs(userProperties),
    }),
  )
}

function resolveWill(will: WillOptions): Will {
  checkTopicName(will.topic, 'will.topic')
  const { delayInterval, messageExpiryInterval, contentType, responseTopic, correlationData, payloadFormat } =
    will
  const properties: WillProperties = present({
    willDelayInterval: delayInterval || undefined,
    messageExpiryInterval,
    contentType,
    responseTopic,
    correlationData,
    payloadFormatIndicator: payloadFormat === 'utf8' ? 1 : undefined,
    userProperties:
      will.userProperties === undefined
        ? undefined
        : userPropertyPairs(will.userProperties, 'will.userProperties'),
  })
  return Object.freeze({
    topic: will.topic,
    payload: payloadBytes(will.payload, 'will.payload'),
    qos: will.qos ?? 0,
    retain: will.retain ?? false,
    ...(Object.keys(properties).length === 0 ? {} : { properties: Object.freeze(properties) }),
  })
}

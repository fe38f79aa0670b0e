import { resolveSrv } from 'node:dns/promises'
import { hostname } from 'node:os'
import process from 'node:process'
import type { DisconnectProperties, PublishProperties } from '../codec/packet.ts'
import type { SessionStore } from '../store/store.ts'
import { bindArguments, type WithKeywords } from './call-arguments.ts'
import { CALLBACK_NAMES, CallbackRunner } from './callback-runner.ts'
import type { Callback, CallbackOnMessage, UserData } from './callback-types.ts'
import { Connection } from './connection.ts'
import { MQTT_CLEAN_START_FIRST_ONLY } from './constants.ts'
import { CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion } from './enums.ts'
import { KeyError, RuntimeError, ValueError } from './errors.ts'
import { defaultLogger, type Logger } from './logger.ts'
import { Loops } from './loops.ts'
import { finishInfo, MQTTMessageInfo } from './message-info.ts'
import { Narrator } from './narrator.ts'
import {
  type AllConstructorArguments,
  CONNECT,
  CONNECT_SRV,
  CONSTRUCTOR,
  type ConnectArguments,
  type ConnectSrvArguments,
  type ConstructorArguments,
  DISCONNECT,
  type DisconnectArguments,
  ENABLE_LOGGER,
  type EnableLoggerArguments,
  LOOP,
  LOOP_FOREVER,
  type LOOP_READ,
  type LoopArguments,
  type LoopForeverArguments,
  type LoopReadArguments,
  POSITIONAL,
  PUBLISH,
  type PublishArguments,
  RECONNECT_DELAY_SET,
  REINITIALISE,
  type ReconnectDelaySetArguments,
  type ReinitialiseArguments,
  SUBSCRIBE,
  type SubscribeArguments,
  TLS_SET,
  TLS_SET_CONTEXT,
  type TlsSetArguments,
  type TlsSetContextArguments,
  UNSUBSCRIBE,
  type UnsubscribeArguments,
  USERNAME_PW_SET,
  type UsernamePwSetArguments,
  WILL_SET,
  type WillSetArguments,
  WS_SET_OPTIONS,
  type WsSetOptionsArguments,
} from './parameters.ts'
import { encodePayload } from './payload.ts'
import type { Properties } from './properties.ts'
import { toCore } from './property-mapping.ts'
import { OutgoingMessage } from './publications.ts'
import { type CleanStartOption, type ProxySettings, Settings, type TransportName } from './settings.ts'
import type { SocketLike } from './socket-like.ts'
import { subscriptionRequests } from './subscribe-arguments.ts'
import { checkPayload, checkQos, checkTopic } from './topic-check.ts'
import { checkMessage, checkPacket } from './wire-check.ts'

/** Stands for a decorator: `client.connect_callback()(callback)` sets `on_connect` and returns the callback. */
type Decorator = () => <Function extends Callback>(callback: Function) => Function

const { MQTT_ERR_SUCCESS, MQTT_ERR_NO_CONN, MQTT_ERR_QUEUE_SIZE } = MQTTErrorCode

/**
 * The client of Paho for Python: methods that return codes, callbacks that are properties, and loop functions
 * without which nothing is read. Required arguments stand by position; in place of any optional ones, one trailing
 * object may give them by name.
 */
export class Client {
  declare on_log: Callback | null
  declare on_pre_connect: Callback | null
  declare on_connect: Callback | null
  declare on_connect_fail: Callback | null
  declare on_subscribe: Callback | null
  declare on_message: Callback | null
  declare on_publish: Callback | null
  declare on_unsubscribe: Callback | null
  declare on_disconnect: Callback | null
  declare on_socket_open: Callback | null
  declare on_socket_close: Callback | null
  declare on_socket_register_write: Callback | null
  declare on_socket_unregister_write: Callback | null
  declare log_callback: Decorator
  declare pre_connect_callback: Decorator
  declare connect_callback: Decorator
  declare connect_fail_callback: Decorator
  declare subscribe_callback: Decorator
  declare message_callback: Decorator
  declare publish_callback: Decorator
  declare unsubscribe_callback: Decorator
  declare disconnect_callback: Decorator
  declare socket_open_callback: Decorator
  declare socket_close_callback: Decorator
  declare socket_register_write_callback: Decorator
  declare socket_unregister_write_callback: Decorator
  /** Where log lines go, beside `on_log`. */
  logger: Logger | null = null
  /** Whether exceptions of callbacks end with being logged. */
  suppress_exceptions: boolean = false
  readonly #version: CallbackAPIVersion
  #republish: boolean
  #store: SessionStore | null
  #settings: Settings
  #callbacks: CallbackRunner
  #narrator: Narrator
  #loops: Loops
  #connection: Connection

  static {
    // On the prototype, so that a subclass can have them as methods.
    for (const name of CALLBACK_NAMES) {
      const decorator = function (this: Client): ReturnType<Decorator> {
        return (callback) => {
          this[name] = callback
          return callback
        }
      }
      Object.defineProperties(Client.prototype, {
        [name]: { value: null, writable: true, configurable: true, enumerable: true },
        [`${name.slice('on_'.length)}_callback`]: { value: decorator, writable: true, configurable: true },
      })
    }
  }

  /**
   * @param callback_api_version - default VERSION1, with a `DeprecationWarning`
   * @param client_id - default "": with MQTT 3.1 random, else left to the broker
   * @param clean_session - MQTT 3: default true. MQTT 5: `clean_start` of `connect()` instead
   * @param session_store - by name only: where the session outlives the process, a store of `mqtt-await/store`. The client
   *   opens it to connect and closes it when `disconnect()` is done; a `loop_forever()` or `loop_stop()` that ends with that resolves
   *   when it is closed, and without a loop it is closed soon. Connecting again opens it again
   * @param republish_on_clean_session - by name only, default true: `false` drops what was sent and not acknowledged
   *   when a clean session begins, instead of sending it again
   * @throws ValueError for contradictions, and for a client id in the place of the callback version
   */
  constructor(...args: ConstructorArguments)
  constructor(...args: WithKeywords<typeof CONSTRUCTOR, AllConstructorArguments>)
  constructor(...args: unknown[]) {
    const bound = bindArguments<AllConstructorArguments>(CONSTRUCTOR, 0, args)
    const [version = CallbackAPIVersion.VERSION1, client_id = '', clean_session = null, userdata = null] =
      bound
    const [
      protocol = MQTTProtocolVersion.MQTTv311,
      transport = 'tcp',
      reconnect_on_failure = true,
      manual_ack = false,
    ] = bound.slice(4, POSITIONAL) as [MQTTProtocolVersion?, TransportName?, boolean?, boolean?]
    this.#version = checkVersion(version)
    const [session_store = null, republish_on_clean_session = true] =
      bound === args ? [] : (bound.slice(POSITIONAL) as [(SessionStore | null)?, boolean?])
    this.#store = session_store
    this.#republish = republish_on_clean_session
    this.#settings = new Settings(
      client_id,
      clean_session,
      protocol,
      transport,
      reconnect_on_failure,
      manual_ack,
    )
    ;[this.#callbacks, this.#narrator, this.#loops, this.#connection] = this.#assemble(userdata)
  }

  #assemble(userdata: UserData): [CallbackRunner, Narrator, Loops, Connection] {
    const callbacks = new CallbackRunner(this, userdata, (error) => connection.defer(error))
    const loops = new Loops(this.#settings, callbacks)
    const narrator = new Narrator(callbacks, this.#version, this.#settings)
    const connection = new Connection(
      this.#settings,
      callbacks,
      narrator,
      loops,
      this.#republish,
      this.#store,
    )
    loops.connection = connection
    return [callbacks, narrator, loops, connection]
  }

  /**
   * Drops an open connection and makes the client as new, all settings, callbacks and messages included. A session store belongs to
   * a client id: it is closed, and the new session is kept in memory.
   */
  reinitialise(...args: ReinitialiseArguments): void
  reinitialise(...args: WithKeywords<typeof REINITIALISE, ReinitialiseArguments>): void
  reinitialise(...args: unknown[]): void {
    const [client_id = '', clean_session = true, userdata = null] = bindArguments<ReinitialiseArguments>(
      REINITIALISE,
      0,
      args,
    )
    this.#connection.end()
    this.#loops.disconnecting()
    for (const name of CALLBACK_NAMES) if (Object.hasOwn(this, name)) Reflect.deleteProperty(this, name)
    this.logger = null
    this.suppress_exceptions = false
    this.#store = null
    this.#republish = true
    this.#settings = new Settings(client_id, clean_session, MQTTProtocolVersion.MQTTv311, 'tcp', true, false)
    ;[this.#callbacks, this.#narrator, this.#loops, this.#connection] = this.#assemble(userdata)
  }

  // ------------------------------------------------------------------------------------------------ properties

  get host(): string {
    return this.#settings.host
  }

  set host(value: string) {
    this.#checkClosed()
    this.#settings.setHost(value)
  }

  get port(): number {
    return this.#settings.port
  }

  set port(value: number) {
    this.#checkClosed()
    this.#settings.setPort(value)
  }

  /** Seconds; 0 switches pings off. */
  get keepalive(): number {
    return this.#settings.keepalive
  }

  set keepalive(value: number) {
    this.#checkClosed()
    this.#settings.setKeepalive(value)
  }

  get transport(): TransportName {
    return this.#settings.transport
  }

  set transport(value: TransportName) {
    this.#checkClosed()
    this.#settings.transport = value
  }

  /** Seconds. */
  get connect_timeout(): number {
    return this.#settings.connectTimeout
  }

  set connect_timeout(value: number) {
    this.#checkClosed()
    this.#settings.setConnectTimeout(value)
  }

  get username(): string | null {
    return this.#settings.username
  }

  set username(value: string | null) {
    this.#checkClosed()
    this.#settings.username = value
  }

  /** Reading throws `UnicodeDecodeError` for bytes that are not UTF-8. */
  get password(): string | null {
    return this.#settings.passwordText()
  }

  set password(value: string | Uint8Array | null) {
    this.#checkClosed()
    this.#settings.setPassword(value)
  }

  /** QoS 1 and 2 messages on their way at once; 0 is no limit. */
  get max_inflight_messages(): number {
    return this.#settings.maxInflight
  }

  set max_inflight_messages(value: number) {
    this.#checkClosed()
    this.#settings.setMaxInflight(value)
  }

  /** Unfinished QoS 1 and 2 messages, those on their way included; 0 is no limit. */
  get max_queued_messages(): number {
    return this.#settings.maxQueued
  }

  set max_queued_messages(value: number) {
    this.#checkClosed()
    this.#settings.setMaxQueued(value)
  }

  get protocol(): MQTTProtocolVersion {
    return this.#settings.protocol
  }

  get callback_api_version(): CallbackAPIVersion {
    return this.#version
  }

  /** Empty without a will. */
  get will_topic(): string {
    return this.#settings.will?.topic ?? ''
  }

  /** Empty without a will. */
  get will_payload(): Uint8Array {
    return this.#settings.will?.payload.slice() ?? new Uint8Array(0)
  }

  #checkClosed(): void {
    if (!this.#connection.isClosed)
      throw new RuntimeError('This can only be changed while the client is not connected.')
  }

  // ------------------------------------------------------------------------------------------------ settings

  /** A password without a user name is kept but not sent. */
  username_pw_set(...args: UsernamePwSetArguments): void
  username_pw_set(...args: WithKeywords<typeof USERNAME_PW_SET, UsernamePwSetArguments>): void
  username_pw_set(...args: unknown[]): void {
    const [username, password = null] = bindArguments<UsernamePwSetArguments>(USERNAME_PW_SET, 1, args)
    this.#settings.username = username ?? null
    this.#settings.setPassword(password)
  }

  /** The message that the broker publishes when the connection is lost. Throws as `publish()` does. */
  will_set(...args: WillSetArguments): void
  will_set(...args: WithKeywords<typeof WILL_SET, WillSetArguments>): void
  will_set(...args: unknown[]): void {
    const [topic, payload = null, qos = 0, retain = false, properties = null] =
      bindArguments<WillSetArguments>(WILL_SET, 1, args)
    this.#settings.setWill(topic, payload, qos, retain, properties)
  }

  will_clear(): void {
    this.#settings.will = null
  }

  user_data_set(userdata: UserData): void {
    this.#callbacks.userdata = userdata
  }

  user_data_get(): UserData {
    return this.#callbacks.userdata
  }

  max_inflight_messages_set(inflight: number): void {
    this.max_inflight_messages = inflight
  }

  max_queued_messages_set(queue_size: number): this {
    if (!Number.isInteger(queue_size)) throw new ValueError('queue_size must be an integer')
    this.max_queued_messages = queue_size
    return this
  }

  /** Seconds before attempts to reconnect: the first wait, and the longest. */
  reconnect_delay_set(...args: ReconnectDelaySetArguments): void
  reconnect_delay_set(...args: WithKeywords<typeof RECONNECT_DELAY_SET, ReconnectDelaySetArguments>): void
  reconnect_delay_set(...args: unknown[]): void {
    const [min_delay = 1, max_delay = 120] = bindArguments<ReconnectDelaySetArguments>(
      RECONNECT_DELAY_SET,
      0,
      args,
    )
    this.#settings.setReconnectDelay(min_delay, max_delay)
    this.#loops.resetDelay()
  }

  /** Says in CONNECT that this client is a bridge. */
  enable_bridge_mode(): void {
    this.#settings.bridge = true
  }

  /** Whether QoS 1 and 2 messages are acknowledged by `ack()` alone. */
  manual_ack_set(on: boolean): void {
    this.#settings.manualAck = on
  }

  /** @param args - path, default "/mqtt"; headers to add, or a function from the default headers to those to send */
  ws_set_options(...args: WsSetOptionsArguments): void
  ws_set_options(...args: WithKeywords<typeof WS_SET_OPTIONS, WsSetOptionsArguments>): void
  ws_set_options(...args: unknown[]): void {
    const [path = null, headers = null] = bindArguments<WsSetOptionsArguments>(WS_SET_OPTIONS, 0, args)
    this.#settings.setWebsocketOptions(path, headers)
  }

  /** Switches TLS on. Reads and checks the files at once; once only. */
  tls_set(...args: TlsSetArguments): void
  tls_set(...args: WithKeywords<typeof TLS_SET, TlsSetArguments>): void
  tls_set(...args: unknown[]): void {
    const bound = bindArguments<TlsSetArguments>(TLS_SET, 0, args)
    const [
      ca = null,
      cert = null,
      key = null,
      reqs = null,
      version = null,
      ciphers = null,
      password = null,
      alpn = null,
    ] = bound
    this.#settings.tls.configure(ca, cert, key, reqs, version, ciphers, password, alpn)
  }

  /** Switches TLS on with a context or options of Node; `null` is Node's default. Once only. */
  tls_set_context(...args: TlsSetContextArguments): void
  tls_set_context(...args: WithKeywords<typeof TLS_SET_CONTEXT, TlsSetContextArguments>): void
  tls_set_context(...args: unknown[]): void {
    const [context = null] = bindArguments<TlsSetContextArguments>(TLS_SET_CONTEXT, 0, args)
    this.#settings.tls.setContext(context)
  }

  /** `true`: the certificate need not be for this host. It must still be valid. */
  tls_insecure_set(value: boolean): void {
    this.#settings.tls.setInsecure(value)
  }

  proxy_set(args: ProxySettings): void {
    this.#settings.setProxy(args)
  }

  /** Without a logger the one that is set stays, or a default one is set. */
  enable_logger(...args: EnableLoggerArguments): void
  enable_logger(...args: WithKeywords<typeof ENABLE_LOGGER, EnableLoggerArguments>): void
  enable_logger(...args: unknown[]): void {
    const [logger = null] = bindArguments<EnableLoggerArguments>(ENABLE_LOGGER, 0, args)
    this.logger = logger ?? this.logger ?? defaultLogger
  }

  disable_logger(): void {
    this.logger = null
  }

  // ------------------------------------------------------------------------------------------------ connecting

  /**
   * Opens a connection and sends CONNECT. Resolves with 0 then: CONNACK is read by a loop function, and told to
   * `on_connect`. Rejects with Node's error when the connection can not be opened. What is published or subscribed before
   * it resolves counts as done with a connection.
   */
  connect(...args: ConnectArguments): Promise<MQTTErrorCode>
  connect(...args: WithKeywords<typeof CONNECT, ConnectArguments>): Promise<MQTTErrorCode>
  async connect(...args: unknown[]): Promise<MQTTErrorCode> {
    const bound = bindArguments<ConnectArguments>(CONNECT, 1, args)
    const [, , , , , clean_start = MQTT_CLEAN_START_FIRST_ONLY, properties = null] = bound
    if (this.protocol !== MQTTProtocolVersion.MQTTv5) {
      if (clean_start !== MQTT_CLEAN_START_FIRST_ONLY)
        throw new ValueError('clean_start only applies to MQTT 5')
      if (properties !== null) throw new ValueError('Properties only apply to MQTT 5')
    }
    this.#prepare(bound)
    this.#connection.first = true
    return this.#connection.open(true)
  }

  /** Like `connect()`, but leaves it to a loop function to open the connection. */
  connect_async(...args: ConnectArguments): void
  connect_async(...args: WithKeywords<typeof CONNECT, ConnectArguments>): void
  connect_async(...args: unknown[]): void {
    this.#prepare(bindArguments<ConnectArguments>(CONNECT, 1, args))
    this.#loops.wake()
  }

  #prepare(bound: ConnectArguments): void {
    const [host, port = 1883, keepalive = 60, bind_address = '', bind_port = 0] = bound
    const [clean_start = MQTT_CLEAN_START_FIRST_ONLY, properties = null] = bound.slice(5) as [
      CleanStartOption?,
      (Properties | null)?,
    ]
    if (bind_port < 0) throw new ValueError('Invalid bind port number.')
    this.#connection.drop()
    const settings = this.#settings
    settings.setHost(host)
    settings.setPort(port)
    settings.setKeepalive(keepalive)
    settings.bindAddress = bind_address
    settings.bindPort = bind_port
    settings.cleanStart = clean_start
    settings.connectProperties = properties
    this.#connection.state = 'to be connected'
  }

  /**
   * Connects to the first broker that answers of those that DNS names for the domain (default: this host's own).
   * Rejects with `ValueError` when there is none, or none answers.
   */
  connect_srv(...args: ConnectSrvArguments): Promise<MQTTErrorCode>
  connect_srv(...args: WithKeywords<typeof CONNECT_SRV, ConnectSrvArguments>): Promise<MQTTErrorCode>
  async connect_srv(...args: unknown[]): Promise<MQTTErrorCode> {
    const [domain = null, ...rest] = bindArguments<ConnectSrvArguments>(CONNECT_SRV, 0, args)
    const name = domain ?? hostname().split('.').slice(1).join('.')
    if (name === '') throw new ValueError('This host has no domain.')
    const service = this.#settings.tls.isConfigured ? '_secure-mqtt' : '_mqtt'
    const isWanted = this.#connection.expect()
    const records = await resolveSrv(`${service}._tcp.${name}`).catch(() => [])
    if (!isWanted()) return MQTT_ERR_NO_CONN
    if (records.length === 0) {
      this.#connection.unexpect()
      throw new ValueError(`No SRV records for ${name}.`)
    }
    records.sort((a, b) => a.priority - b.priority || b.weight - a.weight)
    for (const record of records) {
      try {
        return await this.connect(record.name, record.port, ...rest)
      } catch (error) {
        if (error instanceof ValueError) throw error
      }
    }
    throw new ValueError(`No broker of ${name} could be reached.`)
  }

  /** Connects again as the last `connect*()` asked for. */
  async reconnect(): Promise<MQTTErrorCode> {
    return this.#connection.open(true)
  }

  is_connected(): boolean {
    return this.#connection.isConnected
  }

  /** The connection while one is open. */
  socket(): SocketLike | null {
    return this.#connection.socket
  }

  /** Sends DISCONNECT after everything that is queued, then closes. `MQTT_ERR_NO_CONN` without a connection. */
  disconnect(...args: DisconnectArguments): MQTTErrorCode
  disconnect(...args: WithKeywords<typeof DISCONNECT, DisconnectArguments>): MQTTErrorCode
  disconnect(...args: unknown[]): MQTTErrorCode {
    const [reasoncode = null, properties = null] = bindArguments<DisconnectArguments>(DISCONNECT, 0, args)
    const five = this.protocol === MQTTProtocolVersion.MQTTv5
    const core = five ? toCore<DisconnectProperties>(properties) : undefined
    return this.#connection.disconnect({
      reasonCode: five && reasoncode !== null ? reasoncode.value : 0,
      ...(core === undefined ? {} : { properties: core }),
    })
  }

  // ------------------------------------------------------------------------------------------------ messages

  /** Never waits: the result tells what became of the call, and later of the message. */
  publish(...args: PublishArguments): MQTTMessageInfo
  publish(...args: WithKeywords<typeof PUBLISH, PublishArguments>): MQTTMessageInfo
  publish(...args: unknown[]): MQTTMessageInfo {
    const [topic, payload = null, qos = 0, retain = false, properties = null] =
      bindArguments<PublishArguments>(PUBLISH, 1, args)
    checkTopic(topic, this.protocol)
    checkQos(qos)
    const bytes = encodePayload(payload)
    checkPayload(bytes)
    const { publications } = this.#connection
    const core =
      this.protocol === MQTTProtocolVersion.MQTTv5 ? toCore<PublishProperties>(properties) : undefined
    const fullTopic = publications.topicFor(topic, core?.topicAlias)
    checkMessage(
      { topic: fullTopic, payload: bytes, qos, retain, dup: false, packetId: 1, properties: core },
      this.protocol,
    )
    const mid = publications.nextMid()
    const full = this.max_queued_messages > 0 && publications.unfinished >= this.max_queued_messages
    if (qos > 0 && (full || publications.isInUse(mid))) {
      const info = new MQTTMessageInfo(mid)
      finishInfo(info, MQTT_ERR_QUEUE_SIZE)
      return info
    }
    const message = new OutgoingMessage(mid, fullTopic, bytes, qos, retain, core, this.#connection.now)
    this.#connection.publish(message)
    return message.info
  }

  /** One filter, a pair, or a list of pairs. The array's first element is 0 or why not; the second its number. */
  subscribe(...args: SubscribeArguments): [MQTTErrorCode, number | null]
  subscribe(...args: WithKeywords<typeof SUBSCRIBE, SubscribeArguments>): [MQTTErrorCode, number | null]
  subscribe(...args: unknown[]): [MQTTErrorCode, number | null] {
    const [topic, qos = 0, options = null, properties = null] = bindArguments<SubscribeArguments>(
      SUBSCRIBE,
      1,
      args,
    )
    const filters = subscriptionRequests(topic, qos, options, this.protocol)
    checkPacket({ type: 'subscribe', packetId: 1, filters }, this.protocol)
    if (!this.#connection.accepts) return [MQTT_ERR_NO_CONN, null]
    const mid = this.#connection.publications.nextMid()
    const sent = this.protocol === MQTTProtocolVersion.MQTTv5 ? properties : null
    const identifier = sent?.SubscriptionIdentifier?.[0] ?? 0
    return [this.#connection.subscribe(mid, filters, identifier, sent?.UserProperty), mid]
  }

  /** One filter or a list of them. Result as of `subscribe()`. */
  unsubscribe(...args: UnsubscribeArguments): [MQTTErrorCode, number | null]
  unsubscribe(...args: WithKeywords<typeof UNSUBSCRIBE, UnsubscribeArguments>): [MQTTErrorCode, number | null]
  unsubscribe(...args: unknown[]): [MQTTErrorCode, number | null] {
    const [topic, properties = null] = bindArguments<UnsubscribeArguments>(UNSUBSCRIBE, 1, args)
    const filters: unknown[] = Array.isArray(topic) ? topic : [topic]
    if (filters.length === 0 || filters.some((filter) => typeof filter !== 'string' || filter === '')) {
      throw new ValueError('No topic specified, or invalid topic type.')
    }
    checkPacket({ type: 'unsubscribe', packetId: 1, filters: filters as string[] }, this.protocol)
    if (!this.#connection.accepts) return [MQTT_ERR_NO_CONN, null]
    const mid = this.#connection.publications.nextMid()
    const sent = this.protocol === MQTTProtocolVersion.MQTTv5 ? properties : null
    return [this.#connection.unsubscribe(mid, filters as string[], sent?.UserProperty), mid]
  }

  /** With manual acknowledgement: the program has finished with the message. Otherwise nothing happens. */
  ack(mid: number, qos: number): MQTTErrorCode {
    return this.#settings.manualAck ? this.#connection.acknowledge(mid, qos) : MQTT_ERR_SUCCESS
  }

  /** Messages that match go to the callback, and to all others that match, instead of to `on_message`. */
  message_callback_add(sub: string, callback: CallbackOnMessage): void {
    if (callback === null || callback === undefined || sub === null || sub === undefined) {
      throw new ValueError('sub and callback must both be defined.')
    }
    this.#narrator.filters.set(sub, callback)
  }

  message_callback_remove(sub: string): void {
    if (sub === null || sub === undefined) throw new ValueError('sub must be defined.')
    try {
      this.#narrator.filters.delete(sub)
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
    }
  }

  /** `message_callback_add` in the place of a decorator: `client.topic_callback('a/#')(callback)`. */
  topic_callback(sub: string): (callback: CallbackOnMessage) => CallbackOnMessage {
    return (callback) => {
      this.message_callback_add(sub, callback)
      return callback
    }
  }

  // ------------------------------------------------------------------------------------------------ loops

  /** Waits for something to do, up to `timeout` seconds (default 1), and does it: reading, writing, keepalive. */
  loop(...args: LoopArguments): Promise<MQTTErrorCode>
  loop(...args: WithKeywords<typeof LOOP, LoopArguments>): Promise<MQTTErrorCode>
  async loop(...args: unknown[]): Promise<MQTTErrorCode> {
    const [timeout = 1] = bindArguments<LoopArguments>(LOOP, 0, args)
    return this.#loops.once(timeout)
  }

  /**
   * Runs the client, reconnecting, until `disconnect()`: then resolves with `MQTT_ERR_CONN_LOST`. Rejects with what a
   * callback throws, and when the first connection of `connect_async()` fails unless `retry_first_connection`.
   */
  loop_forever(...args: LoopForeverArguments): Promise<MQTTErrorCode>
  loop_forever(...args: WithKeywords<typeof LOOP_FOREVER, LoopForeverArguments>): Promise<MQTTErrorCode>
  async loop_forever(...args: unknown[]): Promise<MQTTErrorCode> {
    const [timeout = 1, retry_first_connection = false] = bindArguments<LoopForeverArguments>(
      LOOP_FOREVER,
      0,
      args,
    )
    return this.#loops.forever(timeout, retry_first_connection)
  }

  /** Runs the client in the background. `MQTT_ERR_INVAL` when it does already. */
  loop_start(): MQTTErrorCode {
    return this.#loops.start()
  }

  /** Ends `loop_start()` once everything is written and acknowledged; the connection stays open. */
  loop_stop(): Promise<MQTTErrorCode> {
    return this.#loops.stop()
  }

  /** Handles what has been received. For event loops of the program's own, as are the next three. */
  loop_read(...args: LoopReadArguments): MQTTErrorCode
  loop_read(...args: WithKeywords<typeof LOOP_READ, LoopReadArguments>): MQTTErrorCode
  loop_read(): MQTTErrorCode {
    return this.#connection.read()
  }

  loop_write(): MQTTErrorCode {
    return this.#connection.write()
  }

  loop_misc(): MQTTErrorCode {
    return this.#connection.check()
  }

  want_write(): boolean {
    return this.#connection.wantsWrite
  }
}

function checkVersion(version: unknown): CallbackAPIVersion {
  if (typeof version === 'string') {
    throw new ValueError(
      'The first argument is the callback API version since Paho 2.0, the client id is the second: see the migration page.',
    )
  }
  if (version !== CallbackAPIVersion.VERSION1 && version !== CallbackAPIVersion.VERSION2) {
    throw new ValueError(`Unsupported callback API version: ${String(version)}`)
  }
  if (version === CallbackAPIVersion.VERSION1) {
    process.emitWarning(
      'Callback API version 1 is deprecated, update to the latest version',
      'DeprecationWarning',
    )
  }
  return version
}

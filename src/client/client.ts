import { checkTopicName } from '../codec/check-topic.ts'
import type { DisconnectPacket, PublishProperties, QoS } from '../codec/packet.ts'
import { DISCONNECT } from '../codec/packet-type.ts'
import { checkPublish } from '../codec/publish.ts'
import { isReasonCode } from '../codec/reason-code.ts'
import {
  ClosedError,
  MqttError,
  type OptionsError,
  QueueFullError,
  type StoreError,
  wrongOption,
} from '../errors.ts'
import type { FilterResult, SubscribeCommand, UnsubscribeCommand } from '../session/command.ts'
import { checkSessionExpiry } from '../session/handshake.ts'
import type { Limits } from '../session/limits.ts'
import { MessageExpiry, Stage } from '../session/outbound-message.ts'
import { untilAborted } from '../transport/opening.ts'
import { type Clock, systemClock } from './clock.ts'
import type { ConnectionInfo } from './connection-info.ts'
import {
  isPublishTraced,
  packetReceiveChannel,
  packetSendChannel,
  showAs,
  traceConnect,
  tracePublish,
} from './diagnostics.ts'
import { Driver, type DriverOwner } from './driver.ts'
import { EventEmitter } from './emitter.ts'
import type { ClientEvents } from './events.ts'
import type { HandleOptions, Handling, MessageHandler } from './handling.ts'
import type { ClientHost } from './host.ts'
import { Lifecycle, type LifecycleOwner, type SessionIdentity } from './lifecycle.ts'
import { type LogEntry, type LogHook, logHook } from './log.ts'
import type { AnyMessage, Message } from './message.ts'
import {
  type FilterRequest,
  MessageRouter,
  type SubscribeOptions,
  type UnsubscribeOutcome,
} from './message-router.ts'
import { type MessageSource, toSource } from './message-source.ts'
import { watchNetwork } from './network-watch.ts'
import { type ClientOptions, constructorOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import { type Payload, payloadBytes } from './payload.ts'
import { present } from './present.ts'
import { ProducerPressure } from './producer-pressure.ts'
import { OutgoingPublication, type Publication, type PublishOptions } from './publication.ts'
import type { PublishItem } from './publish-from.ts'
import { checkAlias, checkPublishOptions, publishProperties } from './publish-request.ts'
import type { RequestOptions } from './requester.ts'
import type { RequestHandler, RespondOptions } from './responder.ts'
import type { SchemaOutput, StandardSchema } from './schema.ts'
import type { ClientState, ClosedInfo, DisconnectReport, StateChange } from './state.ts'
import { StateStream } from './state-stream.ts'
import { type ClientStats, type Counters, newCounters } from './stats.ts'
import type { StoredSession } from './stored-session.ts'
import type { FilterOutcome, Subscription, SubscriptionOptions } from './subscription.ts'
import type { TypedTopic } from './typed-topic.ts'
import { type UserPropertiesInput, userPropertyPairs } from './user-properties.ts'

export interface WaitOptions {
  /** Rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ConnectOptions extends WaitOptions {
  /** Rejects with `TimeoutError`. @default none beyond `connectTimeoutMs` of each attempt */
  readonly timeoutMs?: number | undefined
}

export interface DisconnectOptions {
  /** @default 0, normal disconnection; 4 has the server publish the will */
  readonly reasonCode?: number | undefined
  readonly reasonString?: string | undefined
  readonly userProperties?: UserPropertiesInput | undefined
  /** Seconds: replaces the interval of CONNECT; 0 ends the session now. MQTT 5. */
  readonly sessionExpiryInterval?: number | undefined
  /** How long publications and requests that are under way may take to finish. @default 5_000 */
  readonly timeoutMs?: number | undefined
}

const DISCONNECT_TIMEOUT_MS = 5_000

/**
 * An MQTT client: one session with one server, over as many connections as it takes.
 *
 * It checks arguments and hands them on: what MQTT asks for is in `session/`, connecting and coming back in
 * `Lifecycle`, who gets which message in `MessageRouter`.
 *
 * @throws OptionsError for wrong options
 */
export class Client implements AsyncDisposable {
  readonly #options: ResolvedOptions
  readonly #counters: Counters = newCounters()
  readonly #emitter = new EventEmitter<ClientEvents>()
  /** What the parts see of this client. */
  readonly #inside: ClientHost & DriverOwner & LifecycleOwner
  readonly #driver: Driver
  readonly #lifecycle: Lifecycle
  /** Made when something is subscribed to or received: a client that only publishes does without. */
  #routerIfAny: MessageRouter | undefined = undefined
  /** Made when a producer asks whether to wait. */
  #pressureIfAny: ProducerPressure | undefined = undefined
  /** Ends the watching of the page's network, which began with the first `connect()`. */
  #unwatchNetwork: (() => void) | undefined = undefined
  readonly #log: LogHook | undefined
  #streams: Set<StateStream> | undefined = undefined
  readonly #queueIsBounded: boolean
  #stored: StoredSession | undefined = undefined
  #lastError: MqttError | undefined = undefined
  #checkedOptions: PublishOptions | undefined = undefined
  #askedForStore = false
  #traced = false
  #leaving = false
  /** Made when somebody listens to the `message` event. */
  #listen: ((message: AnyMessage) => void) | undefined = undefined
  #inherited: boolean | undefined = undefined

  constructor(url: string | URL | ClientOptions, options?: ClientOptions, clock: Clock = systemClock) {
    const given = constructorOptions(url, options)
    const resolved = resolveOptions(given)
    this.#options = resolved
    this.#log = logHook(resolved.log)
    const { queue } = resolved
    this.#queueIsBounded =
      Math.min(queue.maxMessages, queue.maxBytes) < Number.POSITIVE_INFINITY || queue.qos0 !== 'queue'
    this.#inside = new Client.#Inside(this, clock)
    this.#driver = new Driver(resolved, this.#inside, this.#counters)
    this.#lifecycle = new Lifecycle(this.#inside, this.#driver, given, resolved)
  }

  // ------------------------------------------------------------------------------------------------ state

  get state(): ClientState {
    return this.#lifecycle.state
  }

  get connected(): boolean {
    return this.#lifecycle.state === 'connected'
  }

  /** The identifier in use; '' until the server has assigned one. */
  get clientId(): string {
    return this.#lifecycle.clientId
  }

  /** What the server granted; undefined while there is no connection. */
  get connection(): ConnectionInfo | undefined {
    return this.#lifecycle.info
  }

  get stats(): ClientStats {
    const { session, queuedMessages, queuedBytes } = this.#driver
    return Object.freeze({
      ...this.#counters,
      queuedMessages,
      queuedBytes,
      inFlight: session.inFlight,
      unacknowledged: session.unacknowledged,
    })
  }

  /** The latest failure of a connection or attempt, or that no promise carried. */
  get lastError(): MqttError | undefined {
    return this.#lastError
  }

  /** How the client ended. Never rejects. */
  get closed(): Promise<ClosedInfo> {
    return this.#lifecycle.closed
  }

  /** State changes from this call on, none left out; over when the client has ended. */
  states(): AsyncIterableIterator<StateChange> {
    const stream = new StateStream((left) => this.#streams?.delete(left))
    if (this.state === 'closed') void stream.return()
    else {
      this.#streams ??= new Set()
      this.#streams.add(stream)
    }
    return stream
  }

  // ------------------------------------------------------------------------------------------------ connecting

  /**
   * Resolves at CONNACK, on a connected client at once. Rejects when the first attempt fails (unless
   * `reconnect.initial`): after a network error the client is `idle` and may be asked again, after a refusal for good
   * it is closed.
   *
   * @throws ConnectError, TimeoutError, ClosedError, StoreError, OptionsError (of `connectOptions`), or the signal's reason
   */
  connect(options: ConnectOptions = {}): Promise<ConnectionInfo> {
    if (this.state !== 'closed') this.#unwatchNetwork ??= watchNetwork(() => this.#networkMayBeBack())
    this.#trace()
    return traceConnect(
      () => this.#lifecycle.connect(options.signal, options.timeoutMs),
      () => ({
        clientId: this.clientId,
        servers: this.#options.servers.map(({ description }) => description),
      }),
    )
  }

  /**
   * Round trip of a PINGREQ in milliseconds. Rejects when there is no connection, or it ends first; with `keepAlive: 0` nothing but
   * your signal ends the waiting on a link that is dead.
   */
  ping(options: WaitOptions = {}): Promise<number> {
    if (!this.connected) return Promise.reject(this.#notConnected('ping'))
    return untilAborted(this.#driver.ping(), options.signal)
  }

  /**
   * Runs the authenticator again on the living connection (MQTT 5 §4.12.1). Resolves when the server has accepted; a
   * server that refuses ends the connection.
   */
  reauthenticate(options: WaitOptions = {}): Promise<void> {
    if (!this.connected) return Promise.reject(this.#notConnected('reauthenticate'))
    return this.#lifecycle.reauthenticate(options.signal)
  }

  /**
   * Takes no more work, lets what is under way finish within `timeoutMs`, sends DISCONNECT, closes, and tells what was
   * left. Never rejects for what the network does; the client is closed afterwards.
   *
   * @throws OptionsError when `sessionExpiryInterval` would raise one that was 0 at CONNECT [MQTT 5.0 §3.14.2.2.2]
   */
  async disconnect(options: DisconnectOptions = {}): Promise<DisconnectReport> {
    const { reasonCode = 0, reasonString, sessionExpiryInterval, timeoutMs = DISCONNECT_TIMEOUT_MS } = options
    if (!isReasonCode(DISCONNECT, reasonCode, 'client')) {
      throw wrongOption('reasonCode', 'one that a client may send in DISCONNECT', String(reasonCode))
    }
    checkSessionExpiry(sessionExpiryInterval, this.#lifecycle.current.connectProperties)
    const properties = present({
      sessionExpiryInterval,
      reasonString,
      userProperties:
        options.userProperties === undefined ? undefined : userPropertyPairs(options.userProperties),
    })
    await this.#lifecycle.disconnect({ reasonCode, properties }, timeoutMs)
    return this.#left
  }

  /** Ends the client now: drops the connection without DISCONNECT, so that the server publishes the will. */
  async close(): Promise<DisconnectReport> {
    await this.#lifecycle.close()
    return this.#left
  }

  /** As `disconnect()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect()
  }

  // ------------------------------------------------------------------------------------------------ publishing

  /**
   * Puts a message into the outbox and returns what becomes of it.
   *
   * @throws OptionsError for arguments that can never be right: topic, QoS, properties
   * @throws PublishError when the server of the present connection does not take it: too large, QoS, retained
   * @throws ClosedError when the client has ended or is ending
   */
  publish(topic: string, payload?: Payload, options?: PublishOptions): Publication {
    if (this.#leaving) throw this.#closedError()
    return this.#publish(topic, payload, options)
  }

  /** Also for handlers that finish while the client takes no more work of others. */
  #publish(topic: string, payload: Payload | undefined, options: PublishOptions | undefined): Publication {
    const { endedWith } = this.#lifecycle
    if (endedWith !== undefined) throw endedWith
    const bytes = payloadBytes(payload)
    let qos: QoS = 0
    let retain = false
    let properties: PublishProperties | undefined
    let alias = 0
    const signal = options?.signal
    if (options !== undefined) {
      ;({ qos = 0, retain = false } = options)
      if (qos !== 0 && qos !== 1 && qos !== 2) throw wrongQos(qos)
      if (options !== this.#checkedOptions) {
        checkPublishOptions(options)
        this.#checkedOptions = options
      }
      properties = publishProperties(options)
      if (options.topicAlias !== undefined) alias = checkAlias(options.topicAlias)
    }
    const expiry = this.#expiry(options?.messageExpiryInterval)
    const driver = this.#driver
    const publication = new OutgoingPublication(driver, topic, bytes, qos, retain, properties, expiry, alias)
    // What is encoded at once need not be looked at before.
    const hasAlias = alias !== 0 || this.#options.autoTopicAlias
    if (typeof topic !== 'string' || signal !== undefined || hasAlias || !driver.writesAtOnce(qos)) {
      checkTopicName(topic)
      if (properties !== undefined) checkPublish(this.#lifecycle.protocolVersion, publication)
    }
    if (signal !== undefined) {
      signal.throwIfAborted()
      publication.follow(signal)
    }
    if (this.#queueIsBounded && !this.#hasRoom(publication)) {
      this.#counters.published++
      return publication
    }
    driver.publish(publication)
    this.#counters.published++
    if (publication.failure !== undefined) throw publication.failure
    if (publication.stage === Stage.settled) publication.forgetSignal()
    if (isPublishTraced())
      tracePublish(publication.acked, { clientId: this.clientId, topic, qos: publication.qos })
    return publication
  }

  /** Resolves when everything published so far is settled, well or badly. Rejects when the client ends before. */
  async flush(options: WaitOptions = {}): Promise<void> {
    await this.#pressure.flushed(options.signal)
  }

  /** More is waiting or under way than does any good: a producer should await `drained()`. */
  get needsDrain(): boolean {
    return this.#pressure.needsDrain
  }

  /** Resolves when a producer may go on. Rejects when the client ends, or with the reason of `signal`. */
  drained(options: WaitOptions = {}): Promise<void> {
    return this.#pressure.drained(options.signal)
  }

  /**
   * Publishes what an iterable gives, no faster than it can be sent. Resolves with the number of publications when all are
   * acknowledged; the first that fails ends it.
   */
  async publishFrom(
    items: AsyncIterable<PublishItem> | Iterable<PublishItem>,
    options: WaitOptions = {},
  ): Promise<number> {
    const { publishFrom } = await import('./on-demand.ts')
    return publishFrom(this, items, options.signal)
  }

  // ------------------------------------------------------------------------------------------------ subscribing

  /**
   * Subscribes, and gives the messages as an async iterable that exists, with its queue, from this call on.
   *
   * @throws OptionsError for wrong filters and options
   */
  messages<Params, Input, Output>(
    topic: TypedTopic<Params, Input, Output>,
    options?: SubscriptionOptions,
  ): Subscription<Message<Params, Output>>
  messages<Schema extends StandardSchema>(
    filters: string | readonly string[],
    options: SubscriptionOptions & { readonly schema: Schema },
  ): Subscription<Message<readonly string[], SchemaOutput<Schema>>>
  messages(filters: string | readonly string[], options?: SubscriptionOptions): Subscription
  messages(source: string | readonly string[] | MessageSource, options?: SubscriptionOptions): unknown {
    this.#checkOpen()
    return this.#router.messages(toSource(source), options)
  }

  /** Subscribes for the listeners of the `message` event. Resolves with the outcome per filter. */
  subscribe(
    filters: string | FilterRequest | readonly (string | FilterRequest)[],
    options?: SubscribeOptions,
  ): Promise<readonly FilterOutcome[]> {
    return this.#leaving ? Promise.reject(this.#closedError()) : this.#router.subscribe(filters, options)
  }

  /** Ends what `subscribe()` began. Filters that a subscription of `messages()` needs stay. */
  unsubscribe(filters: string | readonly string[]): Promise<readonly UnsubscribeOutcome[]> {
    return this.#leaving ? Promise.reject(this.#closedError()) : this.#router.unsubscribe(filters)
  }

  /**
   * Runs an async handler for each message, and acknowledges the message when it has resolved.
   *
   * @throws OptionsError for wrong filters and options
   */
  handle<Params, Input, Output>(
    topic: TypedTopic<Params, Input, Output>,
    handler: MessageHandler<Message<Params, Output>>,
    options?: HandleOptions<Message<Params, Output>>,
  ): Handling<Message<Params, Output>>
  handle(
    filters: string | readonly string[],
    handler: MessageHandler<Message>,
    options?: HandleOptions<Message>,
  ): Handling<Message>
  handle(
    source: string | readonly string[] | MessageSource,
    handler: MessageHandler<never>,
    options?: HandleOptions<never>,
  ): unknown {
    this.#checkOpen()
    return this.#router.handle<AnyMessage>(
      toSource(source),
      handler as MessageHandler<AnyMessage>,
      options as HandleOptions,
    )
  }

  /**
   * Asks and waits for the answer (MQTT 5 request/response).
   *
   * @throws TimeoutError after `timeoutMs`; what the responder has thrown
   */
  request(topic: string, payload?: Payload, options?: RequestOptions): Promise<Message> {
    return this.#leaving ? Promise.reject(this.#closedError()) : this.#router.request(topic, payload, options)
  }

  /** Answers requests with what the handler returns; what it throws travels back. */
  respond<Params, Input, Output>(
    topic: TypedTopic<Params, Input, Output>,
    handler: RequestHandler<Message<Params, Output>>,
    options?: RespondOptions<Message<Params, Output>>,
  ): Handling<Message<Params, Output>>
  respond(
    filters: string | readonly string[],
    handler: RequestHandler<Message>,
    options?: RespondOptions<Message>,
  ): Handling<Message>
  respond(
    source: string | readonly string[] | MessageSource,
    handler: RequestHandler<never>,
    options?: RespondOptions<never>,
  ): unknown {
    this.#checkOpen()
    return this.#router.respond<AnyMessage>(
      toSource(source),
      handler as RequestHandler<AnyMessage>,
      options as RespondOptions,
    )
  }

  // ------------------------------------------------------------------------------------------------ events

  on<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): this {
    this.#emitter.on(event, listener as never)
    this.#listenersChanged(event)
    return this
  }

  once<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): this {
    this.#emitter.once(event, listener as never)
    this.#listenersChanged(event)
    return this
  }

  off<E extends keyof ClientEvents>(event: E, listener?: ClientEvents[E]): this {
    this.#emitter.off(event, listener as never)
    this.#listenersChanged(event)
    return this
  }

  static {
    // No option, and so no secret.
    showAs(Client.prototype, (client) => {
      const { connection, state, clientId } = client
      const server = connection?.server ?? client.#options.servers[0]?.description ?? 'a custom transport'
      return `Client { ${state}, clientId: ${JSON.stringify(clientId)}, server: ${server} }`
    })
  }

  // ------------------------------------------------------------------------------------------------ within

  // What the parts see of the client: an object of its own, so that none of it is public. A class, since closures would cost each
  // client two kilobytes.

  static readonly #Inside = class implements DriverOwner, LifecycleOwner, ClientHost {
    readonly clock: Clock
    readonly #client: Client

    constructor(client: Client, clock: Clock) {
      this.#client = client
      this.clock = clock
    }

    // ---- for the driver ----

    get connections(): Lifecycle {
      return this.#client.#lifecycle
    }

    onMessages(messages: AnyMessage[]): void {
      this.#client.#deliver(messages)
    }

    onSessionLost(): void {
      this.#client.#sessionLost()
    }

    onResubscribed(results: readonly FilterResult[]): void {
      this.#client.#routerIfAny?.resubscribed(results)
    }

    onPublishFailed(publication: OutgoingPublication, error: unknown): void {
      this.#client.#publishFailed(publication, error)
    }

    onStoreFailed(error: StoreError): void {
      this.#client.#storeFailed(error)
    }

    onStoreNeeded(): void {
      this.#client.#openStoreEarly()
    }

    onTurnEnd(): void {
      this.#client.#turnEnded()
    }

    // ---- for the life cycle ----

    stateChanged(change: StateChange): void {
      this.#client.#stateChanged(change)
    }

    connected(info: ConnectionInfo): void {
      this.#client.#connected(info)
    }

    disconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
      this.#client.#disconnected(error, packet)
    }

    attemptFailed(error: MqttError, attempt: number): void {
      this.#client.#attemptFailed(error, attempt)
    }

    reconnecting(attempt: number, delayMs: number, cause: MqttError): void {
      this.#client.#note('info', 'reconnecting', { attempt, delayMs: Math.round(delayMs) })
      this.#client.#emit('reconnecting', { attempt, delayMs, cause })
    }

    async stopConsumers(): Promise<void> {
      await this.#client.#routerIfAny?.stop()
      this.#client.#leaving = true
    }

    clientEnded(info: ClosedInfo): void {
      this.#client.#ended(info)
    }

    beforeFirstAttempt(): Promise<SessionIdentity | undefined> {
      return this.#client.#openStore(false)
    }

    async afterEnd(): Promise<void> {
      await this.#client.#stored?.close()
    }

    // ---- for consumers ----

    get limits(): Limits | undefined {
      return this.#client.#driver.session.limits
    }

    get inherited(): boolean | undefined {
      return this.#client.#inherited
    }

    get ended(): MqttError | undefined {
      return this.#client.#lifecycle.endedWith
    }

    publish(topic: string, payload?: Payload, options?: PublishOptions): Publication {
      return this.#client.#publish(topic, payload, options)
    }

    subscribe(command: SubscribeCommand): void {
      this.#client.#driver.subscribe(command)
    }

    unsubscribe(command: UnsubscribeCommand): void {
      this.#client.#driver.unsubscribe(command)
    }

    acknowledge(message: AnyMessage, reasonCode: number): void {
      this.#client.#driver.acknowledge(message, reasonCode)
    }

    whenAcknowledgementsStored(): Promise<void> | undefined {
      return this.#client.#driver.whenRecorded()
    }

    disown(message: AnyMessage): void {
      this.#client.#driver.disown(message)
    }

    report(error: MqttError): void {
      this.#client.#report(error)
    }

    dropped(message: AnyMessage, reason: string): void {
      this.#client.#counters.dropped++
      this.#client.#note('warn', 'message dropped', { topic: message.topic, reason })
      this.#client.#emit('dropped', { message, reason })
    }
  }

  #isHeard(event: keyof ClientEvents): boolean {
    return this.#emitter.listenerCount(event) > 0
  }

  get #router(): MessageRouter {
    this.#routerIfAny ??= new MessageRouter(this.#inside)
    return this.#routerIfAny
  }

  get #pressure(): ProducerPressure {
    this.#pressureIfAny ??= new ProducerPressure(this.#driver, this.#inside.clock, this.#counters)
    return this.#pressureIfAny
  }

  #deliver(messages: AnyMessage[]): void {
    this.#counters.messagesReceived += messages.length
    const router = this.#router
    for (let index = 0; index < messages.length && this.state !== 'closed'; ) {
      // Each may change who listens, and end the client.
      index = router.deliver(messages, index, this.#isHeard('message') ? this.#listen : undefined)
    }
  }

  #sessionLost(): void {
    this.#counters.sessionsLost++
    this.#note('warn', 'session lost')
    this.#routerIfAny?.sessionLost()
    this.#emit('gap')
  }

  #publishFailed(publication: OutgoingPublication, error: unknown): void {
    const { topic, qos } = publication
    if (error instanceof QueueFullError && error.code !== 'ERR_MQTT_QUEUE_FULL') {
      this.#counters.dropped++
      this.#note('warn', 'publication dropped', { topic, reason: error.message })
      this.#emit('dropped', { publication, reason: error.message })
      return
    }
    // The end of the client is told as such, not once per publication.
    if (this.#lifecycle.endedWith !== undefined && error === this.#lifecycle.endedWith) return
    this.#report(
      error instanceof MqttError
        ? error
        : new MqttError(`Publication to "${topic}" (QoS ${qos}) failed`, {
            code: 'ERR_MQTT_PUBLISH',
            cause: error,
          }),
    )
  }

  /** Only clients with a store pay for the code that uses it. */
  async #openStore(isEarly: boolean): Promise<SessionIdentity | undefined> {
    const { store } = this.#options
    if (store === undefined) return undefined
    const { StoredSession } = await import('./stored-session.ts')
    // A client that ended meanwhile has nobody left to close what would be opened.
    if (this.#lifecycle.endedWith !== undefined) throw this.#lifecycle.endedWith
    this.#stored ??= new StoredSession(store, this.#options, this.#driver, (error) => this.#report(error))
    return this.#stored.open(isEarly)
  }

  /** So that what is published before `connect()` is stored too. What goes wrong is told as any failure of the store. */
  #openStoreEarly(): void {
    if (this.#askedForStore) return
    this.#askedForStore = true
    this.#openStore(true).catch(() => {})
  }

  #storeFailed(error: StoreError): void {
    this.#report(error)
    void this.#lifecycle.close('error', error)
  }

  #turnEnded(): void {
    this.#pressureIfAny?.turnEnded()
    this.#lifecycle.turnEnded()
    // Channels tell nobody when they are subscribed to: one look per turn.
    if (packetSendChannel.hasSubscribers || packetReceiveChannel.hasSubscribers) this.#trace()
  }

  #stateChanged(change: StateChange): void {
    const isHandling = this.#routerIfAny?.isHandling === true
    if (change.state === 'closed' || (change.state === 'disconnecting' && !isHandling)) this.#leaving = true
    // Now: what is left fails next, and would look finished to those who wait for it.
    const { endedWith } = this.#lifecycle
    if (change.state === 'closed' && endedWith !== undefined) this.#pressureIfAny?.end(endedWith)
    this.#note('debug', `state ${change.state}`, { previous: change.previous, cause: change.cause })
    for (const stream of [...(this.#streams ?? [])]) stream.push(change)
    this.#emit('state', change)
  }

  #connected(info: ConnectionInfo): void {
    this.#counters.connections++
    this.#note('info', 'connected', { server: info.server, sessionPresent: info.sessionPresent })
    if (this.#inherited !== false) this.#inherited = info.sessionPresent
    this.#emit('connect', info)
  }

  #disconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
    if (error !== undefined) {
      this.#counters.connectionsLost++
      this.#lastError = error
      this.#note('warn', 'connection lost', { error })
    } else this.#note('info', 'disconnected')
    this.#emit('disconnect', error, packet)
  }

  #attemptFailed(error: MqttError, attempt: number): void {
    this.#counters.connectFailures++
    this.#lastError = error
    this.#note('warn', 'attempt failed', { attempt, error })
  }

  /** A connection that looks alive may have died while nobody looked: a ping finds out sooner than the keep-alive. */
  #networkMayBeBack(): void {
    if (this.connected) this.#driver.ping().catch(() => {})
    else this.#lifecycle.retryNow()
  }

  #ended(info: ClosedInfo): void {
    this.#leaving = true
    this.#unwatchNetwork?.()
    if (info.error !== undefined) this.#lastError = info.error
    this.#note(info.error === undefined ? 'info' : 'error', 'closed', { ...info })
    this.#routerIfAny?.end(info.error)
    this.#emit('close', info)
  }

  /** The one place for failures that no promise carries. */
  #report(error: MqttError): void {
    this.#counters.errors++
    this.#lastError = error
    this.#note('error', error.message, { code: error.code })
    try {
      this.#emitter.emit('error', error)
    } catch (cause) {
      // A listener of "error" that throws has nobody left to tell.
      this.#note('error', 'a listener of "error" has thrown', { cause })
    }
  }

  #emit<E extends Exclude<keyof ClientEvents, 'error' | 'message'>>(
    event: E,
    ...details: Parameters<ClientEvents[E]>
  ): void {
    try {
      ;(this.#emitter as unknown as EventEmitter).emit(event, ...details)
    } catch (cause) {
      this.#report(
        new MqttError(`A listener of "${event}" has thrown: ${String(cause)}`, {
          code: 'ERR_MQTT_LISTENER',
          cause,
        }),
      )
    }
  }

  #note(level: LogEntry['level'], message: string, details: Record<string, unknown> = {}): void {
    if (this.#log === undefined) return
    try {
      this.#log({ level, message, clientId: this.clientId, details })
    } catch {
      // A log that fails must not take the connection with it.
    }
  }

  #listenersChanged(event: keyof ClientEvents): void {
    if (event === 'message' && this.#isHeard(event)) {
      this.#listen ??= (message) => this.#emitter.emit('message', message)
      this.#routerIfAny?.release(this.#listen, () => this.#isHeard(event))
    }
    if (event === 'packetsend' || event === 'packetreceive') this.#trace()
  }

  #trace(): void {
    const wanted =
      this.#isHeard('packetsend') ||
      this.#isHeard('packetreceive') ||
      packetSendChannel.hasSubscribers ||
      packetReceiveChannel.hasSubscribers
    if (wanted === this.#traced) return
    this.#traced = wanted
    this.#driver.trace = wanted
      ? {
          onPacketSent: (packet) => {
            if (packetSendChannel.hasSubscribers)
              packetSendChannel.publish({ clientId: this.clientId, packet })
            if (this.#isHeard('packetsend')) this.#driver.tell(() => this.#emit('packetsend', packet))
          },
          onPacketReceived: (packet) => {
            if (packetReceiveChannel.hasSubscribers)
              packetReceiveChannel.publish({ clientId: this.clientId, packet })
            if (this.#isHeard('packetreceive')) {
              this.#driver.tell(() => this.#emit('packetreceive', packet))
            }
          },
        }
      : undefined
  }

  get #left(): DisconnectReport {
    return this.#lifecycle.left ?? { queuedMessages: 0, inFlight: 0, unacknowledged: 0, keptIn: 'nowhere' }
  }

  #checkOpen(): void {
    if (this.#leaving) throw this.#closedError()
  }

  #closedError(): MqttError {
    return (
      this.#lifecycle.endedWith ?? new ClosedError('The client is being disconnected and takes no more work')
    )
  }

  #notConnected(what: string): MqttError {
    return new MqttError(`Cannot ${what}: the client is ${this.state}`, { code: 'ERR_MQTT_NOT_CONNECTED' })
  }

  // ------------------------------------------------------------------------------------------------ the queue's limits

  /** The sooner of the message's own end and the age limit of the queue; most have neither. */
  #expiry(seconds: number = Number.POSITIVE_INFINITY): MessageExpiry | undefined {
    const { maxAgeMs } = this.#options.queue
    if (Math.min(seconds, maxAgeMs) === Number.POSITIVE_INFINITY) return undefined
    // The session's time, or the interval on the wire would be a second too long.
    const now = this.#driver.turnNow()
    // In whole milliseconds: sums of the largest intervals are rounded, and might be a second more.
    const endsAt = Math.floor(now + seconds * 1000)
    return new MessageExpiry(Math.min(endsAt, now + maxAgeMs), endsAt)
  }

  /** Makes room in the queue as `overflow` says; false when the publication itself was refused. */
  #hasRoom(publication: OutgoingPublication): boolean {
    const driver = this.#driver
    const { session } = driver
    const { maxMessages, maxBytes, overflow, qos0 } = this.#options.queue
    if (session.phase === 'online' && session.queuedMessages === 0 && !driver.congested) return true
    const { topic } = publication
    if (publication.qos === 0 && qos0 !== 'queue' && session.phase !== 'online') {
      const message = `Publication to "${topic}" was not sent: there is no connection and queue.qos0 is "${qos0}"`
      const code = 'ERR_MQTT_NOT_CONNECTED'
      const error = qos0 === 'drop' ? new QueueFullError(message, { code }) : new MqttError(message, { code })
      driver.refuse(publication, error)
      return false
    }
    const size = publication.payload.length
    const isFull = () => driver.queuedMessages + 1 > maxMessages || driver.queuedBytes + size > maxBytes
    // What is larger than the whole queue would cost all others and not fit either.
    while (overflow === 'drop-oldest' && size <= maxBytes && isFull()) {
      const oldest = driver.oldestQueued()
      if (oldest === undefined || !driver.cancel(oldest)) break
      driver.refuse(
        oldest,
        queueFull(oldest.topic, 'ERR_MQTT_QUEUE_DROPPED', 'dropped from the full queue for a newer one'),
      )
    }
    if (!isFull()) return true
    const error =
      overflow === 'reject'
        ? queueFull(topic, 'ERR_MQTT_QUEUE_FULL', 'refused: the queue is full')
        : queueFull(topic, 'ERR_MQTT_QUEUE_DROPPED', 'dropped: the queue is full')
    driver.refuse(publication, error)
    return false
  }
}

function queueFull(topic: string, code: string, what: string): QueueFullError {
  return new QueueFullError(`Publication to "${topic}" was ${what}`, { code })
}

function wrongQos(qos: unknown): OptionsError {
  return wrongOption('qos', '0, 1 or 2 [MQTT-3.3.1-4]', String(qos))
}

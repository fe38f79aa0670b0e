import type { ConnackPacket, DisconnectPacket, ProtocolVersion } from '../codec/packet.ts'
import {
  ClosedError,
  ConnectError,
  ConnectionLostError,
  MqttError,
  OptionsError,
  ProtocolError,
  StoreError,
  TimeoutError,
  wrongOption,
} from '../errors.ts'
import type { DisconnectRequest } from '../session/command.ts'
import type { Limits } from '../session/limits.ts'
import { customTransport } from '../transport/custom.ts'
import { type Endpoint, parseServerReference } from '../transport/endpoint.ts'
import { ASKS_DNS, openTransport, resolveService } from '../transport/open.ts'
import { onAbort, untilAborted } from '../transport/opening.ts'
import type { TransportOptions } from '../transport/settings.ts'
import type { TransportFactory } from '../transport/transport.ts'
import { asMqttError } from './as-mqtt-error.ts'
import type { AuthenticationData, Authenticator } from './authentication/authenticator.ts'
import type { Exchange } from './authentication/exchange.ts'
import { backoffDelay } from './backoff.ts'
import type { Clock, Timer } from './clock.ts'
import { connectRequest, randomClientId } from './connect-request.ts'
import { type ConnectionInfo, connectionInfo } from './connection-info.ts'
import type { ConnectionOwner, Driver } from './driver.ts'
import type { ClientOptions, ConnectAttempt, ResolvedOptions } from './options.ts'
import { PromiseParts } from './promise-parts.ts'
import { classOf } from './reason-class.ts'
import {
  CLIENT_TRANSITIONS,
  type ClientState,
  type ClientTransition,
  type ClosedInfo,
  type DisconnectReport,
  type StateChange,
} from './state.ts'

/** Whose session is in a store. */
export interface SessionIdentity {
  /** Empty = not known yet. */
  readonly clientId: string
  /** 0 = not known yet. */
  readonly protocolVersion: ProtocolVersion | 0
}

/** What the life cycle tells its client. */
export interface LifecycleOwner {
  readonly clock: Clock
  stateChanged(change: StateChange): void
  /** Online: before anybody who waits for `connect()` is told. */
  connected(info: ConnectionInfo): void
  /** A connection is over: lost (`error`), or ended as asked. */
  disconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void
  attemptFailed(error: MqttError, attempt: number): void
  reconnecting(attempt: number, delayMs: number, cause: MqttError): void
  /** Nothing will happen any more. Called once; `error` is what everything that still waits gets. */
  clientEnded(info: ClosedInfo, error: MqttError): void
  /** With a store: opens it, before the first attempt. Answers whose session it holds. */
  beforeFirstAttempt(): Promise<SessionIdentity | undefined>
  /** A failure that no promise carries. */
  report(error: MqttError): void
  /** Lets handlers finish what they have; takes no more work. */
  stopConsumers(): Promise<void>
  /** Closes what was opened, when the transport is closed. */
  afterEnd(): Promise<void>
}

const MAX_REDIRECTS = 3
/** Refusals of fresh credentials in a row after which asking again is hammering. */
const MAX_REFRESHES = 3
const USE_ANOTHER_SERVER = 0x9c
const SERVER_MOVED = 0x9d
const UNSUPPORTED_VERSION = 0x84
/** A connection that was shorter does not end a chain of redirects, whatever `reconnect` counts. */
const STABLE_AFTER_MS = 5_000
/** Transports promise to close, and stores to write, in bounded time; this is the bound for those that are not ours. */
const CLOSE_TIMEOUT_MS = 5_000

/** Somebody who waits for `connect()`. */
type Waiter = PromiseParts<ConnectionInfo>

/** Attempts to connect, until one succeeds or they are given up. */
interface Run {
  isOver: boolean
  /** Gives up what is under way. */
  giveUp: ((reason: unknown) => void) | undefined
  /** Ends the pause before the next attempt. */
  wake: (() => void) | undefined
}

const NOBODY: readonly Waiter[] = []
const NO_SERVERS: readonly Endpoint[] = []

/**
 * Connecting, losing, coming back, ending. One state, moved by the table in state.ts alone, and at most one `#run` that makes attempts;
 * whoever takes the state elsewhere gives up the run first.
 */
export class Lifecycle implements ConnectionOwner {
  readonly #owner: LifecycleOwner
  readonly #driver: Driver
  /** What `connectOptions` overrides; undefined without that. */
  readonly #given: ClientOptions | undefined
  readonly #options: ResolvedOptions
  #clientId: string
  #state: ClientState = 'idle'
  #info: ConnectionInfo | undefined = undefined
  #run: Run | undefined = undefined
  #handshake: PromiseParts<void> | undefined = undefined
  #waiters: readonly Waiter[] = NOBODY
  #prepared: boolean

  /** Attempts since the last stable connection. */
  #attempts = 0
  /** Pauses between them: several servers are tried without one. */
  #pauses = 0
  #refreshes = 0
  #redirects = 0
  #connectedAt = 0
  /** Servers of this round that have not been tried. */
  #round: readonly Endpoint[] = NO_SERVERS
  /** To be tried before them: where a server has sent us, or the same one in an older version. */
  #next: Endpoint | undefined = undefined
  /** The hook has said where to go. */
  #isElsewhere = false
  /** The one of `servers` that worked last, or where one has moved to: first in the next round. */
  #preferred: Endpoint | undefined = undefined
  /** The server of the attempt under way, or of the connection. */
  #tried: Endpoint | undefined = undefined
  #version: ProtocolVersion
  /** Options of the attempt under way, or of the connection. */
  #current: ResolvedOptions
  #server = 'the server'

  /** Of the attempt under way, or of the connection; undefined without an authenticator. */
  #exchange: Exchange | undefined = undefined

  /** `close()` has dropped the connection: it is not lost. */
  #isClosing = false
  #ending: Promise<void> | undefined = undefined
  #drained: (() => void) | undefined = undefined
  #giveUpWork: (() => void) | undefined = undefined
  /** Made when somebody asks. */
  #closed: PromiseParts<ClosedInfo> | undefined = undefined
  /** What was not finished when the client ended. */
  left: DisconnectReport | undefined = undefined
  /** Set when the client has ended. */
  endedWith: MqttError | undefined = undefined

  constructor(owner: LifecycleOwner, driver: Driver, given: ClientOptions, options: ResolvedOptions) {
    this.#owner = owner
    this.#driver = driver
    this.#given = options.connectOptions === undefined ? undefined : given
    this.#options = options
    this.#current = options
    this.#version = options.protocolVersion
    this.#prepared = options.store === undefined
    this.#clientId = options.clientId ?? randomClientId(() => owner.clock.random())
  }

  /** How the client ended. Never rejects. */
  get closed(): Promise<ClosedInfo> {
    return this.#whenClosed.promise
  }

  get #whenClosed(): PromiseParts<ClosedInfo> {
    this.#closed ??= new PromiseParts()
    return this.#closed
  }

  get state(): ClientState {
    return this.#state
  }

  get info(): ConnectionInfo | undefined {
    return this.#state === 'connected' ? this.#info : undefined
  }

  /** The identifier in use: the server's, ours, or '' while the server has yet to assign one. */
  get clientId(): string {
    return this.#driver.session.clientId || this.#clientId
  }

  /** The version of the connection, or of the next attempt. */
  get protocolVersion(): ProtocolVersion {
    return this.#version
  }

  /** Options of the connection, those of the hook included. */
  get current(): ResolvedOptions {
    return this.#current
  }

  // ------------------------------------------------------------------------------------------------ commands

  connect(signal: AbortSignal | undefined, timeoutMs: number | undefined): Promise<ConnectionInfo> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.#state === 'closed' || this.#state === 'disconnecting') {
      return Promise.reject(
        this.endedWith ??
          new ClosedError('The client is being disconnected; make a new one to connect again'),
      )
    }
    if (this.#state === 'connected' && this.#info !== undefined) return Promise.resolve(this.#info)
    const waiter: Waiter = new PromiseParts()
    const giveUp = (reason: unknown) => {
      waiter.reject(reason)
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
      // Whoever waits on is not given up with this one; a client that comes back by itself goes on doing so.
      if (this.#state === 'connecting' && this.#waiters.length === 0) this.#abandon(reason)
    }
    if (timeoutMs !== undefined) {
      const tooLate = () => giveUp(new TimeoutError(`Could not connect within ${timeoutMs} ms`))
      const timer = this.#owner.clock.setTimer(tooLate, timeoutMs)
      whenSettled(waiter.promise, () => timer.cancel())
    }
    if (signal !== undefined) whenSettled(waiter.promise, onAbort(signal, giveUp))
    this.#waiters = [...this.#waiters, waiter]
    if (this.#state === 'idle') this.#start('connect', undefined, 0)
    return waiter.promise
  }

  /**
   * Sends DISCONNECT when what is under way has finished, or `timeoutMs` are over, and ends the client. Without a
   * connection it ends at once.
   */
  disconnect(request: DisconnectRequest, timeoutMs: number): Promise<void> {
    if (this.#ending !== undefined) return this.#ending
    if (this.#state !== 'connected') return this.close('disconnect')
    this.#move('disconnect', undefined)
    this.#ending = this.#leave(request, timeoutMs)
    return this.#ending
  }

  /** Ends the client now, without DISCONNECT. */
  close(reason: ClosedInfo['reason'] = 'close', error?: MqttError): Promise<void> {
    if (this.#state === 'closed' || this.#isClosing) return this.#ending ?? this.closed.then(() => {})
    const cause = error ?? new ClosedError('The client was closed')
    this.#giveUp(cause)
    this.#isClosing = true
    const { unacknowledged } = this.#driver.session
    this.#driver.drop(cause)
    this.#driver.settleTurn()
    this.#ending = this.#finish({ reason, error }, cause, unacknowledged)
    return this.#ending
  }

  /** Runs the authenticator again on the connection; the caller has seen to it that there is one. */
  async reauthenticate(signal: AbortSignal | undefined): Promise<void> {
    if (this.#exchange === undefined) {
      throw wrongOption('authenticator', 'one, for reauthenticate() to run [MQTT-4.12.0-7]')
    }
    await this.#exchange.renew(signal)
  }

  /** The network is back, or the page is seen again: what waits for its next attempt makes it now. */
  retryNow(): void {
    this.#run?.wake?.()
  }

  /** The driver's turn is over. */
  turnEnded(): void {
    if (this.#drained !== undefined && !this.#driver.session.hasUnfinishedWork) this.#drained()
  }

  // ------------------------------------------------------------------------------------------------ from the driver

  onConnected(limits: Limits, connack: ConnackPacket): void {
    const handshake = this.#handshake
    if (handshake === undefined) return
    this.#info = connectionInfo(limits, connack, this.#server)
    const proof = this.#exchange?.finish(connack.properties?.authenticationData)
    if (proof === undefined) this.#accepted(handshake, this.#info)
    else {
      proof.then(
        () => this.#accepted(handshake, this.#info as ConnectionInfo),
        (error: unknown) => this.#authenticationFailed(error),
      )
    }
  }

  #accepted(handshake: PromiseParts<void>, info: ConnectionInfo): void {
    if (this.#handshake !== handshake) return
    this.#handshake = undefined
    this.#connectedAt = this.#owner.clock.now()
    // A connection counts as an attempt until it has proved stable; the first one is none of those.
    if (this.#state === 'connecting') this.#beginCount()
    this.#refreshes = 0
    this.#round = NO_SERVERS
    handshake.resolve()
    if (this.#exchange !== undefined) {
      this.#driver.hold(false)
      this.#exchange.arm()
    }
    this.#move('accepted', undefined)
    if (this.#info === undefined) return // a listener closed the client
    this.#owner.connected(info)
    for (const waiter of this.#takeWaiters()) waiter.resolve(info)
  }

  #takeWaiters(): readonly Waiter[] {
    const waiters = this.#waiters
    this.#waiters = NOBODY
    return waiters
  }

  onAuthenticate(data: Uint8Array | undefined): void {
    this.#exchange?.continue(data).then(
      (answer) => this.#driver.authenticate(answer),
      (error: unknown) => this.#authenticationFailed(error),
    )
  }

  onReauthenticated(data: Uint8Array | undefined): void {
    this.#exchange?.finish(data).then(
      () => this.#exchange?.arm(),
      (error: unknown) => this.#authenticationFailed(error),
    )
  }

  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
    this.#exchange?.end(error ?? new ClosedError('The connection was closed'))
    this.#exchange = undefined
    const handshake = this.#handshake
    if (handshake !== undefined) {
      this.#handshake = undefined
      handshake.reject(
        error instanceof ProtocolError
          ? new ProtocolError(`Connection to ${this.#server} failed before CONNACK: ${error.message}`, error)
          : (error ?? new ClosedError('The client was closed')),
      )
      return
    }
    if (this.#state !== 'connected' && this.#state !== 'disconnecting') return
    this.#info = undefined
    this.#owner.disconnected(this.#isClosing ? undefined : error, packet)
    if (this.#isClosing) return
    if (this.#state === 'disconnecting') {
      this.#giveUpWork?.()
      return
    }
    this.#lost(error ?? new ConnectionLostError('The connection ended'))
  }

  // ------------------------------------------------------------------------------------------------ losing and coming back

  #lost(cause: MqttError): void {
    const { reconnect } = this.#options
    const stableAfterMs = typeof reconnect === 'object' ? reconnect.stableAfterMs : 0
    const lastedMs = this.#owner.clock.now() - this.#connectedAt
    if (lastedMs >= stableAfterMs) this.#beginCount()
    if (lastedMs >= (stableAfterMs || STABLE_AFTER_MS)) this.#redirects = 0
    const redirected = this.#followReference(cause)
    if (reconnect === 'manual') {
      this.#move('suspend', cause)
      // A listener that has asked for the next connection meanwhile.
      if (this.#waiters.length > 0 && this.#state === 'idle') this.#start('connect', undefined, 0)
      return
    }
    const delay = redirected && reconnect !== false ? 0 : this.#isFinal(cause) ? false : this.#delay(cause)
    if (delay === false) void this.close('error', cause)
    else this.#start('lost', cause, delay)
  }

  #start(event: 'connect' | 'lost', cause: MqttError | undefined, delayMs: number): void {
    const run: Run = { isOver: false, giveUp: undefined, wake: undefined }
    this.#run = run
    this.#move(event, cause)
    if (run.isOver) return // a listener closed the client
    if (cause !== undefined) this.#owner.reconnecting(this.#attempts + 1, delayMs, cause)
    void this.#attemptUntilConnected(run, cause, delayMs)
  }

  async #attemptUntilConnected(run: Run, cause: MqttError | undefined, delayMs: number): Promise<void> {
    let last = cause
    let delay = delayMs
    try {
      while (!run.isOver) {
        if (delay > 0) await this.#sleep(delay, run)
        if (run.isOver) break
        this.#attempts++
        try {
          await this.#attempt(last, run)
          break
        } catch (failure) {
          last = asMqttError(failure, 'Could not connect')
        }
        if (!run.isOver) delay = this.#afterFailure(last, run)
      }
    } catch (error) {
      if (!run.isOver) void this.close('error', asMqttError(error, 'The client failed'))
    }
    if (this.#run === run) this.#run = undefined
  }

  /** Milliseconds to the next attempt. What is to end is given up. */
  #afterFailure(error: MqttError, run: Run): number {
    this.#owner.attemptFailed(error, this.#attempts)
    if (run.isOver) return 0
    const next = this.#judge(error)
    if (next === 'end') void this.close('error', error)
    else if (next === 'give up') this.#abandon(error)
    else {
      this.#owner.reconnecting(this.#attempts + 1, next, error)
      return next
    }
    return 0
  }

  /** After a failed attempt: milliseconds to the next, or the end of the client, or of this `connect()`. */
  #judge(error: MqttError): number | 'end' | 'give up' {
    const { reconnect } = this.#options
    if (this.#fallBack(error) || this.#followReference(error)) return 0
    if (this.#isFinal(error)) return 'end'
    // The other servers first, without delay: the backoff is between rounds.
    if (this.#round.length > 0) return 0
    const comesBack = this.#state === 'reconnecting' || (typeof reconnect === 'object' && reconnect.initial)
    if (!comesBack) return 'give up'
    const delay = this.#delay(error)
    return delay === false ? 'end' : delay
  }

  /** Another attempt would end in the same way, or do harm. */
  #isFinal(error: MqttError): boolean {
    const { reasonCode } = error
    if (
      error instanceof OptionsError ||
      error instanceof StoreError ||
      error.code === 'ERR_MQTT_AUTHENTICATION'
    )
      return true
    // What the server may do after CONNACK, it may do in the same breath.
    const isLoss = error instanceof ConnectionLostError
    if (reasonCode === undefined || !(isLoss || error instanceof ConnectError)) return false
    const verdict = classOf(isLoss ? 'disconnect' : 'connack', reasonCode, this.#options.reasonCodes)
    if (verdict !== 'refresh') return verdict === 'fatal'
    const isRefreshed = this.#options.connectOptions ?? this.#current.authenticator?.renewAt
    return isRefreshed === undefined || ++this.#refreshes >= MAX_REFRESHES
  }

  #delay(cause: MqttError): number | false {
    const { reconnect } = this.#options
    // After a pause servers may send us elsewhere.
    this.#redirects = 0
    if (reconnect === false || reconnect === 'manual') return false
    if (typeof reconnect === 'function') {
      try {
        const delay: unknown = reconnect(this.#attempts + 1, cause)
        if (delay === false || (typeof delay === 'number' && delay >= 0)) return delay
        throw wrongOption('reconnect', 'a function that gives milliseconds or false', String(delay))
      } catch (error) {
        this.#owner.report(asMqttError(error, 'The function `reconnect` has thrown'))
        return false
      }
    }
    if (this.#attempts >= reconnect.maxAttempts) return false
    return backoffDelay(reconnect, ++this.#pauses, () => this.#owner.clock.random())
  }

  #beginCount(): void {
    this.#attempts = 0
    this.#pauses = 0
  }

  /** `protocolVersion: "auto"`: 3.1.1 for a server that refuses 5.0, be it without the CONNACK that says so. */
  #fallBack(error: MqttError): boolean {
    if (!this.#options.versionFallback || this.#version !== 5) return false
    const refused =
      error.reasonCode === UNSUPPORTED_VERSION ||
      (error instanceof ProtocolError && error.packet === 'CONNACK') ||
      (error.code === 'ERR_MQTT_CONNECTION_CLOSED' && error.cause === undefined)
    if (!refused) return false
    this.#version = 4
    this.#next = this.#tried
    return true
  }

  /** Use another server, Server moved: its reference is the next to try, at most three in a row. */
  #followReference(error: MqttError): boolean {
    const { reasonCode, serverReference } = error as ConnectError
    const moved = reasonCode === SERVER_MOVED
    if (
      serverReference === undefined ||
      !(moved || reasonCode === USE_ANOTHER_SERVER) ||
      !this.#options.redirects ||
      this.#redirects >= MAX_REDIRECTS ||
      this.#tried === undefined
    )
      return false
    let target: Endpoint
    try {
      target = parseServerReference(serverReference, this.#tried)
    } catch {
      return false // not to be followed: the refusal itself is the error
    }
    this.#redirects++
    this.#next = target
    if (moved) this.#preferred = target
    return true
  }

  #giveUp(reason: unknown): void {
    const run = this.#run
    if (run === undefined) return
    run.isOver = true
    run.giveUp?.(reason)
  }

  /** Gives up connecting, but not the client. */
  #abandon(reason: unknown): void {
    this.#giveUp(reason)
    this.#driver.drop(asMqttError(reason, 'Could not connect'))
    this.#beginCount()
    this.#redirects = 0
    this.#round = NO_SERVERS
    this.#next = undefined
    this.#move('giveUp', reason instanceof MqttError ? reason : undefined)
    for (const waiter of this.#takeWaiters()) waiter.reject(reason)
  }

  #sleep(delayMs: number, run: Run): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        run.giveUp = run.wake = undefined
        resolve()
      }
      const timer = this.#owner.clock.setTimer(done, delayMs)
      run.giveUp = run.wake = done
      // A listener of `reconnecting` may have closed the client.
      if (run.isOver) done()
    })
  }

  // ------------------------------------------------------------------------------------------------ one attempt

  /** Once, and without a deadline: a large store takes its time. */
  async #prepare(): Promise<void> {
    const session = await this.#owner.beforeFirstAttempt()
    this.#prepared = true
    if (session !== undefined && session.clientId !== '') this.#clientId = session.clientId
    if (session !== undefined && session.protocolVersion !== 0) this.#version = session.protocolVersion
  }

  async #attempt(cause: MqttError | undefined, run: Run): Promise<void> {
    if (!this.#prepared) await this.#prepare()
    if (run.isOver) return
    const abort = new AbortController()
    const { signal } = abort
    const giveUp = (reason: unknown): void => {
      abort.abort(reason)
      this.#handshake?.reject(reason)
    }
    run.giveUp = giveUp
    let timer: Timer | undefined
    let step = 'connectOptions'
    const arm = ({ connectTimeoutMs }: ResolvedOptions): void => {
      timer?.cancel()
      if (connectTimeoutMs === 0 || connectTimeoutMs === Number.POSITIVE_INFINITY) return
      timer = this.#owner.clock.setTimer(() => {
        const what = `Could not connect to ${this.#server} within ${connectTimeoutMs} ms`
        giveUp(new TimeoutError(`${what}: ${step} gave no answer`))
      }, connectTimeoutMs)
    }
    arm(this.#options)
    try {
      let options = this.#options
      if (options.connectOptions !== undefined) {
        options = await untilAborted(this.#askForOptions({ attempt: this.#attempts, cause, signal }), signal)
        arm(options)
      }
      this.#current = options
      const server = this.#nextServer(options)
      let endpoint = server
      this.#server = server?.description ?? 'the transport'
      if (ASKS_DNS === 1 && server?.srv === true && options.transport === undefined) {
        step = 'DNS'
        const [first, ...others] = await resolveService(server, signal)
        endpoint = first
        this.#round = [...others, ...this.#round]
      }
      this.#tried = endpoint
      let exchange: Exchange | undefined
      let data: AuthenticationData
      if (options.authenticator !== undefined) {
        step = 'the authenticator'
        exchange = await this.#newExchange(options.authenticator, options.connectTimeoutMs)
        data = await exchange.start(signal)
      }
      const request = connectRequest(
        options,
        endpoint,
        this.#version,
        options.clientId ?? this.#clientId,
        data,
      )
      step = 'the network'
      const handler = this.#driver.prepare()
      const transport = await this.#opener(options, endpoint)({ signal, handler })
      if (signal.aborted) {
        // It came after the attempt was given up, whoever made it.
        transport.destroy()
        throw signal.reason
      }
      this.#server = transport.description
      const handshake = new PromiseParts<void>()
      this.#handshake = handshake
      this.#exchange = exchange
      step = 'the server'
      this.#driver.connect(handler, transport, request)
      if (exchange !== undefined) this.#driver.hold(true)
      await handshake.promise
      if (server !== undefined && this.#options.servers.includes(server)) this.#preferred = server
    } catch (error) {
      this.#handshake = undefined
      this.#driver.drop(asMqttError(error, 'Could not connect'))
      throw error
    } finally {
      timer?.cancel()
      run.giveUp = undefined
    }
  }

  async #askForOptions(attempt: ConnectAttempt): Promise<ResolvedOptions> {
    const { askForOptions } = await import('./connect-options.ts')
    const { options, isElsewhere } = await askForOptions(this.#given as ClientOptions, attempt)
    this.#isElsewhere = isElsewhere
    return options
  }

  #nextServer({ servers }: ResolvedOptions): Endpoint | undefined {
    let next = this.#next
    this.#next = undefined
    if (next !== undefined) return next
    if (this.#isElsewhere) {
      // Each time anew: which of them is next, and how many are left of this round.
      const index = (this.#attempts - 1) % servers.length
      this.#round = servers.slice(index + 1)
      return servers[index]
    }
    if (this.#round.length === 0) this.#round = this.#newRound()
    ;[next, ...this.#round] = this.#round
    return next
  }

  #newRound(): Endpoint[] {
    const servers = [...this.#options.servers]
    if (this.#options.shuffled) {
      for (let n = servers.length - 1; n > 0; n--) {
        const m = Math.floor(this.#owner.clock.random() * (n + 1))
        const swapped = servers[n] as Endpoint
        servers[n] = servers[m] as Endpoint
        servers[m] = swapped
      }
    }
    const preferred = this.#preferred
    if (preferred === undefined) return servers
    return [preferred, ...servers.filter((server) => server.description !== preferred.description)]
  }

  #opener(options: ResolvedOptions, endpoint: Endpoint | undefined): TransportFactory {
    return options.transport !== undefined
      ? customTransport(options.transport, endpoint?.description)
      : openTransport(endpoint as Endpoint, transportOptions(options, this.#version))
  }

  async #newExchange(authenticator: Authenticator, timeoutMs: number): Promise<Exchange> {
    const { Exchange } = await import('./authentication/exchange.ts')
    return new Exchange(authenticator, this.#version, {
      clock: this.#owner.clock,
      timeoutMs,
      send: (data) => this.#driver.reauthenticate(data),
      report: (error) => this.#owner.report(error),
      fail: (error) => this.#authenticationFailed(error),
    })
  }

  #authenticationFailed(cause: unknown): void {
    // The connection went first: that is told already.
    if (this.#exchange === undefined) return
    const error = asMqttError(cause, 'Authentication failed')
    this.#handshake?.reject(error)
    this.#handshake = undefined
    this.#driver.drop(error)
  }

  // ------------------------------------------------------------------------------------------------ ending

  async #leave(request: DisconnectRequest, timeoutMs: number): Promise<void> {
    const until = new AbortController()
    const timer = this.#owner.clock.setTimer(() => until.abort(), timeoutMs)
    // Whatever ends the waiting, a lost connection included, what follows is the same.
    this.#giveUpWork = () => until.abort()
    await untilAborted(
      this.#owner.stopConsumers().then(() => this.#workDone()),
      until.signal,
    ).catch(() => {})
    timer.cancel()
    this.#drained = undefined
    await this.#within(this.#driver.settleStore())
    // close() may have come in between.
    if (this.#state !== 'disconnecting') return
    const { unacknowledged } = this.#driver.session
    this.#driver.disconnect(request)
    this.#driver.settleTurn()
    await this.#finish(
      { reason: 'disconnect', error: undefined },
      new ClosedError('The client was disconnected'),
      unacknowledged,
    )
  }

  #workDone(): Promise<void> {
    if (!this.#driver.session.hasUnfinishedWork) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }

  /** @param unacknowledged - messages, when the connection was there: what is owed is forgotten with it */
  async #finish(info: ClosedInfo, error: MqttError, unacknowledged: number): Promise<void> {
    this.#handshake = undefined
    this.endedWith = error
    const { queuedMessages } = this.#driver
    const { inFlight } = this.#driver.session
    const keptIn = this.#driver.keepsSession ? 'store' : 'nowhere'
    this.left = Object.freeze({ queuedMessages, inFlight, unacknowledged, keptIn })
    this.#move('end', info.error)
    this.#giveUpWork?.()
    this.#driver.fail(error)
    for (const waiter of this.#takeWaiters()) waiter.reject(error)
    this.#owner.clientEnded(info, error)
    await this.#within(this.#driver.whenClosed())
    await this.#owner.afterEnd()
    this.#whenClosed.resolve(info)
  }

  /** Resolves when `work` has, and in any case in bounded time. */
  #within(work: Promise<void>): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = this.#owner.clock.setTimer(resolve, CLOSE_TIMEOUT_MS)
      void work.then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #move(event: ClientTransition, cause: MqttError | undefined): void {
    const previous = this.#state
    const state = CLIENT_TRANSITIONS[previous][event]
    if (state === undefined) throw new Error(`a client that is ${previous} cannot ${event}`)
    this.#state = state
    this.#owner.stateChanged({ state, previous, cause })
  }
}

function transportOptions(options: ResolvedOptions, protocolVersion: ProtocolVersion): TransportOptions {
  const { tls, websocket, socket, proxy } = options
  const { maximumPacketSize } = options.connectProperties
  return { tls, websocket, socket, proxy, protocolVersion, maximumPacketSize }
}

function whenSettled(promise: Promise<unknown>, action: () => void): void {
  promise.then(action, action)
}

import { ManualDriver, type ManualDriverHandler } from '../client/manual-driver.ts'
import type {
  AckProperties,
  ConnackPacket,
  DisconnectPacket,
  DisconnectProperties,
  Packet,
} from '../codec/packet.ts'
import { ConnectError, type MqttError, ProtocolError, type StoreError } from '../errors.ts'
import type { SubscribeCommand, UnsubscribeCommand } from '../session/command.ts'
import { InboundMessage } from '../session/inbound-message.ts'
import type { Limits } from '../session/limits.ts'
import { type OutboundMessage, Stage } from '../session/outbound-message.ts'
import { ReleaseFlow } from '../session/release-flow.ts'
import type { SessionConfig } from '../session/session.ts'
import type { PublishOutcome } from '../session/sink.ts'
import type { SessionStore } from '../store/store.ts'
import type { CallbackRunner } from './callback-runner.ts'
import { LogLevel, MessageType, MQTTErrorCode, MQTTProtocolVersion } from './enums.ts'
import { ValueError } from './errors.ts'
import { finishInfo } from './message-info.ts'
import { MessageNumbers } from './message-numbers.ts'
import type { Narrator } from './narrator.ts'
import { networkError, transportFactory } from './network.ts'
import { OwedMessages } from './owed-messages.ts'
import { connackReturnCode, PacketLog, type PacketLogSource } from './packet-log.ts'
import { answerOf, OutgoingMessage, Publications, restoredMessage } from './publications.ts'
import { randomClientId, type Settings } from './settings.ts'
import { DriverSocket } from './socket-like.ts'
import { checkPacket } from './wire-check.ts'

/**
 *     new ──connect_async()──> to be connected ──> connecting ──CONNACK──> connected
 *                                    ^                 ^                       │
 *                                    │                 └──── lost <────────────┤ without disconnect()
 *                                    └──── disconnected <── disconnecting <────┘ disconnect()
 */
export type State =
  | 'new'
  | 'to be connected'
  | 'connecting'
  | 'connected'
  | 'lost'
  | 'disconnecting'
  | 'disconnected'

/** An attempt to open a connection. */
interface Opening {
  readonly controller: AbortController
  /** By a call of the program, during which requests count as accepted. */
  readonly byProgram: boolean
}

export interface DisconnectArguments {
  readonly reasonCode: number
  readonly properties?: DisconnectProperties
}

/** Who wants to know when something may have changed. */
export interface ConnectionWatcher {
  /** A loop is running in the background that writes what is to be written. */
  readonly writes: boolean
  /** A loop of any kind is running. */
  readonly isRunning: boolean
  wake(): void
  /** CONNACK with success. */
  connected(): void
  /** `disconnect()` was called. */
  disconnecting(): void
  /** The program goes on after all. */
  opening(): void
}

const { MQTT_ERR_SUCCESS, MQTT_ERR_NO_CONN, MQTT_ERR_CONN_LOST } = MQTTErrorCode

/** The longest that a timer of Node can run. */
const LONGEST_TIMER_MS = 2_147_483_647

/** One client's connections, one after the other: the states, and what the callbacks are told about them. */
export class Connection implements ManualDriverHandler, PacketLogSource {
  state: State = 'new'
  readonly publications: Publications = new Publications()
  /** No CONNACK has been received since `connect()`. */
  first = true
  readonly #settings: Settings
  readonly #callbacks: CallbackRunner
  readonly #narrator: Narrator
  readonly #watcher: ConnectionWatcher
  readonly #driver: ManualDriver
  #opening: Opening | undefined
  /** A connection will be opened as soon as it is known where. */
  #expected: object | undefined
  /** SUBSCRIBEs that wait for a connection. */
  #subscribes: (() => void)[] = []
  #opened: Promise<unknown> = Promise.resolve()
  #storeClosed: Promise<void> = Promise.resolve()
  #socket: DriverSocket | null = null
  #registered = false
  /** A socket that nobody reads does not keep the process alive: this does, as long as the connection is to. */
  #life: NodeJS.Timeout | undefined
  #connectedAt = 0
  /** What the current `read`, `write` or `check` is to return. */
  #result: MQTTErrorCode = MQTT_ERR_SUCCESS
  /** DISCONNECT is among the bytes to be written: the connection ends with them. */
  #ending = false
  /** Waits for CONNACK, and for what is queued until then. */
  #disconnect: DisconnectArguments | undefined
  /** Publications wait for `on_connect`. */
  #isHolding = false
  /** UNSUBSCRIBEs that wait for CONNACK. */
  #unsubscribes: (() => void)[] = []
  #connack: ConnackPacket | undefined
  #deferredError: { readonly error: unknown } | undefined
  readonly #owed = new OwedMessages()
  readonly #numbers: MessageNumbers

  constructor(
    settings: Settings,
    callbacks: CallbackRunner,
    narrator: Narrator,
    watcher: ConnectionWatcher,
    republish: boolean,
    store: SessionStore | null,
  ) {
    this.#settings = settings
    this.#callbacks = callbacks
    this.#narrator = narrator
    this.#numbers = new MessageNumbers(this.publications)
    this.#watcher = watcher
    const config: SessionConfig = {
      // Read at each CONNACK: it can be set between connections.
      get maxInflight() {
        return settings.maxInflight === 0 ? 65_535 : settings.maxInflight
      },
      onSessionLost: republish ? 'republish' : 'reject-all',
      resubscribe: false,
      autoTopicAlias: false,
      publishClass: InboundMessage,
      exactCleanStart: true,
      inboundClass: ReleaseFlow,
    }
    this.#driver = new ManualDriver(
      config,
      this,
      store === null
        ? undefined
        : {
            store,
            clientId: settings.clientId,
            protocolVersion: settings.protocol,
            createMessage: restoredMessage,
            onRestored: (messages, lastSequence) => this.publications.restore(messages, lastSequence),
          },
    )
    this.#driver.session.trace = new PacketLog(callbacks, this)
  }

  // ------------------------------------------------------------------------------------------------ questions

  get protocol(): MQTTProtocolVersion {
    return this.#settings.protocol
  }

  get sendsPassword(): boolean {
    return this.#settings.username !== null && this.#settings.password !== null
  }

  /** Whether settings may be changed. */
  get isClosed(): boolean {
    return this.state === 'new' || this.state === 'disconnected'
  }

  get isConnected(): boolean {
    return this.state === 'connected'
  }

  get isOpen(): boolean {
    return this.#driver.isOpen
  }

  /** Whether requests are accepted: there is a connection, or the program is just opening one. */
  get accepts(): boolean {
    if (this.state === 'disconnecting') return false
    return this.#driver.isOpen || this.#opening?.byProgram === true || this.#expected !== undefined
  }

  /** An attempt is under way; settles, never rejects. */
  get opened(): Promise<unknown> | undefined {
    return this.#opening === undefined ? undefined : this.#opened
  }

  /** Milliseconds of the clock that messages expire by. */
  get now(): number {
    return this.#driver.now
  }

  /** The session store is given back; settles, never rejects. */
  get storeClosed(): Promise<void> {
    return this.#storeClosed
  }

  get socket(): DriverSocket | null {
    return this.#socket
  }

  get wantsRead(): boolean {
    return this.#deferredError !== undefined || this.#driver.isReadable
  }

  get wantsWrite(): boolean {
    return this.#driver.isOpen && (this.#driver.hasOutput || this.#ending || this.publications.hasUnwritten)
  }

  /** Whether `write` can do something about it now. */
  get canWrite(): boolean {
    return this.#driver.isWritable || !this.#driver.hasOutput
  }

  /** Nothing is under way in the sense of `loop_stop()`. */
  get isIdle(): boolean {
    return !this.wantsWrite && this.publications.unfinished === 0
  }

  /** Whether input is read ahead of `read`. */
  set flowing(flowing: boolean) {
    this.#driver.flowing = flowing
  }

  listen(): void {
    this.#driver.listen()
  }

  // ------------------------------------------------------------------------------------------------ opening

  /**
   * The program has asked for a connection whose place is still being looked up: requests count as accepted from now on.
   * Gives a function that tells whether it is still wanted.
   */
  expect(): () => boolean {
    this.drop()
    const expected = {}
    this.#expected = expected
    return () => this.#expected === expected
  }

  /** There is no such place. */
  unexpect(): void {
    this.#expected = undefined
    this.#forgetRequests()
  }

  /**
   * Opens a connection and queues CONNECT. What can be checked is checked, and the state is changed, before it
   * returns. Resolves with `MQTT_ERR_NO_CONN` when it was abandoned for another attempt or by `disconnect()`.
   */
  open(byProgram: boolean): Promise<MQTTErrorCode> {
    const { host, port } = this.#settings
    if (host === '' || !(port > 0)) throw new ValueError('Invalid host or port.')
    const expected = this.#expected !== undefined
    this.drop()
    if (byProgram) this.#watcher.opening()
    this.state = 'connecting'
    // What was asked for while the place was looked up is for this connection.
    if (!expected) this.#forgetRequests()
    const opening: Opening = { controller: new AbortController(), byProgram }
    this.#opening = opening
    try {
      this.#callbacks.call('on_pre_connect')
    } catch (error) {
      this.#opening = undefined
      throw error
    }
    const result = this.#open(opening)
    this.#opened = result.then(
      () => undefined,
      () => undefined,
    )
    this.#watcher.wake()
    return result
  }

  /** Drops an open connection and a pending attempt: no DISCONNECT, no `on_disconnect`. */
  drop(): void {
    this.#opening?.controller.abort()
    this.#opening = undefined
    this.#expected = undefined
    this.#disconnect = undefined
    if (this.#driver.isOpen) this.#closeSocket('destroy')
  }

  /** The process may end although the connection is open. */
  letGo(): void {
    clearInterval(this.#life)
    this.#socket?.unref()
  }

  /** Ends an attempt that a loop has made by itself. */
  abandonAttempt(): void {
    if (this.#opening?.byProgram !== false) return
    this.#opening.controller.abort()
    this.#opening = undefined
  }

  async #open(opening: Opening): Promise<MQTTErrorCode> {
    const { signal } = opening.controller
    try {
      await this.#driver.open(transportFactory(this.#settings), signal)
    } catch (error) {
      if (signal.aborted) {
        // It may have opened the store.
        this.#closeStore()
        return MQTT_ERR_NO_CONN
      }
      this.#opening = undefined
      if (this.#disconnect !== undefined) this.#enterDisconnected()
      this.#disconnect = undefined
      this.#forgetRequests()
      this.#watcher.wake()
      throw networkError(error, this.#settings)
    }
    this.#opening = undefined
    const socket = new DriverSocket(this.#driver, this.#settings.transport === 'websockets')
    this.#socket = socket
    this.#connack = undefined
    this.#ending = false
    this.#connectedAt = this.#driver.now
    this.#life = setInterval(() => {}, LONGEST_TIMER_MS)
    try {
      this.#callbacks.call('on_socket_open', socket)
    } finally {
      if (this.#socket === socket) {
        this.#connect()
        for (const request of this.#subscribes.splice(0)) request()
        const disconnect = this.#disconnect
        this.#disconnect = undefined
        if (disconnect !== undefined) this.#startDisconnect(disconnect)
        this.queued()
        this.#watcher.wake()
      }
    }
    return MQTT_ERR_SUCCESS
  }

  #connect(): void {
    const packet = this.#settings.connectPacket(this.first)
    try {
      checkPacket(packet, this.protocol)
    } catch (error) {
      this.drop()
      throw error
    }
    this.#driver.session.connect(packet, this.#driver.now)
    // Publications of earlier wait for `on_connect`: what it subscribes to may be the answers to them.
    this.#isHolding = true
    this.#driver.session.setCongested(true, this.#driver.now)
  }

  /** At the end of `on_connect`, and before whatever it publishes. */
  #release(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#driver.session.setCongested(false, this.#driver.now)
  }

  /** Requests are lost with their connection, and so is QoS 0 that has not been written. */
  #forgetRequests(): void {
    this.#subscribes = []
    this.#unsubscribes = []
    for (const message of this.publications.discardUnwritten()) this.#driver.cancel(message)
  }

  // ------------------------------------------------------------------------------------------------ requests

  /** Takes a message in, or sets the `rc` of its info to why not. */
  publish(message: OutgoingMessage): void {
    const { info, qos } = message
    if (!this.accepts) {
      info.rc = MQTT_ERR_NO_CONN
      if (qos === 0) return
    }
    this.publications.add(message)
    if (this.isConnected) this.#release()
    const refusal = this.#numbers.handOver(message.mid, false, () => this.#driver.publish(message))
    if (refusal !== undefined) {
      this.publications.remove(message)
      finishInfo(info, limitCode(refusal))
      return
    }
    if (qos === 0 && message.stage === Stage.settled) this.publications.encoded(message)
    const rc = this.queued()
    if (info.rc === MQTT_ERR_SUCCESS) info.rc = rc
  }

  /** Asks for subscriptions; `on_subscribe` is told. */
  subscribe(
    mid: number,
    filters: SubscribeCommand['filters'],
    subscriptionIdentifier: number,
    userProperties: SubscribeCommand['userProperties'],
  ): MQTTErrorCode {
    const command: SubscribeCommand = {
      filters,
      subscriptionIdentifier,
      userProperties,
      settle: (outcome) => {
        this.#driver.say(() => this.#narrator.answered('on_subscribe', mid, outcome))
      },
    }
    const waiting = this.#driver.isOpen ? undefined : this.#subscribes
    return this.#request(mid, waiting, () => this.#driver.session.subscribe(command))
  }

  /** Takes subscriptions back; `on_unsubscribe` is told. */
  unsubscribe(
    mid: number,
    filters: readonly string[],
    userProperties: UnsubscribeCommand['userProperties'],
  ): MQTTErrorCode {
    const command: UnsubscribeCommand = {
      filters,
      userProperties,
      settle: (outcome) => {
        this.#driver.say(() => this.#narrator.answered('on_unsubscribe', mid, outcome))
      },
    }
    // The session answers offline UNSUBSCRIBEs at once: they wait here for CONNACK.
    const waiting = this.#driver.session.phase === 'online' ? undefined : this.#unsubscribes
    return this.#request(mid, waiting, () => this.#driver.session.unsubscribe(command))
  }

  #request(mid: number, waiting: (() => void)[] | undefined, send: () => void): MQTTErrorCode {
    const request = () => this.#numbers.handOver(mid, true, send)
    if (waiting !== undefined) {
      waiting.push(request)
      return MQTT_ERR_SUCCESS
    }
    request()
    return this.queued()
  }

  /** Acknowledges a message that was left to the program. */
  acknowledge(mid: number, qos: number): MQTTErrorCode {
    const message = this.#owed.take(mid, qos)
    // Without a connection PUBCOMP leaves when PUBREL comes again.
    if (message !== undefined) this.#driver.session.acknowledge(message, 0)
    return this.#driver.isOpen ? this.queued() : MQTT_ERR_NO_CONN
  }

  disconnect(request: DisconnectArguments): MQTTErrorCode {
    this.#watcher.disconnecting()
    if (this.#opening?.byProgram === true) {
      this.state = 'disconnecting'
      this.#disconnect = request
      return MQTT_ERR_SUCCESS
    }
    this.abandonAttempt()
    if (this.#expected !== undefined) this.unexpect()
    if (!this.#driver.isOpen) {
      this.#enterDisconnected()
      return MQTT_ERR_NO_CONN
    }
    if (this.isConnected) this.#release()
    // It may still be waiting to be written, when the loop has ended with an exception.
    if (this.state === 'disconnecting') return this.queued()
    this.#startDisconnect(request)
    return this.queued()
  }

  #startDisconnect(request: DisconnectArguments): void {
    const { session } = this.#driver
    // Before CONNACK nothing but CONNECT and DISCONNECT may leave: what is queued makes DISCONNECT wait.
    if (session.phase !== 'online' && session.hasUnfinishedWork) {
      this.#disconnect = request
      if (!this.#watcher.isRunning && !this.#callbacks.has('on_socket_register_write'))
        this.#driver.flowing = true
      this.state = 'disconnecting'
      return
    }
    const before = this.state
    this.state = 'disconnecting'
    try {
      session.disconnect(request)
    } catch (error) {
      this.state = before
      throw new ValueError(error instanceof Error ? error.message : String(error))
    }
  }

  // ------------------------------------------------------------------------------------------------ moving

  /** There may be something to write: writes it in direct mode, else tells who will. */
  queued(): MQTTErrorCode {
    if (!this.wantsWrite) return MQTT_ERR_SUCCESS
    if (this.#watcher.writes || this.#callbacks.has('on_socket_register_write')) {
      this.#updateRegistration()
      // Otherwise the transport says when it can be written to.
      if (this.canWrite) this.#watcher.wake()
      return MQTT_ERR_SUCCESS
    }
    return this.#callbacks.isRunning ? MQTT_ERR_SUCCESS : this.write()
  }

  read(): MQTTErrorCode {
    this.throwDeferred()
    if (!this.#driver.isOpen) return MQTT_ERR_NO_CONN
    this.#result = MQTT_ERR_SUCCESS
    this.#driver.read()
    const result = this.#result
    if (result === MQTT_ERR_SUCCESS) this.queued()
    return result
  }

  write(): MQTTErrorCode {
    this.throwDeferred()
    if (!this.#driver.isOpen) return MQTT_ERR_NO_CONN
    this.#result = MQTT_ERR_SUCCESS
    // Facts first: what the session has settled or ended by itself.
    this.#driver.deliver()
    if (!this.#driver.isOpen) return this.#result
    const complete = this.#driver.write()
    this.#driver.deliver()
    if (complete) {
      for (const message of this.publications.takeWritten()) this.#finish(message, 0, undefined)
      if (this.#ending) this.#end()
    }
    this.#updateRegistration()
    return this.#result
  }

  check(): MQTTErrorCode {
    this.throwDeferred()
    if (!this.#driver.isOpen) return MQTT_ERR_NO_CONN
    this.#result = MQTT_ERR_SUCCESS
    const { keepalive } = this.#settings
    const waitsForConnack = this.#driver.session.phase !== 'online' && !this.#ending
    if (waitsForConnack && keepalive > 0 && this.#driver.now - this.#connectedAt >= keepalive * 1000) {
      this.#lost(MQTTErrorCode.MQTT_ERR_KEEPALIVE)
    } else {
      this.#driver.check()
    }
    if (this.#result !== MQTT_ERR_SUCCESS) return MQTT_ERR_CONN_LOST
    return this.queued()
  }

  /** An async callback has failed: whoever moves the connection next gets to know. */
  defer(error: unknown): void {
    this.#deferredError = { error }
    this.#watcher.wake()
    if (!this.#watcher.isRunning) {
      process.nextTick(() => this.throwDeferred())
    }
  }

  /** Throws what an async callback has rejected with since somebody last asked. */
  throwDeferred(): void {
    const deferred = this.#deferredError
    this.#deferredError = undefined
    if (deferred !== undefined) throw deferred.error
  }

  #updateRegistration(): void {
    const socket = this.#socket
    if (socket === null || this.wantsWrite === this.#registered) return
    this.#registered = !this.#registered
    this.#callbacks.call(this.#registered ? 'on_socket_register_write' : 'on_socket_unregister_write', socket)
  }

  // ------------------------------------------------------------------------------------------------ facts of the driver

  onReadable(): void {
    this.#socket?.notify()
    this.#watcher.wake()
    // disconnect() without a loop: nobody else will read the CONNACK that it waits for.
    if (
      this.#disconnect !== undefined &&
      !this.#watcher.isRunning &&
      !this.#callbacks.has('on_socket_register_write')
    ) {
      this.read()
    }
  }

  onWritable(): void {
    this.#socket?.notify()
    this.#watcher.wake()
    // In direct mode nobody else goes on with what waited for the store.
    if (!this.#watcher.isRunning && !this.#callbacks.has('on_socket_register_write')) this.write()
  }

  onStoreDamaged(error: StoreError): void {
    this.#callbacks.log(LogLevel.MQTT_LOG_ERR, error.message)
  }

  onStoreFailed(error: StoreError): void {
    this.#callbacks.log(LogLevel.MQTT_LOG_ERR, error.message)
    // What it holds may be lost: nothing that depends on it may leave.
    this.drop()
    if (!this.isClosed) this.state = 'lost'
    this.defer(error)
  }

  onConnected(_limits: Limits, connack: ConnackPacket): void {
    const disconnect = this.#disconnect
    this.first = false
    this.#owed.forgetLost()
    for (const request of this.#unsubscribes.splice(0)) request()
    if (disconnect !== undefined) {
      this.#disconnect = undefined
      this.#release()
      this.#startDisconnect(disconnect)
      return
    }
    this.state = 'connected'
    this.#watcher.connected()
    try {
      this.#narrator.connected(connack)
    } finally {
      this.#release()
    }
  }

  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
    if (error === undefined) {
      this.#ending = true
      return
    }
    const connack = this.#connack
    if (error instanceof ConnectError && connack !== undefined && connack.reasonCode >= 0x80) {
      this.#refused(connack)
    } else if (packet !== undefined) {
      this.#endedByBroker(packet)
    } else if (error instanceof ProtocolError) {
      // Packets that do not exist, and those that a server does not send.
      const unknown = error.field === 'Packet Type'
      const text = unknown ? `Unrecognised command ${commandOf(error.packet)}` : error.message
      this.#callbacks.log(LogLevel.MQTT_LOG_ERR, `Error: ${text}`)
      this.#lost(MQTTErrorCode.MQTT_ERR_PROTOCOL)
    } else {
      if (error.cause instanceof Error) {
        const { code, message } = error.cause as NodeJS.ErrnoException
        const what = code === 'ETIMEDOUT' ? 'timeout on socket' : 'failed to receive on socket'
        this.#callbacks.log(LogLevel.MQTT_LOG_ERR, `${what}: ${message}`)
      }
      const silent = error.code === 'ERR_MQTT_KEEP_ALIVE_TIMEOUT'
      this.#lost(silent ? MQTTErrorCode.MQTT_ERR_KEEPALIVE : MQTT_ERR_CONN_LOST)
    }
  }

  onMessage(inbound: InboundMessage): void {
    if (this.state === 'disconnecting') {
      this.#driver.session.takeBack(inbound)
      return
    }
    // Before the callbacks: they may acknowledge it.
    if (inbound.qos > 0 && this.#settings.manualAck) this.#owed.add(inbound)
    try {
      this.#narrator.message(inbound)
    } catch (error) {
      this.#owed.take(inbound.packetId, inbound.qos)
      this.#driver.session.disown(inbound)
      throw error
    }
    if (this.#settings.manualAck) return
    this.#owed.take(inbound.packetId, inbound.qos)
    this.#driver.session.acknowledge(inbound, 0)
  }

  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void {
    if (!(message instanceof OutgoingMessage)) return
    if (message.qos === 0 && !(outcome instanceof Error)) {
      this.publications.encoded(message)
      return
    }
    if (outcome instanceof Error && outcome.code === 'ERR_MQTT_SERVER_LIMIT') {
      this.publications.remove(message)
      finishInfo(message.info, limitCode(outcome))
      return
    }
    const answer = answerOf(outcome)
    if (answer !== undefined) {
      this.#finish(message, answer.reasonCode, answer.properties)
      return
    }
    this.publications.remove(message)
    finishInfo(message.info, MQTT_ERR_CONN_LOST)
  }

  // ------------------------------------------------------------------------------------------------ for the log

  midOf(packet: Packet): number {
    return this.#numbers.of(packet)
  }

  tellLater(tell: () => void): void {
    this.#driver.sayTrace(tell)
  }

  onReceived(packet: Packet): string {
    if (packet.type !== 'connack') return ''
    this.#connack = packet
    const rc = connackReturnCode(packet.reasonCode)
    if (!this.#canAdapt(rc)) return ''
    return rc === 1 ? ', attempting downgrade to MQTT v3.1.' : ', attempting to use non-empty CID'
  }

  /** `on_publish`, then the info. */
  #finish(message: OutgoingMessage, code: number, properties: AckProperties | undefined): void {
    this.publications.remove(message)
    try {
      this.#narrator.published(message.mid, message.qos, code, properties)
    } finally {
      finishInfo(message.info)
    }
  }

  // ------------------------------------------------------------------------------------------------ ends

  /** DISCONNECT has been written: the program is told while the socket is still open. */
  #end(): void {
    this.#ending = false
    try {
      this.#narrator.disconnected(MQTT_ERR_SUCCESS, undefined)
    } finally {
      // Unless the callback has connected again.
      if (this.state === 'disconnecting') {
        this.state = 'disconnected'
        this.#closeSocket('end')
        this.#closeStore()
        this.#watcher.wake()
      }
    }
  }

  #lost(code: MQTTErrorCode): void {
    const expected = this.state === 'disconnecting'
    this.#leave(expected)
    this.#result = code
    this.#narrator.disconnected(expected ? MQTT_ERR_SUCCESS : code, undefined)
  }

  #endedByBroker(packet: DisconnectPacket): void {
    this.#leave(this.state === 'disconnecting')
    this.#narrator.disconnected(MQTT_ERR_SUCCESS, packet)
  }

  #refused(connack: ConnackPacket): void {
    const rc = connackReturnCode(connack.reasonCode)
    if (this.#canAdapt(rc)) {
      this.#adapt(rc)
      return
    }
    this.first = false
    const five = this.protocol === MQTTProtocolVersion.MQTTv5
    const known = !five && rc >= 1 && rc <= 5
    const code = known ? MQTTErrorCode.MQTT_ERR_CONN_REFUSED : MQTTErrorCode.MQTT_ERR_PROTOCOL
    const version311 = this.protocol === MQTTProtocolVersion.MQTTv311 && rc === 1
    try {
      // MQTT 3.1.1 refused as a version and no leave to try another: a protocol error.
      if (!version311) this.#narrator.connected(connack)
    } finally {
      if (this.#driver.isOpen) {
        this.#leave(this.state === 'disconnecting')
        this.#result = version311 ? MQTTErrorCode.MQTT_ERR_PROTOCOL : code
        this.#narrator.disconnected(this.#result, undefined)
      }
    }
  }

  /** Whether a refusal can be answered by another way to connect. */
  #canAdapt(rc: number): boolean {
    if (this.protocol !== MQTTProtocolVersion.MQTTv311 || this.state === 'disconnecting') return false
    if (!this.#settings.reconnectOnFailure) return false
    return rc === 1 || (rc === 2 && this.#settings.clientId === '')
  }

  /** Connects again at once: with MQTT 3.1, or with a client id. */
  #adapt(rc: number): void {
    if (rc === 1) this.#settings.protocol = MQTTProtocolVersion.MQTTv31
    if (this.#settings.clientId === '') this.#settings.clientId = randomClientId()
    this.open(false).catch((error: unknown) => {
      // Whoever loops finds no connection and tries again; nobody else has asked for this one.
      this.#callbacks.log(LogLevel.MQTT_LOG_DEBUG, `Connection failed: ${String(error)}`)
    })
  }

  /** Closes after what is still to be said, and enters the state that follows. */
  #leave(expected: boolean): void {
    this.state = expected ? 'disconnected' : 'lost'
    this.#driver.write()
    this.#disconnect = undefined
    this.#ending = false
    this.#closeSocket('end')
    this.#closeStore()
    this.#watcher.wake()
  }

  #enterDisconnected(): void {
    this.state = 'disconnected'
    this.#closeStore()
  }

  /** Unless the program goes on: whoever connects again opens it again. */
  #closeStore(): void {
    if (!this.isClosed) return
    this.#storeClosed = this.#driver.closeStore().catch((error: unknown) => {
      this.#callbacks.log(LogLevel.MQTT_LOG_ERR, error instanceof Error ? error.message : String(error))
      this.defer(error)
    })
  }

  /** Ends for good, at once. */
  end(): void {
    this.drop()
    this.#enterDisconnected()
  }

  #closeSocket(how: 'end' | 'destroy'): void {
    const socket = this.#socket
    this.#socket = null
    const registered = this.#registered
    this.#registered = false
    this.#unsubscribes = []
    this.#numbers.connectionLost()
    try {
      if (socket !== null && registered) this.#callbacks.call('on_socket_unregister_write', socket)
      if (socket !== null) this.#callbacks.call('on_socket_close', socket)
    } finally {
      clearInterval(this.#life)
      this.#driver.close(how)
      socket?.closed()
      // QoS 1 comes again and is told again; QoS 2 is not, and its PUBCOMP is still the program's to give.
      for (const message of this.#owed.takeQoS1()) this.#driver.session.takeBack(message)
    }
  }
}

/** The first byte of a packet without its flags; 0 for a packet without a name. */
function commandOf(name: string | undefined): number {
  return Object.entries(MessageType).find(([type]) => type === name)?.[1] ?? 0
}

/** What a message that the broker does not take is told. */
function limitCode(refusal: MqttError): MQTTErrorCode {
  // 0x95: Packet too large.
  return refusal.reasonCode === 0x95
    ? MQTTErrorCode.MQTT_ERR_PAYLOAD_SIZE
    : MQTTErrorCode.MQTT_ERR_NOT_SUPPORTED
}

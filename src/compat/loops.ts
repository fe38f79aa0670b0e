import { StoreError } from '../errors.ts'
import type { CallbackRunner } from './callback-runner.ts'
import type { Connection, ConnectionWatcher } from './connection.ts'
import { LogLevel, MQTTErrorCode } from './enums.ts'
import { ValueError } from './errors.ts'
import type { Settings } from './settings.ts'

const { MQTT_ERR_SUCCESS, MQTT_ERR_INVAL, MQTT_ERR_CONN_LOST } = MQTTErrorCode

/** Longest time between two looks at the keepalive. */
const LONGEST_TIMEOUT_S = 3600

/** The loop functions: who moves the connection when the program does not do it packet by packet. */
export class Loops implements ConnectionWatcher {
  readonly #settings: Settings
  readonly #callbacks: CallbackRunner
  /** Set by the client, since each needs the other. */
  connection!: Connection
  #background: Promise<MQTTErrorCode> | undefined
  /** Loops of any kind that are running. */
  #running = 0
  #stopping = false
  #disconnecting = false
  #wakers: (() => void)[] = []
  /** Woken since somebody last waited. */
  #woken = false
  /** Seconds before the next attempt; 0: the shortest. */
  #delay = 0

  constructor(settings: Settings, callbacks: CallbackRunner) {
    this.#settings = settings
    this.#callbacks = callbacks
  }

  get writes(): boolean {
    return this.#background !== undefined
  }

  get isRunning(): boolean {
    return this.#running > 0
  }

  wake(): void {
    this.#woken = true
    for (const waker of this.#wakers.splice(0)) waker()
  }

  connected(): void {
    this.#delay = 0
  }

  disconnecting(): void {
    this.#disconnecting = true
    this.wake()
  }

  opening(): void {
    this.#disconnecting = false
  }

  /** Forgets the delay that has been reached. */
  resetDelay(): void {
    this.#delay = 0
  }

  // ------------------------------------------------------------------------------------------------ one turn

  async once(timeout: number): Promise<MQTTErrorCode> {
    if (!(timeout >= 0)) throw new ValueError('Invalid timeout.')
    const { connection } = this
    this.#running += 1
    try {
      const { opened } = connection
      if (opened !== undefined) {
        await within(timeout, opened)
        return MQTT_ERR_SUCCESS
      }
      if (!connection.isOpen) {
        if (connection.state !== 'disconnecting' && connection.state !== 'disconnected')
          connection.state = 'lost'
        return MQTT_ERR_CONN_LOST
      }
      connection.listen()
      const end = performance.now() + timeout * 1000
      // Woken also for what is nothing to do here, such as a drained transport.
      for (let left = timeout; left > 0 && this.#isWaiting; left = (end - performance.now()) / 1000) {
        await within(left, this.#nextWake())
      }
      return this.#turn()
    } finally {
      this.#running -= 1
      // So that a program that only loops leaves room for everything else.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  get #isWaiting(): boolean {
    const { connection } = this
    return connection.isOpen && !connection.wantsRead && !(connection.wantsWrite && connection.canWrite)
  }

  #turn(): MQTTErrorCode {
    const { connection } = this
    if (connection.wantsRead) {
      const rc = connection.read()
      if (rc !== MQTT_ERR_SUCCESS || !connection.isOpen) return rc
    }
    if (connection.wantsWrite) {
      const rc = connection.write()
      if (rc !== MQTT_ERR_SUCCESS || !connection.isOpen) return rc
    }
    return connection.isOpen ? connection.check() : MQTT_ERR_SUCCESS
  }

  // ------------------------------------------------------------------------------------------------ for ever

  forever(timeout: number, retryFirstConnection: boolean): Promise<MQTTErrorCode> {
    const { state } = this.connection
    if (this.#settings.host === '' && state === 'new') throw new ValueError('Invalid host.')
    if (state === 'disconnected') return Promise.resolve(MQTT_ERR_CONN_LOST)
    return this.#run(timeout, retryFirstConnection)
  }

  start(): MQTTErrorCode {
    if (this.#background !== undefined) return MQTT_ERR_INVAL
    this.#background = this.#run(1, true).catch((error: unknown) => {
      // Nobody awaits it: it arrives where uncaught exceptions arrive.
      process.nextTick(() => {
        throw error
      })
      return MQTT_ERR_SUCCESS
    })
    const background = this.#background
    void background.then(() => {
      if (this.#background === background) this.#background = undefined
    })
    // What was queued before is written now.
    this.connection.queued()
    return MQTT_ERR_SUCCESS
  }

  async stop(): Promise<MQTTErrorCode> {
    const background = this.#background
    if (background === undefined) return MQTT_ERR_INVAL
    this.#stopping = true
    this.connection.abandonAttempt()
    this.wake()
    await background
    this.connection.letGo()
    return MQTT_ERR_SUCCESS
  }

  async #run(timeout: number, retryFirstConnection: boolean): Promise<MQTTErrorCode> {
    const { connection } = this
    const seconds = Math.min(Math.max(timeout, 0.05), LONGEST_TIMEOUT_S)
    this.#running += 1
    this.#stopping = false
    this.#disconnecting = false
    connection.flowing = true
    // Wakes for the keepalive, and keeps the process alive.
    const ticker = setInterval(() => this.wake(), seconds * 1000)
    // Begins after the caller has returned, as a thread would.
    await Promise.resolve()
    let retryingFirst = false
    try {
      for (;;) {
        connection.throwDeferred()
        const rc = connection.isOpen ? await this.#serve() : MQTT_ERR_CONN_LOST
        if (this.#stopping) return MQTT_ERR_SUCCESS
        if (connection.opened !== undefined) {
          await Promise.race([connection.opened, this.#nextWake()])
          continue
        }
        if (connection.isOpen) continue
        if (this.#disconnecting) {
          await connection.storeClosed
          return MQTT_ERR_CONN_LOST
        }
        if (connection.state === 'to be connected') {
          retryingFirst = !(await this.#attempt(retryFirstConnection))
          continue
        }
        if (connection.isClosed) {
          await this.#nextWake()
          continue
        }
        // Whether to reconnect is another question than whether to go on trying to connect.
        if (!this.#settings.reconnectOnFailure && !retryingFirst) return rc
        if (await this.#waitBeforeAttempt()) retryingFirst = !(await this.#attempt(true)) && retryingFirst
      }
    } finally {
      clearInterval(ticker)
      connection.flowing = false
      this.#running -= 1
      this.#background = undefined
    }
  }

  /** Moves an open connection until it ends, or until `loop_stop()` has nothing more to wait for. */
  async #serve(): Promise<MQTTErrorCode> {
    const { connection } = this
    while (connection.isOpen) {
      this.#woken = false
      const rc = this.#turn()
      if (rc !== MQTT_ERR_SUCCESS) return rc
      if (!connection.isOpen) break
      if (this.#stopping && connection.isIdle) break
      const more = connection.wantsRead || (connection.wantsWrite && connection.canWrite)
      if (!more && !this.#woken) await this.#nextWake()
    }
    return MQTT_ERR_SUCCESS
  }

  /** One attempt of the loop's own; false when it failed and is to be tried again. Rejects when it is not. */
  async #attempt(retry: boolean): Promise<boolean> {
    const { connection } = this
    // What on_pre_connect throws comes at once: that is no failed attempt.
    const opening = connection.open(false)
    try {
      await opening
      return true
    } catch (error) {
      // Nor is what a callback has thrown after the connection was made, or a CONNECT that MQTT forbids.
      if (connection.isOpen || error instanceof ValueError) throw error
      if (error instanceof StoreError) this.#callbacks.log(LogLevel.MQTT_LOG_ERR, error.message)
      this.#callbacks.callQuietly('on_connect_fail')
      this.#callbacks.log(LogLevel.MQTT_LOG_DEBUG, 'Connection failed, retrying')
      if (!retry) throw error
      return false
    }
  }

  get #ended(): boolean {
    return this.#stopping || this.#disconnecting
  }

  /** False when there is nothing to try any more: the program has connected, disconnected or stopped meanwhile. */
  async #waitBeforeAttempt(): Promise<boolean> {
    const { minReconnectDelay, maxReconnectDelay } = this.#settings
    this.#delay = this.#delay === 0 ? minReconnectDelay : Math.min(this.#delay * 2, maxReconnectDelay)
    const end = performance.now() + this.#delay * 1000
    const { state } = this.connection
    for (let left = end - performance.now(); left > 0; left = end - performance.now()) {
      await within(left / 1000, this.#nextWake())
      const changed =
        this.connection.isOpen || this.connection.opened !== undefined || this.connection.state !== state
      if (this.#ended || changed) return false
    }
    return true
  }

  #nextWake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakers.push(resolve)
    })
  }
}

/** Settles with the promise, or when the seconds are over. */
async function within(seconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const time = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(seconds * 1000, 2_147_483_647))
  })
  await Promise.race([promise, time])
  clearTimeout(timer)
}

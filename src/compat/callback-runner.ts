import type { Callback } from './callback-types.ts'
import type { Client } from './client.ts'
import { LogLevel } from './enums.ts'
import { LOGGING_LEVEL } from './logger.ts'

/** The callback properties of a client. */
export const CALLBACK_NAMES = [
  'on_log',
  'on_pre_connect',
  'on_connect',
  'on_connect_fail',
  'on_subscribe',
  'on_message',
  'on_publish',
  'on_unsubscribe',
  'on_disconnect',
  'on_socket_open',
  'on_socket_close',
  'on_socket_register_write',
  'on_socket_unregister_write',
] as const
export type CallbackName = (typeof CALLBACK_NAMES)[number]

/** Those during which a packet may still be written at once. */
const TRANSPARENT: ReadonlySet<CallbackName> = new Set<CallbackName>([
  'on_log',
  'on_pre_connect',
  'on_socket_register_write',
  'on_socket_unregister_write',
])

/** Calls what the program has set, at the moment of the call; logs what it throws and lets it go on unless suppressed. */
export class CallbackRunner {
  userdata: unknown
  readonly #client: Client
  readonly #onRejection: (error: unknown) => void
  #depth = 0

  /** @param onRejection - gets what an async callback rejected with */
  constructor(client: Client, userdata: unknown, onRejection: (error: unknown) => void) {
    this.#client = client
    this.userdata = userdata
    this.#onRejection = onRejection
  }

  /** Whether a callback is running in which packets wait for the next write. */
  get isRunning(): boolean {
    return this.#depth > 0
  }

  has(name: CallbackName): boolean {
    return typeof this.#client[name] === 'function'
  }

  /** Calls the callback of this name if there is one. Throws what it throws, unless exceptions are suppressed. */
  call(name: CallbackName, ...args: unknown[]): void {
    const callback = this.#client[name]
    if (typeof callback !== 'function') return
    if (TRANSPARENT.has(name)) this.#run(callback, name, args)
    else this.run(callback, name, args)
  }

  /** Calls it and lets nothing out. */
  callQuietly(name: CallbackName): void {
    try {
      this.call(name)
    } catch {
      // It has been logged.
    }
  }

  /** @param name - how the log is to call it when it throws */
  run(callback: Callback, name: string, args: unknown[]): void {
    this.#depth += 1
    try {
      this.#run(callback, name, args)
    } finally {
      this.#depth -= 1
    }
  }

  /** Whether anybody reads log lines: making one costs time. */
  get isLogged(): boolean {
    return this.has('on_log') || this.#client.logger !== null
  }

  /** One line for `on_log` and for the logger. What they throw is swallowed. */
  log(level: LogLevel, line: string): void {
    const { on_log, logger } = this.#client
    try {
      if (typeof on_log === 'function') on_log.call(this.#client, this.#client, this.userdata, level, line)
      logger?.[LOGGING_LEVEL[level]](line)
    } catch {
      // A log that fails must not change what the program does.
    }
  }

  #run(callback: Callback, name: string, args: unknown[]): void {
    try {
      const result = callback.call(this.#client, this.#client, this.userdata, ...args)
      if (result instanceof Promise) {
        result.catch((error: unknown) => {
          this.#report(name, error)
          if (!this.#client.suppress_exceptions) this.#onRejection(error)
        })
      }
    } catch (error) {
      this.#report(name, error)
      if (!this.#client.suppress_exceptions) throw error
    }
  }

  #report(name: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    this.log(LogLevel.MQTT_LOG_ERR, `Caught exception in ${name}: ${text}`)
  }
}

import { ConnectError, MqttError } from '../../errors.ts'
import { untilAborted } from '../../transport/opening.ts'
import type { Clock, Timer } from '../clock.ts'
import { PromiseParts } from '../promise-parts.ts'
import type { AuthenticationData, Authenticator } from './authenticator.ts'

/** A token that is handed out expired, or about to, is no reason for a busy loop. */
const MIN_RENEWAL_MS = 1_000

/** An authenticator at work on one connection, from CONNECT over re-authentications to its end. */
export class Exchange {
  readonly #authenticator: Authenticator
  /** Aborted when the connection is over: what the authenticator does for it is void then. */
  readonly #over = new AbortController()
  #renewing: PromiseParts<void> | undefined = undefined
  #timer: Timer | undefined = undefined

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator
  }

  /** Data for CONNECT. `signal` is the attempt's. */
  start(signal: AbortSignal): Promise<AuthenticationData> {
    return run(() => this.#authenticator.start({ signal }), signal)
  }

  /** What to answer to an AUTH with. */
  continue(data: AuthenticationData): Promise<AuthenticationData> {
    const { signal } = this.#over
    return run(() => this.#authenticator.continue(data, { signal }), signal)
  }

  /** The data of CONNACK, or of the last AUTH, is the server's proof; the authenticator may refuse it. */
  async finish(data: AuthenticationData): Promise<void> {
    const { signal } = this.#over
    const authenticator = this.#authenticator
    if (authenticator.finish !== undefined) await run(() => authenticator.finish?.(data, { signal }), signal)
    else if (data !== undefined) await this.continue(data)
    this.#renewing?.resolve()
    this.#renewing = undefined
  }

  /** Runs the authenticator again; `send` takes the data to the server. Resolves when the server has accepted. */
  async renew(send: (data: AuthenticationData) => void, outer: AbortSignal | undefined): Promise<void> {
    if (this.#renewing !== undefined) {
      throw new MqttError('A re-authentication is under way already', { code: 'ERR_MQTT_AUTHENTICATION' })
    }
    const renewing = new PromiseParts<void>()
    this.#renewing = renewing
    const { signal } = this.#over
    try {
      send(await untilAborted(this.#authenticator.start({ signal }), outer ?? signal))
    } catch (error) {
      this.#renewing = undefined
      throw error
    }
    // The server has been asked: whoever does not wait for its answer leaves the exchange to finish.
    renewing.promise.catch(() => {})
    await (outer === undefined ? renewing.promise : untilAborted(renewing.promise, outer))
  }

  /** Calls back in time for a re-authentication, where the authenticator knows when that is. */
  arm(clock: Clock, renew: () => void): void {
    this.#timer?.cancel()
    const renewAt = this.#authenticator.renewAt?.()
    if (renewAt === undefined) return
    this.#timer = clock.setTimer(renew, Math.max(renewAt - clock.now(), MIN_RENEWAL_MS))
  }

  /** The connection is over. */
  end(error: MqttError): void {
    this.#timer?.cancel()
    this.#over.abort(error)
    this.#renewing?.reject(error)
    this.#renewing = undefined
  }
}

/** One step of an authenticator. What it throws becomes the cause of a `ConnectError`. */
async function run<T>(step: () => T | Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await untilAborted(step(), signal)
  } catch (cause) {
    if (signal.aborted) throw cause
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new ConnectError(`Authentication failed: ${text}`, { code: 'ERR_MQTT_AUTHENTICATION', cause })
  }
}

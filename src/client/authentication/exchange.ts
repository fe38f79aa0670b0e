import type { ProtocolVersion } from '../../codec/packet.ts'
import { ConnectError, MqttError, TimeoutError, wrongOption } from '../../errors.ts'
import { onAbort, reasonOf, untilAborted } from '../../transport/opening.ts'
import { asMqttError } from '../as-mqtt-error.ts'
import { type Clock, systemClock, type Timer } from '../clock.ts'
import { PromiseParts } from '../promise-parts.ts'
import type { AuthenticationData, Authenticator } from './authenticator.ts'

/** The shortest wait between two re-authentications, and the first one after one that has failed. */
const MIN_RENEWAL_MS = 1_000
/** What is due as soon as it is new (the clock of this machine may be wrong) is no reason for a busy loop. */
const OVERDUE_RENEWAL_MS = 60_000
/** How often it is looked whether it is time: the clock of the machine may be set meanwhile. */
const LOOK_MS = 60_000

/** What an exchange needs of its connection. */
export interface ExchangeHost {
  readonly clock: Clock
  /** For a re-authentication that nobody has asked for. 0 and Infinity: for ever. */
  readonly timeoutMs: number
  /** Begins a re-authentication with this data. */
  send(data: AuthenticationData): void
  /** A failure that no promise carries. */
  report(error: MqttError): void
  /** The connection is of no use any more. */
  fail(error: MqttError): void
}

/** An authenticator at work on one connection, from CONNECT over re-authentications to its end. */
export class Exchange {
  readonly #authenticator: Authenticator
  readonly #host: ExchangeHost
  /** Aborted when the connection is over: what the authenticator does for it is void then. */
  readonly #over = new AbortController()
  #renewing: PromiseParts<void> | undefined = undefined
  #failures = 0
  #timer: Timer | undefined = undefined

  constructor(authenticator: Authenticator, version: ProtocolVersion, host: ExchangeHost) {
    if (version < 5) throw wrongOption('authenticator', 'protocolVersion 5 beside it')
    this.#authenticator = authenticator
    this.#host = host
  }

  /**
   * Data for CONNECT. `signal` is the attempt's. What fails here is often the network (a token could not be fetched), and is tried
   * again as that.
   */
  async start(signal: AbortSignal): Promise<AuthenticationData> {
    // The authenticator gets one signal for all of the connection, by which it can tell connections apart.
    const unlisten = onAbort(signal, (reason) => this.#over.abort(reason))
    try {
      return await untilAborted(this.#authenticator.start({ signal: this.#over.signal }), signal)
    } catch (cause) {
      if (signal.aborted) throw cause
      throw new ConnectError(`The authenticator failed: ${reasonOf(cause)}`, { cause })
    } finally {
      unlisten()
    }
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
    this.#failures = 0
    this.#renewing?.resolve()
    this.#renewing = undefined
  }

  /** Runs the authenticator again. Resolves when the server has accepted. */
  async renew(outer: AbortSignal | undefined): Promise<void> {
    if (this.#renewing !== undefined) {
      throw new MqttError('A re-authentication is under way already', { code: 'ERR_MQTT_AUTHENTICATION' })
    }
    const renewing = new PromiseParts<void>()
    this.#renewing = renewing
    const { signal } = this.#over
    try {
      const starting = untilAborted(this.#authenticator.start({ signal }), signal)
      this.#host.send(await untilAborted(starting, outer ?? signal))
    } catch (error) {
      this.#renewing = undefined
      throw error
    }
    // The server has been asked: whoever does not wait for its answer leaves the exchange to finish.
    renewing.promise.catch(() => {})
    await (outer === undefined ? renewing.promise : untilAborted(renewing.promise, outer))
  }

  /** Sees to it that there is a re-authentication in time, where the authenticator knows when that is. */
  arm(): void {
    const { clock } = this.#host
    const renewAt = this.#authenticator.renewAt?.()
    if (renewAt === undefined) return
    // Tokens expire by the clock on the wall, which the client's own does not follow.
    const now = clock === systemClock ? Date.now() : clock.now()
    this.#wait(renewAt > now ? renewAt - now : OVERDUE_RENEWAL_MS)
  }

  /** The connection is over. */
  end(error: MqttError): void {
    this.#timer?.cancel()
    this.#over.abort(error)
    this.#renewing?.reject(error)
    this.#renewing = undefined
  }

  #wait(delayMs: number): void {
    this.#timer?.cancel()
    const isLong = delayMs > LOOK_MS
    this.#timer = this.#host.clock.setTimer(
      () => (isLong ? this.arm() : void this.#renewInTime()),
      isLong ? LOOK_MS : Math.max(delayMs, MIN_RENEWAL_MS),
    )
  }

  async #renewInTime(): Promise<void> {
    const { clock, timeoutMs, report, fail } = this.#host
    // The user does it.
    if (this.#renewing !== undefined) return
    const abort = new AbortController()
    const isBounded = timeoutMs > 0 && Number.isFinite(timeoutMs)
    const timer = isBounded ? clock.setTimer(() => abort.abort(), timeoutMs) : undefined
    try {
      await this.renew(abort.signal)
    } catch (cause) {
      // A connection that went meanwhile authenticates anew anyway.
      if (this.#over.signal.aborted) return
      const error = abort.signal.aborted
        ? new TimeoutError(`No re-authentication within ${timeoutMs} ms`)
        : asMqttError(cause, 'Could not re-authenticate')
      // The server has been asked, and does not answer: the next connection asks anew.
      if (this.#renewing !== undefined) fail(error)
      else {
        report(error)
        this.#wait(Math.min(MIN_RENEWAL_MS * 2 ** this.#failures++, LOOK_MS))
      }
    } finally {
      timer?.cancel()
    }
  }
}

/** One step of an authenticator. What it throws becomes the cause of a `ConnectError`. */
async function run<T>(step: () => T | Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await untilAborted(step(), signal)
  } catch (cause) {
    if (signal.aborted) throw cause
    throw new ConnectError(`Authentication failed: ${reasonOf(cause)}`, {
      code: 'ERR_MQTT_AUTHENTICATION',
      cause,
    })
  }
}

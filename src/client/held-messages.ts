import { MqttError } from '../errors.ts'
import { AckState } from '../session/inbound-message.ts'
import { matchesFilter } from '../topic/match.ts'
import type { Timer } from './clock.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage } from './message.ts'

/** QoS 0 messages that are held at most. Those of QoS 1 and 2 are bounded by Receive Maximum, as they are unacknowledged. */
const MAX_LOOSE = 1_000
/** How long messages of a filter that was left may stand in the way of others; then also: when to say that nobody wants them. */
const PATIENCE_MS = 10_000

interface Held {
  readonly message: AnyMessage
  /** Its subscription was left; otherwise nobody has asked for it yet. */
  readonly left: boolean
}

/**
 * Messages that nobody wants yet: of a kept session, before the program has asked for them, and what a subscription had
 * not handed out when it was left. They stay unacknowledged, so that nothing is lost when the process ends now.
 *
 * They take room in the server's window, though. A server whose window is full of them sends nothing more to anybody.
 * So what was left behind on purpose is given up after a while if others are waiting for messages, and what was never asked
 * for is reported.
 */
export class HeldMessages {
  readonly #host: ClientHost
  readonly #consumers: ReadonlySet<unknown>
  #held: Held[] = []
  #loose = 0
  #timer: Timer | undefined
  #reported = false

  constructor(host: ClientHost, consumers: ReadonlySet<unknown>) {
    this.#host = host
    this.#consumers = consumers
  }

  add(message: AnyMessage, left: boolean): void {
    message.handled = false
    message.detach()
    this.#held.push({ message, left })
    if (message.qos === 0) {
      this.#loose += 1
      if (this.#loose > MAX_LOOSE) this.#dropOldestLoose()
    } else this.#timer ??= this.#host.clock.setTimer(() => this.#review(), PATIENCE_MS)
  }

  /** Takes out what fits one of the filters, in order of arrival. */
  take(filters: readonly string[]): AnyMessage[] {
    if (this.#held.length === 0) return []
    return this.#remove(({ message }) => filters.some((filter) => matchesFilter(filter, message.topic)))
  }

  /** Takes out the first. */
  shift(): AnyMessage | undefined {
    const message = this.#held.shift()?.message
    if (message?.qos === 0) this.#loose -= 1
    return message
  }

  clear(): void {
    this.#remove(() => true)
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #remove(isWanted: (held: Held) => boolean): AnyMessage[] {
    const taken: AnyMessage[] = []
    const rest: Held[] = []
    for (const held of this.#held) {
      if (isWanted(held)) taken.push(held.message)
      else rest.push(held)
    }
    this.#held = rest
    this.#loose = rest.reduce((count, { message }) => (message.qos === 0 ? count + 1 : count), 0)
    if (rest.length === 0) {
      this.#timer?.cancel()
      this.#timer = undefined
    }
    return taken
  }

  #dropOldestLoose(): void {
    const index = this.#held.findIndex(({ message }) => message.qos === 0)
    const [dropped] = this.#held.splice(index, 1)
    this.#loose -= 1
    if (dropped !== undefined) this.#host.dropped(dropped.message, 'nobody wants it')
  }

  #review(): void {
    this.#timer = undefined
    const owed = this.#held.filter(({ message }) => message.ackState === AckState.owed)
    if (this.#consumers.size > 0) {
      for (const message of this.#remove(({ left, message: { qos } }) => left && qos > 0)) {
        if (message.ackState !== AckState.owed) continue
        this.#host.dropped(message, 'its subscription was left')
        this.#host.acknowledge(message, 0)
      }
    }
    const waiting = owed.filter(({ left }) => !left)
    if (waiting.length > 0 && !this.#reported) {
      this.#reported = true
      this.#host.report(
        new MqttError(
          `${waiting.length} message(s) of a kept session that nothing asks for are unacknowledged, first on ` +
            `"${waiting[0]?.message.topic}": use messages() or unsubscribe()`,
          { code: 'ERR_MQTT_UNCLAIMED' },
        ),
      )
    }
    if (this.#held.length > this.#loose)
      this.#timer = this.#host.clock.setTimer(() => this.#review(), PATIENCE_MS)
  }
}

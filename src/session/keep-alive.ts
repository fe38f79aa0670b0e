import type { Millis } from './command.ts'

/** The ping goes out this much before the interval ends, so that it arrives in time [MQTT-3.1.2-20]. */
const LARGEST_MARGIN_MS = 1_000

/** How long what has arrived is given to be read before a deadline is judged whose timer came `lateMs` late. */
export function graceMs(lateMs: Millis): Millis {
  return Math.min(lateMs, LARGEST_MARGIN_MS)
}

/**
 * When to send PINGREQ, and when the link is dead. What was sent postpones the ping; what was received shows
 * that the link lives, and nothing else does: a half-open link is found within one and a half intervals even
 * while this side keeps sending.
 *
 * Judged on the monotonic clock. A timer that comes late (a throttled background tab, a busy loop, a suspended machine) gets
 * one more short wait before the verdict, since the answer may lie unread behind the timer, however little that is late.
 */
export class KeepAlive {
  readonly #intervalMs: number
  #sentAt: Millis
  #receivedAt: Millis
  /** Undefined: no ping is unanswered. */
  #deadAt: Millis | undefined
  /** `#deadAt` when it was moved since the timer had come late. */
  #graceEnd: Millis | undefined

  /** @param sentAt - when the last packet, CONNECT, was sent: the interval is one between packets [MQTT-3.1.2-20] */
  constructor(keepAliveSeconds: number, sentAt: Millis, now: Millis = sentAt) {
    this.#intervalMs = keepAliveSeconds * 1000
    this.#sentAt = sentAt
    this.#receivedAt = now
  }

  sent(now: Millis): void {
    this.#sentAt = now
  }

  received(now: Millis): void {
    this.#receivedAt = now
    this.#deadAt = undefined
  }

  /** A PINGREQ was written. */
  pinged(now: Millis): void {
    this.#deadAt ??= now + this.#answerMs
  }

  get #answerMs(): Millis {
    return this.#intervalMs / 2
  }

  get deadline(): Millis {
    if (this.#intervalMs === 0) return Number.POSITIVE_INFINITY
    const pingAfterMs = this.#intervalMs - Math.min(this.#intervalMs / 10, LARGEST_MARGIN_MS)
    return this.#deadAt ?? Math.min(this.#sentAt, this.#receivedAt) + pingAfterMs
  }

  due(now: Millis): 'nothing' | 'ping' | 'dead' {
    const deadline = this.deadline
    if (now < deadline) return 'nothing'
    if (this.#deadAt === undefined) return 'ping'
    if (now > deadline && deadline !== this.#graceEnd) {
      this.#deadAt = now + graceMs(now - deadline)
      this.#graceEnd = this.#deadAt
      return 'nothing'
    }
    return 'dead'
  }
}

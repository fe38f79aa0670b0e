import type { MqttError } from '../errors.ts'
import type { Millis } from './command.ts'
import type { OutboundMessage } from './outbound-message.ts'

/**
 * Publications that are kept in a store alone, so that a queue may be larger than memory. They wait behind everything
 * in the outbox, and come back in their order (`Session.recall`) when the outbox becomes short.
 */
export interface Backlog {
  /** How many there are. */
  readonly size: number
  /** Sequence number of the first; Infinity when there is none. */
  readonly first: number
  /** Not after the expiry of any of them; Infinity when none expires. */
  readonly expiryDue: Millis
  /** Whether a new publication belongs here: always while there is one, or else the order would be lost. */
  takes(queuedMessages: number, queuedBytes: number): boolean
  /** The message has been recorded, and is let go. */
  add(message: OutboundMessage): void
  /** Cancelled: its payload bytes, or -1 when it is not here. */
  remove(sequence: number): number
  /** The outbox holds no more than this unsent: fetches the next ones if that is little. They come later, by `Session.recall`. */
  fetch(queuedMessages: number, queuedBytes: number): void
  /** Fetches those whose time is over. They come later, by `Session.expireRecalled`. */
  expire(now: Millis): void
  /** The client has ended; what is in the store stays there. */
  fail(error: MqttError): void
}

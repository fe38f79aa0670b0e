import type { MqttError } from '../errors.ts'
import type { SubscribeCommand, UnsubscribeCommand } from '../session/command.ts'
import type { Limits } from '../session/limits.ts'
import type { Clock } from './clock.ts'
import type { AnyMessage } from './message.ts'
import type { Payload } from './payload.ts'
import type { Publication, PublishOptions } from './publication.ts'

/**
 * What the parts of the client (router, subscriptions, handlers, request/response) may ask of it. The client
 * implements it; the parts know no more than this.
 */
export interface ClientHost {
  readonly clock: Clock
  /** What the server granted; undefined while not connected. */
  readonly limits: Limits | undefined
  /**
   * So far every connection has found its session, the first one a session that an earlier process had left: the server may send
   * what this process has not asked for. Undefined before the first.
   */
  readonly inherited: boolean | undefined
  /** Set once the client has ended: nothing more will happen. */
  readonly ended: MqttError | undefined
  publish(topic: string, payload?: Payload, options?: PublishOptions): Publication
  subscribe(command: SubscribeCommand): void
  unsubscribe(command: UnsubscribeCommand): void
  /** Pays what is owed for a message (0 = success). Harmless when nothing is owed (any more). */
  acknowledge(message: AnyMessage, reasonCode: number): void
  /**
   * Resolves when the acknowledgements given so far are in the store: a process that dies after that does not get those messages
   * again. Undefined when there is nothing to wait for, as always without a store. Never rejects: a store that fails ends the client.
   */
  whenAcknowledgementsStored(): Promise<void> | undefined
  /** Gives up a message without acknowledging it: the server delivers it again in a later connection of the session. */
  disown(message: AnyMessage): void
  /** The one place for failures that no promise of a user carries: counted, logged, and emitted as `error`. */
  report(error: MqttError): void
  /** A received message that no consumer will see: counted and emitted as `dropped`. */
  dropped(message: AnyMessage, reason: string): void
}

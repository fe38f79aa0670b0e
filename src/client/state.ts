import type { MqttError } from '../errors.ts'

/** Where a client stands; what leads from one state to another is in `CLIENT_TRANSITIONS`. `closed` is final. */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnecting' | 'closed'

/**
 * What moves a client on:
 *
 * - `connect`: `connect()` was called;
 * - `accepted`: CONNACK with success, the server's proof included;
 * - `giveUp`: the attempts of this `connect()` have failed, or nobody waits for it any more;
 * - `lost`: the connection ended, and the client comes back by itself;
 * - `suspend`: it ended, and `reconnect` is "manual";
 * - `disconnect`: `disconnect()` was called on a connection, and what is under way may finish;
 * - `end`: `close()`, the end of `disconnect()`, a refusal for good, a store that failed, a loss without `reconnect`.
 */
export type ClientTransition = 'connect' | 'accepted' | 'giveUp' | 'lost' | 'suspend' | 'disconnect' | 'end'

/** The life of a client: state, what happens, next state. Nothing else is possible; `clientDiagram()` draws it. */
export const CLIENT_TRANSITIONS: Readonly<
  Record<ClientState, Readonly<Partial<Record<ClientTransition, ClientState>>>>
> = Object.freeze({
  idle: { connect: 'connecting', end: 'closed' },
  connecting: { accepted: 'connected', giveUp: 'idle', end: 'closed' },
  connected: { lost: 'reconnecting', suspend: 'idle', disconnect: 'disconnecting', end: 'closed' },
  reconnecting: { accepted: 'connected', end: 'closed' },
  disconnecting: { end: 'closed' },
  closed: {},
})

/** The table as a state diagram in the language of Mermaid, which READMEs and many editors show as a picture. */
export function clientDiagram(): string {
  const lines = Object.entries(CLIENT_TRANSITIONS).flatMap(([from, nexts]) =>
    Object.entries(nexts).map(([event, to]) => `  ${from} --> ${to}: ${event}`),
  )
  return ['stateDiagram-v2', '  [*] --> idle', ...lines, '  closed --> [*]'].join('\n')
}

export interface StateChange {
  readonly state: ClientState
  readonly previous: ClientState
  /** Why, where something went wrong. */
  readonly cause: MqttError | undefined
}

/** How a client ended. */
export interface ClosedInfo {
  /** `disconnect()`, `close()`, or an error that no further attempt could mend. */
  readonly reason: 'disconnect' | 'close' | 'error'
  readonly error: MqttError | undefined
}

/** What was not finished when the client ended. */
export interface DisconnectReport {
  /** Publications that were never sent. */
  readonly queuedMessages: number
  /** QoS 1 and 2 publications whose outcome is not known. */
  readonly inFlight: number
  /** Received messages that were not acknowledged: the server delivers them again if it keeps the session. */
  readonly unacknowledged: number
  /** Where unfinished publications are now. */
  readonly keptIn: 'store' | 'nowhere'
}

import type { MqttError } from '../errors.ts'

/**
 * Where a client stands.
 *
 *      idle ──connect()──> connecting ──CONNACK──> connected ──lost──> reconnecting
 *       ^ <──failed, aborted──┘  │                  │  │  ^ <──CONNACK──┘ │
 *       └──────lost, reconnect: "manual"────────────┘  │                  │
 *                                │                     │ disconnect()     │
 *                                │                     v                  │
 *                                │               disconnecting            │
 *                                v                     v                  v
 *                              closed <── close(), a fatal refusal, disconnect() without a connection
 *
 * `closed` is final.
 */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnecting' | 'closed'

/** Which state may follow which. */
export const CLIENT_TRANSITIONS: Readonly<Record<ClientState, readonly ClientState[]>> = Object.freeze({
  idle: ['connecting', 'closed'],
  connecting: ['connected', 'idle', 'closed'],
  connected: ['reconnecting', 'idle', 'disconnecting', 'closed'],
  reconnecting: ['connected', 'closed'],
  disconnecting: ['closed'],
  closed: [],
})

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

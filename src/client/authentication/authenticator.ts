/** What an authenticator is called with. */
export interface AuthenticationContext {
  /** Aborted when the attempt, or the re-authentication, is given up. */
  readonly signal: AbortSignal
}

/** Data for the server; nothing sends an AUTH (or CONNECT) without data. */
export type AuthenticationData = Uint8Array | undefined

/**
 * Enhanced authentication of MQTT 5 (§4.12). One object serves all connections of a client: `start` begins anew
 * each time. An error that it throws or rejects with ends the attempt; the client does not repeat it.
 */
export interface Authenticator {
  /** Authentication Method, as the server knows it: `SCRAM-SHA-256`. */
  readonly method: string
  /** Data for CONNECT, or for the AUTH that starts a re-authentication. */
  start(context: AuthenticationContext): AuthenticationData | Promise<AuthenticationData>
  /**
   * Answers data of the server. It is also called with the data of the packet that ends the exchange (CONNACK, or AUTH with
   * Success): then the answer is not sent, and throwing rejects the server.
   */
  continue(
    data: AuthenticationData,
    context: AuthenticationContext,
  ): AuthenticationData | Promise<AuthenticationData>
}

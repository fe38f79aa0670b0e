/** What an authenticator is called with. */
export interface AuthenticationContext {
  /** Aborted when the attempt or its connection is over; the same for all calls of one connection. */
  readonly signal: AbortSignal
}

/** Data for the server; nothing sends an AUTH (or CONNECT) without data. */
export type AuthenticationData = Uint8Array | undefined

/**
 * Enhanced authentication of MQTT 5 (§4.12). One object serves all connections of a client, and those that come with this library
 * serve any number of clients: `start` begins anew each time. When that fails, the attempt has failed, as if there were no
 * network. An error of `continue` or `finish` ends the client: the server is not the one it should be, or the next attempt would
 * fail the same way.
 */
export interface Authenticator {
  /** Authentication Method, as the server knows it: `SCRAM-SHA-256`. */
  readonly method: string
  /** Data for CONNECT, or for the AUTH that starts a re-authentication. */
  start(context: AuthenticationContext): AuthenticationData | Promise<AuthenticationData>
  /** Answers data of an AUTH from the server. */
  continue(
    data: AuthenticationData,
    context: AuthenticationContext,
  ): AuthenticationData | Promise<AuthenticationData>
  /**
   * The server has accepted, with this data in CONNACK or AUTH: throwing refuses the server, and the connection is dropped.
   * Without this method, data that came goes to `continue`, whose answer is not sent then.
   */
  finish?(data: AuthenticationData, context: AuthenticationContext): void | Promise<void>
  /**
   * When to re-authenticate on the living connection (milliseconds since the epoch); undefined = not by itself. An authenticator with
   * this method has something new to show each time: a refusal (0x86, 0x87) is followed by another attempt, three in a row at most.
   */
  renewAt?(): number | undefined
}

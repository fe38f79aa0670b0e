import type { MqttError } from '../errors.ts'

/**
 * A byte pipe to the server. Opened by a factory (see open.ts); never sees a packet.
 *
 * Calls to the handler never happen inside a call to the transport's own methods, so that a driver
 * need not be re-entrant.
 */
export interface Transport {
  /**
   * Sends chunks in order, as one write where the medium allows it. The transport has the memory from here on;
   * nobody may change it. Does nothing once closed.
   *
   * @param giveBack - to be called with `chunks` when nothing below will read them any more, so that their memory is used
   *   again; a transport that cannot tell never calls it
   */
  write(chunks: readonly Uint8Array[], giveBack?: (chunks: readonly Uint8Array[]) => void): void
  /** Bytes accepted by `write` and not yet taken by the operating system. The caller stops above its own mark. */
  readonly bufferedBytes: number
  /** Stops `onBytes` until `resume`. Bytes already on their way may still come. */
  pause(): void
  resume(): void
  /** Sends what is buffered, then closes. `onClose` follows, in bounded time. Idempotent. */
  end(): void
  /** Closes at once and drops what is buffered. `onClose` follows. Idempotent. */
  destroy(): void
  /** Where it leads, for messages and `connection.server`: `mqtt://host:1883`, without credentials. */
  readonly description: string
  /** The socket of Node that carries it, where there is one: below WebSocket frames, above TLS. */
  readonly socket?: object | undefined
}

/** What a transport tells its owner. Set by the owner before the first byte can arrive. */
export interface TransportHandler {
  /** The chunk belongs to the receiver and is not changed afterwards. */
  onBytes(chunk: Uint8Array): void
  /** `bufferedBytes` has become 0 after a write that left something buffered, or no more than `LOW_WATER`. */
  onDrain(): void
  /** Exactly once, last. `cause` is absent after an orderly close by either side. */
  onClose(cause: Error | undefined): void
}

export interface OpenContext {
  /** Aborts the attempt; `open` then rejects with its reason and leaves nothing running. */
  readonly signal: AbortSignal
  readonly handler: TransportHandler
}

/**
 * Opens one connection: resolves when bytes can be written. Rejects with a `ConnectError` whose cause is the
 * network's own error. No handler method is called before it has resolved.
 */
export type TransportFactory = (context: OpenContext) => Promise<Transport>

export type TransportError = MqttError

/** A block of bytes with its place in the log. */
export interface StoredBlock {
  /** A whole number from 1 on: the order of the log. */
  readonly position: number
  /**
   * To a store: valid until its `write` has settled, so a store that keeps the bytes themselves makes a copy. From a store: never
   * changed once handed out.
   */
  readonly bytes: Uint8Array
}

/** What one `write` does. */
export interface StoreBatch {
  /** In ascending order of position. A block at a position that is already taken replaces the old one. */
  readonly put: readonly StoredBlock[]
  /** Positions that are no longer needed. Removing one that is not there is no error. */
  readonly remove: readonly number[]
}

/**
 * Where a client keeps a session, so that it outlives the process: an ordered map from whole numbers to blocks of
 * bytes, written in groups. What the bytes mean is the client's business. One store holds one session.
 *
 * `levelStore` and `memoryStore` are such; to write your own (Redis, SQLite, files ...) implement these four methods
 * and run `storeContract` on it. Writes never overlap: the client waits for each before it makes the next.
 */
export interface SessionStore {
  /**
   * Takes the store into exclusive use.
   *
   * @throws StoreError `ERR_MQTT_STORE_LOCKED` when another client, of this process or another, has it open
   */
  open(): Promise<void>
  /** All blocks from position `from` on, in ascending order of position. */
  load(from: number): AsyncIterable<StoredBlock>
  /**
   * Resolves when the batch is as durable as the store promises. A batch need not be atomic, but what survives of it must
   * be a beginning: puts in their order, then removals. A new block may be there in part; one that replaces another is
   * there as a whole, or the old one is. Once a write has failed, nothing is known about its batch, and the client
   * writes no more.
   */
  write(batch: StoreBatch): Promise<void>
  /** Gives the store back; it can be opened again. Harmless on one that is not open. */
  close(): Promise<void>
}

import { StoreError } from '../errors.ts'
import { MessageExpiry } from '../session/outbound-message.ts'
import type { StoredPublication } from '../session/stored-record.ts'
import { DurableJournal } from '../store/durable-journal.ts'
import type { SessionStore } from '../store/store.ts'
import type { Driver } from './driver.ts'
import type { SessionIdentity } from './lifecycle.ts'
import type { ResolvedOptions } from './options.ts'
import type { OutgoingPublication } from './publication.ts'
import { SpilledPublications } from './spilled-publications.ts'

/** A store that hangs must not keep its client from ending. What it still does is done nevertheless. */
const CLOSE_TIMEOUT_MS = 15_000

/** The store of a client: opened before its first connection, closed after its last. */
export class StoredSession {
  readonly #store: SessionStore
  readonly #options: ResolvedOptions
  readonly #driver: Driver
  readonly #report: (error: StoreError) => void
  #opening: Promise<SessionIdentity> | undefined
  #close: (() => Promise<void>) | undefined
  #ended = false
  /** Somebody hears of it when the store cannot be opened. */
  #isAwaited = false

  /**
   * @param report - damage that was found, and what goes wrong at closing
   */
  constructor(
    store: SessionStore,
    options: ResolvedOptions,
    driver: Driver,
    report: (error: StoreError) => void,
  ) {
    this.#store = store
    this.#options = options
    this.#driver = driver
    this.#report = report
  }

  /**
   * Opens the store, once, and gives the driver the session in it. Rejects with `StoreError`.
   *
   * @param isEarly - for publications that come before `connect()`: if that fails, it ends the client, or their promises
   * would wait for a `connect()` that may never come
   */
  open(isEarly: boolean): Promise<SessionIdentity> {
    if (!isEarly) this.#isAwaited = true
    this.#opening ??= this.#open().catch((error: unknown) => {
      // What stood in the way may be gone next time.
      this.#opening = undefined
      if (!this.#isAwaited && !this.#ended) this.#driver.storeFailed(openFailure(error))
      throw error
    })
    return this.#opening
  }

  /** Writes what is left and closes the store, in bounded time. Never rejects. */
  close(): Promise<void> {
    this.#ended = true
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const what = `The session store did not close within ${CLOSE_TIMEOUT_MS} ms: what it had not stored by then may be lost`
        this.#report(new StoreError(what))
        resolve()
      }, CLOSE_TIMEOUT_MS)
      void this.#finish().then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async #finish(): Promise<void> {
    // One that is being opened is closed when it is open.
    await this.#opening?.catch(() => {})
    const close = this.#close
    this.#close = undefined
    await close?.().catch((cause: unknown) => {
      this.#report(
        cause instanceof StoreError
          ? cause
          : new StoreError('The session store could not be closed', { cause }),
      )
    })
  }

  async #open(): Promise<SessionIdentity> {
    const { clientId, protocolVersion, versionFallback, queue } = this.#options
    const spilled = new SpilledPublications(
      this.#driver,
      (fields, publicationClass) => this.#publication(fields, publicationClass),
      this.#report,
    )
    // Whoever drops the oldest must have them at hand.
    const isBounded = queue.overflow !== 'drop-oldest'
    const limits = { messages: queue.memoryMessages, bytes: queue.memoryBytes }
    const opened = await DurableJournal.open(this.#store, {
      clientId: clientId ?? '',
      protocolVersion: versionFallback ? 0 : protocolVersion,
      createMessage: (fields) => spilled.createMessage(fields),
      backlog: isBounded ? { limits, owner: spilled } : undefined,
    })
    const { journal } = opened
    this.#close = () => journal.close()
    if (!this.#ended) this.#driver.openStore(journal, opened.restored)
    if (opened.damage !== undefined) this.#report(opened.damage)
    return { clientId: opened.clientId, protocolVersion: opened.protocolVersion }
  }

  #publication(fields: StoredPublication, publicationClass: typeof OutgoingPublication): OutgoingPublication {
    const { topic, payload, qos, retain, properties, expiry } = fields
    const renewed = expiry === undefined ? undefined : new MessageExpiry(expiry.dropAt, expiry.endsAt)
    if (expiry !== undefined && renewed !== undefined) renewed.interval = expiry.interval
    // Aliases of the process that is gone were of its connections.
    return new publicationClass(this.#driver, topic, payload, qos, retain, properties, renewed, 0)
  }
}

function openFailure(cause: unknown): StoreError {
  return cause instanceof StoreError
    ? cause
    : new StoreError('The session store could not be opened', { cause })
}

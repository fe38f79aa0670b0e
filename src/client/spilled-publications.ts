import type { MqttError, StoreError } from '../errors.ts'
import { type OutboundMessage, Stage } from '../session/outbound-message.ts'
import type { StoredPublication } from '../session/stored-record.ts'
import type { BacklogOwner } from '../store/stored-backlog.ts'
import type { Driver } from './driver.ts'
import { OutgoingPublication, type PublishOutcome, type SpillHost, SUCCESS } from './publication.ts'

/** Publications that share a page: what is known of them must cost little, for there may be millions. */
const PAGE = 1024

type End = PublishOutcome | { readonly failure: unknown }

/**
 * What has become of publications whose messages wait in the store alone. The publications themselves are not held, unless somebody
 * has asked for their promises: those who still have one find their page through it.
 */
class SpilledPage implements SpillHost {
  readonly #driver: Driver
  /** One bit each. */
  readonly #over: Uint8Array = new Uint8Array(PAGE / 8)
  /** How those ended that did not just succeed. */
  readonly #ends: Map<number, End> = new Map()
  /** Somebody waits for what becomes of these. */
  readonly #asked: Map<number, OutgoingPublication> = new Map()
  /** Messages that are back in memory, in place of the publication. */
  readonly #recalled: Map<number, RecalledPublication> = new Map()
  #failure: MqttError | undefined = undefined
  /** How many are not over. */
  left = 0

  constructor(driver: Driver) {
    this.#driver = driver
  }

  get storedThrough(): number {
    return this.#driver.storedThrough
  }

  whenStored(publication: OutgoingPublication): Promise<void> {
    return this.#driver.whenStored(publication)
  }

  publishFailed(publication: OutgoingPublication, error: unknown): void {
    this.#driver.publishFailed(publication, error)
  }

  adopt(publication: OutgoingPublication): void {
    const at = publication.sequence % PAGE
    if (this.#isOver(at)) {
      const end = this.#ends.get(at) ?? SUCCESS
      if ('failure' in end) publication.fail(end.failure, true)
      else publication.settle(end)
      return
    }
    if (this.#failure !== undefined) {
      publication.fail(this.#failure, true)
      return
    }
    this.#asked.set(at, publication)
    const recalled = this.#recalled.get(at)
    if (recalled !== undefined) copyProgress(recalled, publication)
  }

  cancel(publication: OutgoingPublication): boolean {
    const at = publication.sequence % PAGE
    if (this.#isOver(at) || !this.#driver.cancel(this.#recalled.get(at) ?? publication)) return false
    this.#end(at)
    return true
  }

  recalled(message: RecalledPublication): void {
    this.#recalled.set(message.sequence % PAGE, message)
  }

  sent(message: RecalledPublication): void {
    const publication = this.#asked.get(message.sequence % PAGE)
    if (publication !== undefined) copyProgress(message, publication)
  }

  /** The message has ended. True when somebody is told of it by the publication. */
  ended(message: OutboundMessage, end: End): boolean {
    const at = message.sequence % PAGE
    const publication = this.#asked.get(at)
    if (publication === undefined && end !== SUCCESS) this.#ends.set(at, end)
    this.#end(at)
    if (publication === undefined) return false
    copyProgress(message, publication)
    if ('failure' in end) publication.fail(end.failure)
    else publication.settle(end)
    return true
  }

  /** Nothing will be heard of it any more. */
  lost(sequence: number, failure: StoreError): void {
    const at = sequence % PAGE
    const publication = this.#asked.get(at)
    this.#ends.set(at, { failure })
    this.#end(at)
    publication?.fail(failure, true)
  }

  fail(error: MqttError): void {
    this.#failure = error
    for (const publication of [...this.#asked.values()]) publication.fail(error)
    this.#asked.clear()
  }

  #isOver(at: number): boolean {
    return ((this.#over[at >>> 3] as number) & (1 << (at & 7))) !== 0
  }

  #end(at: number): void {
    if (this.#isOver(at)) return
    this.#over[at >>> 3] = (this.#over[at >>> 3] as number) | (1 << (at & 7))
    this.#asked.delete(at)
    this.#recalled.delete(at)
    this.left--
  }
}

/** A publication sees how far the message has come that stands for it. */
function copyProgress(message: OutboundMessage, publication: OutgoingPublication): void {
  if (message.packetId === 0) return
  publication.packetId = message.packetId
  publication.stage = Stage.sent
  publication.markSent()
}

/** A message that is back from the store, for a publication that this process has made. */
class RecalledPublication extends OutgoingPublication {
  #page: SpilledPage | undefined = undefined

  belongsTo(page: SpilledPage): void {
    this.#page = page
  }

  override markSent(): void {
    super.markSent()
    this.#page?.sent(this)
  }

  override settle(outcome: PublishOutcome | MqttError): void {
    super.settle(outcome)
    if (!(outcome instanceof Error))
      this.#page?.ended(
        this,
        outcome.reasonCode === 0 && outcome.properties === undefined ? SUCCESS : outcome,
      )
  }

  override fail(failure: unknown, silently = false): void {
    const isTold = this.#page?.ended(this, { failure }) === true
    super.fail(failure, isTold || silently)
  }
}

/** The publications of a client whose messages its store keeps alone. */
export class SpilledPublications implements BacklogOwner {
  readonly #driver: Driver
  readonly #create: (
    fields: StoredPublication,
    publicationClass: typeof OutgoingPublication,
  ) => OutgoingPublication
  readonly #report: (error: StoreError) => void
  readonly #pages: Map<number, SpilledPage> = new Map()
  #latest = -1

  /** @param report - for what could not be read back */
  constructor(
    driver: Driver,
    create: (fields: StoredPublication, publicationClass: typeof OutgoingPublication) => OutgoingPublication,
    report: (error: StoreError) => void,
  ) {
    this.#driver = driver
    this.#create = create
    this.#report = report
  }

  /** The message as the outbox is to have it. */
  createMessage(fields: StoredPublication): OutboundMessage {
    const page = this.#pages.get(Math.floor(fields.sequence / PAGE))
    // Of an earlier process: nobody here waits for it.
    if (page === undefined) return this.#create(fields, OutgoingPublication)
    const message = this.#create(fields, RecalledPublication) as RecalledPublication
    message.belongsTo(page)
    return message
  }

  onSpilled(message: OutboundMessage): void {
    const number = Math.floor(message.sequence / PAGE)
    let page = this.#pages.get(number)
    if (page === undefined) {
      page = new SpilledPage(this.#driver)
      this.#pages.set(number, page)
      const previous = this.#latest
      this.#latest = number
      this.#dropIfOver(previous)
    }
    page.left++
    ;(message as OutgoingPublication).spill(page)
  }

  onFetched(messages: readonly OutboundMessage[]): void {
    for (const message of messages) {
      if (message instanceof RecalledPublication) this.#pageOf(message.sequence)?.recalled(message)
    }
    this.#driver.recall(messages)
    this.#sweep(messages)
  }

  onExpired(messages: readonly OutboundMessage[]): void {
    this.#driver.expireRecalled(messages)
    this.#sweep(messages)
  }

  onUnreadable(sequences: readonly number[], bytes: readonly number[], error: StoreError): void {
    for (const sequence of sequences) this.#pageOf(sequence)?.lost(sequence, error)
    this.#driver.forgetSpilled(bytes)
    this.#report(error)
  }

  onFailed(error: StoreError): void {
    this.#driver.storeFailed(error)
  }

  onEnd(error: MqttError): void {
    for (const page of this.#pages.values()) page.fail(error)
    this.#pages.clear()
  }

  #pageOf(sequence: number): SpilledPage | undefined {
    return this.#pages.get(Math.floor(sequence / PAGE))
  }

  /** Pages in front of what was fetched last, when everything in them is over. */
  #sweep(messages: readonly OutboundMessage[]): void {
    if (messages.length === 0) return
    for (const number of [...this.#pages.keys()]) {
      if (number * PAGE > (messages.at(-1) as OutboundMessage).sequence) return
      this.#dropIfOver(number)
    }
  }

  #dropIfOver(number: number): void {
    if (number !== this.#latest && this.#pages.get(number)?.left === 0) this.#pages.delete(number)
  }
}

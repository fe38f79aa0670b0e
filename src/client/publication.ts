import type { PublishProperties, QoS } from '../codec/packet.ts'
import { type MqttError, PublishError } from '../errors.ts'
import { type MessageExpiry, OutboundMessage, Stage } from '../session/outbound-message.ts'
import type { PublishOutcome } from '../session/sink.ts'
import type { UserPropertiesInput } from './user-properties.ts'

export type { PublishOutcome } from '../session/sink.ts'

export interface PublishOptions {
  /** 0 = at most once, 1 = at least once, 2 = exactly once. @default 0 */
  readonly qos?: QoS | undefined
  /** Keep it at the server as the topic's last value; with an empty payload: forget that value. @default false */
  readonly retain?: boolean | undefined
  /** Before it is sent: takes it back. After: stops waiting (`acked` rejects with the signal's reason), the delivery goes on. */
  readonly signal?: AbortSignal | undefined
  /** Seconds, counted down while it waits here; what has expired never reaches the wire. On 3.x it holds for the wait alone. */
  readonly messageExpiryInterval?: number | undefined
  /** MQTT 5. */
  readonly contentType?: string | undefined
  /** MQTT 5. */
  readonly responseTopic?: string | undefined
  /** MQTT 5. */
  readonly correlationData?: Uint8Array | undefined
  /** MQTT 5: what the payload is. Not checked against it. @default 'bytes' (no indicator is sent) */
  readonly payloadFormat?: 'utf8' | 'bytes' | undefined
  /** MQTT 5. A record, or pairs where order or repetition matters. */
  readonly userProperties?: UserPropertiesInput | undefined
  /** MQTT 5: a number is used as it is; "auto" lets the client manage aliases for this topic. @default none */
  readonly topicAlias?: 'auto' | number | undefined
}

/**
 * - `queued`: in the outbox;
 * - `stored`: there, and kept by the store of the client;
 * - `sent`: its PUBLISH was written (the end at QoS 0);
 * - `acked`: PUBACK or PUBCOMP came with success;
 * - `failed`: refused, cancelled, expired, dropped, or the client ended.
 */
export type PublicationState = 'queued' | 'stored' | 'sent' | 'acked' | 'failed'

/**
 * What `publish()` returns. Its promises are made when they are first read: a failure that nobody asked about is counted
 * (`stats.publishFailures`) and emitted (`error`), never an unhandled rejection.
 */
export interface Publication {
  readonly topic: string
  readonly qos: QoS
  /**
   * 0 at QoS 0 and while it has not been sent. Of one that waited in the store alone, it is known once one of the
   * promises or `state` has been read.
   */
  readonly packetId: number
  readonly state: PublicationState
  /** Kept so that a crash of this process cannot lose it. At once without a `store`, and at QoS 0. */
  readonly stored: Promise<void>
  /** Its PUBLISH was written to the connection. */
  readonly sent: Promise<void>
  /** QoS 0: as `sent`. QoS 1: PUBACK. QoS 2: PUBCOMP. Rejects with `PublishError` for a reason code of 0x80 and up. */
  readonly acked: Promise<PublishOutcome>
  /** Takes it back while it is not on the wire: true if it is. `acked` then rejects with code `ERR_MQTT_CANCELLED`. */
  cancel(): boolean
}

/** What a publication needs of its client. */
export interface PublicationHost {
  /** Sequence number up to which everything has been stored; Infinity without a store. */
  readonly storedThrough: number
  /** Resolves when `publication` is stored, rejects with `StoreError`. */
  whenStored(publication: OutgoingPublication): Promise<void>
  /** Takes it out of the outbox: false if it is on the wire. The publication settles itself. */
  cancel(publication: OutgoingPublication): boolean
  /** A failure that no promise carries so far: told later if nobody has asked by then (`isObserved`). */
  publishFailed(publication: OutgoingPublication, error: unknown): void
}

/** Knows what becomes of publications whose messages wait in the store alone. */
export interface SpillHost extends PublicationHost {
  /** Somebody asks for `publication`: settles it if its message has ended, and else tells it what happens from now on. */
  adopt(publication: OutgoingPublication): void
}

const NO_BYTES: Uint8Array = new Uint8Array(0)
const RESOLVED: Promise<void> = Promise.resolve()
/** The outcome of everything that is not answered by a packet with more to say. */
export const SUCCESS: PublishOutcome = Object.freeze({ reasonCode: 0, properties: undefined })
const RESOLVED_OUTCOME: Promise<PublishOutcome> = Promise.resolve(SUCCESS)

type Settle = (value: unknown) => void

// One executor for all promises of all publications, so that making one makes no closure. Only `resolve` is kept
// (each function that is kept costs more than 100 bytes per message): to reject is to resolve with a rejected promise.
let captured: Settle
const capture = (resolve: Settle): void => {
  captured = resolve
}

/** The lesser promises and the signal, which most publications never have. */
interface Extras {
  sent: Promise<void> | undefined
  settleSent: Settle | undefined
  signal: AbortSignal | undefined
  onAbort: (() => void) | undefined
}

/** The publication itself: the very object that the session keeps in its outbox. */
export class OutgoingPublication extends OutboundMessage implements Publication {
  #host: PublicationHost
  /** Absent until settled. An error's identity is what the promises reject with. */
  #outcome: PublishOutcome | { readonly failure: unknown } | undefined = undefined
  #acked: Promise<PublishOutcome> | undefined = undefined
  #settleAcked: Settle | undefined = undefined
  #extras: Extras | undefined = undefined

  constructor(
    host: PublicationHost,
    topic: string,
    payload: Uint8Array,
    qos: QoS,
    retain: boolean,
    properties: PublishProperties | undefined,
    expiry: MessageExpiry | undefined,
    topicAlias: number,
  ) {
    super(topic, payload, qos, retain, properties, expiry, topicAlias)
    this.#host = host
  }

  get state(): PublicationState {
    this.#catchUp()
    const outcome = this.#outcome
    if (outcome !== undefined) return 'failure' in outcome ? 'failed' : this.qos === 0 ? 'sent' : 'acked'
    if (!this.#isUnsent) return 'sent'
    return this.qos !== 0 && this.#host.storedThrough !== Infinity && this.#isStored ? 'stored' : 'queued'
  }

  get stored(): Promise<void> {
    this.#catchUp()
    if (this.qos === 0 || this.#isStored) return RESOLVED
    const outcome = this.#outcome
    if (outcome !== undefined) return 'failure' in outcome ? Promise.reject(outcome.failure) : RESOLVED
    return this.#host.whenStored(this)
  }

  get sent(): Promise<void> {
    this.#catchUp()
    if (this.#extras?.sent !== undefined) return this.#extras.sent
    const outcome = this.#outcome
    if (outcome !== undefined && 'failure' in outcome && this.packetId === 0)
      return Promise.reject(outcome.failure)
    if (outcome !== undefined || !this.#isUnsent || this.packetId !== 0) return RESOLVED
    const extras = this.#needExtras()
    extras.sent = new Promise<unknown>(capture) as Promise<void>
    extras.settleSent = captured
    return extras.sent
  }

  get acked(): Promise<PublishOutcome> {
    if (this.#acked !== undefined) return this.#acked
    this.#catchUp()
    const outcome = this.#outcome
    if (outcome === undefined) {
      // QoS 0 that left inside publish(): nobody will settle it, and all of them share one promise.
      if (this.stage === Stage.settled) return RESOLVED_OUTCOME
      this.#acked = new Promise<unknown>(capture) as Promise<PublishOutcome>
      this.#settleAcked = captured
    } else if ('failure' in outcome) {
      this.#acked = Promise.reject(outcome.failure)
    } else {
      this.#acked = outcome === SUCCESS ? RESOLVED_OUTCOME : Promise.resolve(outcome)
    }
    return this.#acked
  }

  /** Somebody has asked for a promise that carries a failure; internal. */
  get isObserved(): boolean {
    return this.#acked !== undefined || this.#extras?.sent !== undefined
  }

  /** What it failed with, once it has; internal. */
  get failure(): unknown {
    const outcome = this.#outcome
    return outcome !== undefined && 'failure' in outcome ? outcome.failure : undefined
  }

  cancel(): boolean {
    return this.takeBack(
      () =>
        new PublishError(`Publication to "${this.topic}" was cancelled before it was sent`, {
          code: 'ERR_MQTT_CANCELLED',
          topic: this.topic,
        }),
    )
  }

  /** Settles it with an error of the caller's, who knows of it, unless it is on the wire. */
  takeBack(reason: () => unknown): boolean {
    this.#catchUp()
    if (this.#outcome !== undefined || !this.#isUnsent || !this.#host.cancel(this)) return false
    this.fail(reason(), true)
    return true
  }

  /** The first PUBLISH was written after a wait. */
  markSent(): void {
    const settle = this.#extras?.settleSent
    if (settle === undefined) return
    this.#extras!.settleSent = undefined
    settle(undefined)
  }

  settle(outcome: PublishOutcome | MqttError): void {
    if (this.#outcome !== undefined) return // the caller's signal was first
    if (outcome instanceof Error) {
      this.fail(outcome)
      return
    }
    this.#outcome = outcome.reasonCode === 0 && outcome.properties === undefined ? SUCCESS : outcome
    this.markSent()
    this.forgetSignal()
    const settle = this.#settleAcked
    if (settle === undefined) return
    this.#settleAcked = undefined
    settle(outcome)
  }

  fail(failure: unknown, silently = false): void {
    if (this.#outcome !== undefined) return
    this.#outcome = { failure }
    this.forgetSignal()
    const settleSent = this.#extras?.settleSent
    const settleAcked = this.#settleAcked
    if (settleSent === undefined && settleAcked === undefined) {
      if (!silently) this.#host.publishFailed(this, failure)
      return
    }
    const rejected = Promise.reject(failure)
    if (settleSent !== undefined) {
      this.#extras!.settleSent = undefined
      settleSent(rejected)
      // One failure, one place: where `acked` carries it, an unread `sent` is not a second one.
      if (settleAcked !== undefined) this.#extras!.sent!.catch(ignore)
    }
    if (settleAcked !== undefined) {
      this.#settleAcked = undefined
      settleAcked(rejected)
    }
  }

  /** Until it is settled, an abort takes it back if it can, and else ends the waiting. */
  follow(signal: AbortSignal): void {
    const extras = this.#needExtras()
    extras.signal = signal
    extras.onAbort = () => {
      if (!this.takeBack(() => signal.reason)) this.fail(signal.reason, true)
    }
    signal.addEventListener('abort', extras.onAbort, { once: true })
  }

  /** Its message waits in the store alone from now on, and `host` knows what becomes of it; internal. */
  spill(host: SpillHost): void {
    this.#host = host
    ;(this as { payload: Uint8Array }).payload = NO_BYTES
    if (this.#acked !== undefined || this.#extras !== undefined) host.adopt(this)
  }

  /** A message that went through the store was another object. */
  #catchUp(): void {
    if (this.stage === Stage.spilled && this.#outcome === undefined) (this.#host as SpillHost).adopt(this)
  }

  get #isUnsent(): boolean {
    return this.stage <= Stage.queued
  }

  get #isStored(): boolean {
    const through = this.#host.storedThrough
    return through === Infinity || (this.sequence !== 0 && this.sequence <= through)
  }

  /** One of QoS 0 that was written at once is settled without being told. */
  forgetSignal(): void {
    const extras = this.#extras
    if (extras?.onAbort === undefined) return
    extras.signal?.removeEventListener('abort', extras.onAbort)
    extras.onAbort = undefined
  }

  #needExtras(): Extras {
    this.#extras ??= { sent: undefined, settleSent: undefined, signal: undefined, onAbort: undefined }
    return this.#extras
  }
}

function ignore(): void {}

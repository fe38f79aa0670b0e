import { MqttError, TimeoutError, wrongOption } from '../errors.ts'
import { checkOption, durationMs } from '../option-rules.ts'
import { onAbort } from '../transport/opening.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage, Message } from './message.ts'
import type { MessageRouter } from './message-router.ts'
import type { Payload } from './payload.ts'
import { PromiseParts } from './promise-parts.ts'
import type { PublishOptions } from './publication.ts'
import { readRemoteError } from './remote-error.ts'
import type { Subscription } from './subscription.ts'

export interface RequestOptions extends Omit<PublishOptions, 'correlationData' | 'retain'> {
  /** Rejects with `TimeoutError` after so many milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined
  /** Rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** @default 1 */
  readonly qos?: 0 | 1 | 2 | undefined
  /**
   * Where the answer shall come. By default a topic of this client alone: below the server's Response Information where it gave
   * one (`requestResponseInformation`), else below `mqtt-await/response/`.
   */
  readonly responseTopic?: string | undefined
}

const TIMEOUT_MS = 30_000
/** Topics of answers that are kept although nobody waits for one there. */
const IDLE_INBOXES = 16
/** MQTT 5.0 §3.4.2.1: the server took the message and had nobody to give it to. */
const NO_MATCHING_SUBSCRIBERS = 0x10

/**
 * The asking side of MQTT 5.0 request/response [MQTT 5.0 §4.10]. All requests of a client share one subscription; which answer
 * belongs to which request is told by 8 bytes of Correlation Data: a random half, so that answers to an earlier process
 * are not taken for ours, and a counter.
 */
export class Requester {
  readonly #host: ClientHost
  readonly #router: MessageRouter
  readonly #token: number
  readonly #pending = new Map<number, PromiseParts<AnyMessage>>()
  /** By topic; the one that was used last comes last. */
  readonly #inboxes = new Map<string, Inbox>()
  #last = 0

  constructor(host: ClientHost, router: MessageRouter) {
    this.#host = host
    this.#router = router
    this.#token = Math.floor(host.clock.random() * 0x1_0000_0000)
  }

  /** Requests that wait for their answer. */
  get pending(): number {
    return this.#pending.size
  }

  async request(topic: string, payload: Payload | undefined, options: RequestOptions): Promise<Message> {
    const { timeoutMs = TIMEOUT_MS, signal, responseTopic, ...publishOptions } = options
    const host = this.#host
    if (host.ended !== undefined) throw host.ended
    signal?.throwIfAborted()
    checkOption(durationMs, timeoutMs, 'timeoutMs')
    if (host.limits !== undefined && host.limits.protocolVersion !== 5) {
      throw wrongOption('protocolVersion', '5', String(host.limits.protocolVersion), 'request() ')
    }
    const id = this.#nextId()
    const pending = new PromiseParts<AnyMessage>()
    // It may fail when this has thrown something else already.
    pending.promise.catch(() => {})
    const timer = host.clock.setTimer(() => {
      pending.reject(
        new TimeoutError(`No answer to the request to "${topic}" within ${timeoutMs} ms: no responder?`),
      )
    }, timeoutMs)
    const stopListening = onAbort(signal, pending.reject)
    this.#pending.set(id, pending)
    let inbox: Inbox | undefined
    try {
      const answerTopic = responseTopic ?? this.#ownTopic()
      inbox = this.#inbox(answerTopic)
      inbox.requests += 1
      inbox.subscription.ready.catch(pending.reject)
      const publication = host.publish(topic, payload, {
        qos: 1,
        messageExpiryInterval: Math.min(Math.max(1, Math.ceil(timeoutMs / 1_000)), 0xffff_ffff),
        ...publishOptions,
        responseTopic: answerTopic,
        correlationData: this.#correlation(id),
      })
      publication.acked.then(({ reasonCode }) => {
        if (reasonCode === NO_MATCHING_SUBSCRIBERS) pending.reject(nobody(topic))
      }, pending.reject)
      return (await pending.promise) as Message
    } finally {
      timer.cancel()
      stopListening()
      this.#pending.delete(id)
      if (inbox !== undefined) this.#leave(inbox)
    }
  }

  /** The client has ended. */
  end(error: MqttError): void {
    for (const pending of [...this.#pending.values()]) pending.reject(error)
  }

  #ownTopic(): string {
    const information = this.#host.limits?.responseInformation
    const base = information === undefined ? 'mqtt-await/response' : information.replace(/\/$/, '')
    return `${base}/${this.#token.toString(16).padStart(8, '0')}`
  }

  #inbox(topic: string): Inbox {
    let inbox = this.#inboxes.get(topic)
    this.#inboxes.delete(topic)
    if (inbox === undefined || inbox.subscription.isEnded) {
      const source = { filters: [topic], schema: undefined }
      inbox = { subscription: this.#router.messages(source, { qos: 1, retainHandling: 2 }), requests: 0 }
      void this.#read(inbox.subscription)
    }
    this.#inboxes.set(topic, inbox)
    return inbox
  }

  /** Some topics stay subscribed to for the next request; with a topic for each request they must not add up. */
  #leave(inbox: Inbox): void {
    inbox.requests -= 1
    for (const [topic, { subscription, requests }] of this.#inboxes) {
      if (this.#inboxes.size <= IDLE_INBOXES) return
      if (requests > 0) continue
      this.#inboxes.delete(topic)
      void subscription.close()
    }
  }

  async #read(inbox: Subscription<AnyMessage>): Promise<void> {
    try {
      for await (const answer of inbox) this.#answered(answer)
    } catch {
      // Refused, or the client has ended: those who wait are told by `ready`, by `end`, or by their time.
    }
  }

  #answered(answer: AnyMessage): void {
    const data = answer.properties.correlationData
    if (data === undefined || data.byteLength !== 8) return
    const view = new DataView(data.buffer, data.byteOffset, 8)
    if (view.getUint32(0) !== this.#token) return
    const pending = this.#pending.get(view.getUint32(4))
    // Late, or a duplicate: whoever asked has gone.
    if (pending === undefined) return
    const error = readRemoteError(answer)
    if (error === undefined) pending.resolve(answer)
    else pending.reject(error)
  }

  #nextId(): number {
    do this.#last = (this.#last + 1) >>> 0
    while (this.#pending.has(this.#last))
    return this.#last
  }

  #correlation(id: number): Uint8Array {
    const data = new Uint8Array(8)
    const view = new DataView(data.buffer)
    view.setUint32(0, this.#token)
    view.setUint32(4, id)
    return data
  }
}

/** Where answers come. */
interface Inbox {
  readonly subscription: Subscription<AnyMessage>
  /** Those that wait. */
  requests: number
}

function nobody(topic: string): MqttError {
  return new MqttError(`The request to "${topic}" reached nobody: nothing subscribes to it`, {
    code: 'ERR_MQTT_NO_RESPONDER',
    reasonCode: NO_MATCHING_SUBSCRIBERS,
  })
}

import type { PublishProperties } from '../codec/packet.ts'
import { MqttError } from '../errors.ts'
import { MessageExpiry, OutboundMessage } from '../session/outbound-message.ts'
import type { PublishOutcome } from '../session/sink.ts'
import type { PublicationFields } from '../session/stored-record.ts'
import { MQTTErrorCode } from './enums.ts'
import { finishInfo, MQTTMessageInfo } from './message-info.ts'

/** A message of the program on its way: the session's object with the program's number and handle. */
export class OutgoingMessage extends OutboundMessage {
  mid: number
  readonly info: MQTTMessageInfo

  constructor(
    mid: number,
    topic: string,
    payload: Uint8Array,
    qos: 0 | 1 | 2,
    retain: boolean,
    properties: PublishProperties | undefined,
    now: number,
  ) {
    const { topicAlias = 0, messageExpiryInterval, ...others } = properties ?? {}
    const expiresAt = messageExpiryInterval === undefined ? undefined : now + messageExpiryInterval * 1000
    super(
      topic,
      payload,
      qos,
      retain,
      properties === undefined ? undefined : others,
      expiresAt === undefined ? undefined : new MessageExpiry(expiresAt, expiresAt),
      topicAlias,
    )
    this.mid = mid
    this.info = new MQTTMessageInfo(mid)
  }
}

/** The numbers of all requests, and the messages that are not finished. */
export class Publications {
  /** QoS 1 and 2, by number. */
  readonly #unfinished = new Map<number, OutgoingMessage>()
  /** QoS 0 that waits inside the session, then QoS 0 that is among bytes not yet written. */
  readonly #waiting = new Set<OutgoingMessage>()
  #unwritten: OutgoingMessage[] = []
  #lastMid = 0
  /** Topics by the aliases that the program has given them. */
  readonly #aliases = new Map<number, string>()

  get unfinished(): number {
    return this.#unfinished.size
  }

  /** 1, 2, ... 65535, 1, ... for publications, subscriptions and unsubscriptions alike. */
  nextMid(): number {
    this.#lastMid = this.#lastMid === 65_535 ? 1 : this.#lastMid + 1
    return this.#lastMid
  }

  /** Takes in what an earlier process left. The numbers go on after all that it can have given. */
  restore(messages: readonly OutboundMessage[], lastSequence: number): void {
    for (const message of messages) {
      if (!(message instanceof OutgoingMessage)) continue
      message.mid = numberOf(message.sequence)
      message.info.mid = message.mid
      this.#unfinished.set(message.mid, message)
    }
    if (lastSequence > 0) this.#lastMid = numberOf(lastSequence + this.#lastMid)
  }

  isInUse(mid: number): boolean {
    return this.#unfinished.has(mid)
  }

  /** The topic that an alias stands for, when only the alias was given. */
  topicFor(topic: string, alias: number | undefined): string {
    if (alias === undefined) return topic
    if (topic === '') return this.#aliases.get(alias) ?? ''
    this.#aliases.set(alias, topic)
    return topic
  }

  add(message: OutgoingMessage): void {
    if (message.qos === 0) this.#waiting.add(message)
    else this.#unfinished.set(message.mid, message)
  }

  remove(message: OutgoingMessage): void {
    this.#waiting.delete(message)
    this.#unfinished.delete(message.mid)
  }

  /** A QoS 0 message is among the bytes that the next write takes. */
  encoded(message: OutgoingMessage): void {
    this.#waiting.delete(message)
    this.#unwritten.push(message)
  }

  get hasUnwritten(): boolean {
    return this.#unwritten.length > 0
  }

  /** The QoS 0 messages whose bytes have just been written. */
  takeWritten(): OutgoingMessage[] {
    if (this.#unwritten.length === 0) return this.#unwritten
    const written = this.#unwritten
    this.#unwritten = []
    return written
  }

  /** The connection is gone: QoS 0 that was not written is lost. Gives those that the session still holds. */
  discardUnwritten(): OutgoingMessage[] {
    const held = [...this.#waiting]
    for (const message of [...this.#unwritten.splice(0), ...held]) {
      finishInfo(message.info, MQTTErrorCode.MQTT_ERR_CONN_LOST)
    }
    this.#waiting.clear()
    return held
  }

  /** The program's number of what has this packet identifier; 0 when nothing has. */
  midOfPacket(packetId: number): number {
    for (const message of this.#unfinished.values()) if (message.packetId === packetId) return message.mid
    return 0
  }

  /** The number of the QoS 0 message that the session sends next. */
  midOfNextWaiting(topic: string): number {
    for (const message of this.#waiting) if (message.topic === topic) return message.mid
    return 0
  }

  *[Symbol.iterator](): Generator<OutgoingMessage, void> {
    yield* this.#unfinished.values()
  }
}

/** The place of a publication in its session as a number of 16 bits. */
function numberOf(sequence: number): number {
  return ((sequence - 1) % 65_535) + 1
}

/** A message of an earlier process. */
export function restoredMessage(fields: PublicationFields): OutgoingMessage {
  const { topic, payload, qos, retain, properties, expiry } = fields
  const message = new OutgoingMessage(0, topic, payload, qos, retain, properties, 0)
  if (expiry === undefined) return message
  const renewed = new MessageExpiry(expiry.dropAt, expiry.endsAt)
  renewed.interval = expiry.interval
  return Object.assign(message, { expiry: renewed })
}

/** Whether a message ended with an answer of the broker, and with which. */
export function answerOf(outcome: PublishOutcome | MqttError): PublishOutcome | undefined {
  if (!(outcome instanceof MqttError)) return outcome
  const { reasonCode, reasonString, userProperties } = outcome
  if (reasonCode === undefined) return undefined
  return {
    reasonCode,
    properties: {
      ...(reasonString === undefined ? {} : { reasonString }),
      ...(userProperties === undefined ? {} : { userProperties }),
    },
  }
}

import { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { NO_BYTES } from './bytes.ts'
import { checkQoS, packetIdField } from './field-stream.ts'
import type { ProtocolVersion, PublishContent, PublishProperties, QoS } from './packet.ts'
import { PUBLISH } from './packet-type.ts'
import { readProperties } from './property-reader.ts'
import { writeProperties } from './property-writer.ts'
import { scratch } from './scratch.ts'

const NO_PROPERTIES: PublishProperties = /* @__PURE__ */ Object.freeze({})

/** Reads properties when they are asked for; they have been checked already, so that it cannot fail. */
const lateReader: ByteReader = /* @__PURE__ */ new ByteReader(5, 'server')

/** What comes before the payload, as the decoder has read it. */
export interface PublishSource {
  readonly topicName: string
  /** The lower half of the first byte. */
  readonly flags: number
  readonly packetId: number
  readonly topicAlias: number
  readonly subscriptionIdentifiers: readonly number[] | undefined
  readonly bytes: Uint8Array
  /** Where the Property Length is in `bytes`; -1 = there are none. */
  readonly propertiesAt: number
}

/**
 * A received PUBLISH. `payload` and `properties` are views of the received chunk: they cost nothing, and keep the
 * whole chunk in memory for as long as they are kept.
 */
export class PublishPacket {
  /** Empty when a Topic Alias stands for it, until whoever knows the aliases has set it. */
  topic: string
  payload: Uint8Array
  qos: QoS
  retain: boolean
  dup: boolean
  /** 0 at QoS 0. */
  packetId: number
  /** 0 = none. */
  topicAlias: number
  /** MQTT 5: those of the subscriptions that the message matched, in their order. */
  subscriptionIdentifiers: readonly number[] | undefined
  #bytes: Uint8Array
  /** Where the Property Length is; -1 = there are none. */
  #propertiesAt: number
  #properties: PublishProperties | undefined

  /** Two parameters, and so little to hand on that the constructors of subclasses can be inlined too. */
  constructor(payload: Uint8Array, source: PublishSource) {
    const { flags, propertiesAt } = source
    this.topic = source.topicName
    this.payload = payload
    this.qos = ((flags >> 1) & 3) as QoS
    this.retain = (flags & 1) === 1
    this.dup = (flags & 8) === 8
    this.packetId = source.packetId
    this.topicAlias = source.topicAlias
    this.subscriptionIdentifiers = source.subscriptionIdentifiers
    this.#bytes = source.bytes
    this.#propertiesAt = propertiesAt
    this.#properties = propertiesAt < 0 ? NO_PROPERTIES : undefined
  }

  get type(): 'publish' {
    return 'publish'
  }

  /** MQTT 5 properties as on the wire, decoded when first read; empty in 3.x and when there are none. */
  get properties(): PublishProperties {
    let properties = this.#properties
    if (properties === undefined) {
      const target: Record<string, unknown> = {}
      lateReader.use(this.#bytes)
      lateReader.position = this.#propertiesAt
      lateReader.end = this.#bytes.length
      readProperties(lateReader, PUBLISH, target)
      lateReader.use(NO_BYTES)
      properties = target as PublishProperties
      this.#properties = properties
    }
    return properties
  }

  /** MQTT 5 properties as the server wrote them, their length included; empty when there are none. Not after `detach`. */
  get propertyBytes(): Uint8Array {
    if (this.#propertiesAt < 0) return NO_BYTES
    // The payload follows the properties.
    return this.#bytes.subarray(this.#propertiesAt, this.payload.byteOffset - this.#bytes.byteOffset)
  }

  /** Moves payload and properties to memory of their own, so that keeping the packet does not keep the chunk. */
  detach(): void {
    const { payload } = this
    if (payload.byteLength === payload.buffer.byteLength) return
    if (this.#properties === undefined) {
      this.#bytes = new Uint8Array(this.propertyBytes)
      this.#propertiesAt = 0
    } else this.#bytes = NO_BYTES
    this.payload = new Uint8Array(payload)
  }
}

/** Makes the objects that a decoder returns; subclasses add fields, and take what this takes if they have a constructor. */
export type PublishClass<P extends PublishPacket> = new (
  ...args: ConstructorParameters<typeof PublishPacket>
) => P

export function decodePublish<P extends PublishPacket>(
  reader: ByteReader,
  flags: number,
  publishClass: PublishClass<P>,
): P {
  const topicAt = reader.position
  const topic = reader.topic()
  reader.topicName = topic
  reader.flags = flags
  reader.packetId = (flags & 6) === 0 ? 0 : packetIdField(reader, undefined, '2.2.1-4')
  reader.propertiesAt = -1
  reader.topicAlias = 0
  reader.subscriptionIdentifiers = undefined
  if (reader.version === 5) {
    const at = reader.position
    if (reader.bytes[at] === 0 && at < reader.end) reader.position++
    else {
      reader.propertiesAt = at
      readProperties(reader, PUBLISH)
    }
  }
  if (topic.length === 0 && reader.topicAlias === 0) {
    reader.at = topicAt
    throw reader.fault(0x82, 'topic', '4.7.3-1', 'at least one character', topic)
  }
  return new publishClass(reader.view(reader.position, reader.end), reader)
}

/**
 * Writes a PUBLISH.
 *
 * Payloads below 4 KiB are copied; larger ones are referenced until they have been sent, so that nobody may change them.
 * MQTT 3.x has no properties: they are left out.
 *
 * @param topicAlias - above 0: takes the place of `content.properties.topicAlias`
 * @param omitTopic - the Topic Alias stands for the topic
 * @param messageExpiryInterval - seconds, 0 and up: takes the place of the one in `content.properties`
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodePublish(
  writer: ByteWriter,
  version: ProtocolVersion,
  content: PublishContent,
  topicAlias: number = 0,
  omitTopic: boolean = false,
  messageExpiryInterval: number = -1,
): number {
  const estimate = writePublish(
    writer,
    version,
    content,
    content.packetId,
    topicAlias,
    omitTopic,
    messageExpiryInterval,
  )
  return writer.end(estimate, content.payload)
}

/** Throws what `encodePublish` would throw, whatever the packet id is. */
export function checkPublish(version: ProtocolVersion, content: PublishContent): void {
  writePublish(scratch, version, content, 1, 0, false, -1)
}

/**
 * Bytes that `encodePublish` would write, without limit.
 *
 * @throws OptionsError as `checkPublish` does
 */
export function publishSize(version: ProtocolVersion, content: PublishContent): number {
  const estimate = writePublish(scratch, version, content, 1, 0, false, -1)
  return scratch.measure(estimate, content.payload)
}

/** Everything before the payload. */
function writePublish(
  writer: ByteWriter,
  version: ProtocolVersion,
  content: PublishContent,
  packetId: number,
  topicAlias: number,
  omitTopic: boolean,
  messageExpiryInterval: number,
): number {
  const { topic, payload, qos, properties } = content
  checkQoS(writer, qos, 'qos', '3.3.1-4')
  if (qos === 0 && content.dup) throw writer.fault(0, 'dup', '3.3.1-2', 'false at QoS 0', true)
  if (!(payload instanceof Uint8Array)) throw writer.fault(0, 'payload', '3.3.3', 'a Uint8Array', payload)
  const estimate = topic.length + payload.length + 4
  writer.begin(
    0x30 | (content.dup ? 8 : 0) | (qos << 1) | (content.retain ? 1 : 0),
    estimate,
    payload.length < 4096 ? estimate : 16,
  )
  if (omitTopic || topic === '') {
    if (version !== 5 || (topicAlias === 0 && properties?.topicAlias === undefined)) {
      throw writer.fault(0, 'topic', '4.7.3-1', 'at least one character', topic)
    }
    writer.string('', 'topic')
  } else writer.string(topic, 'topic', '', '3.3.2-2')
  if (qos > 0) packetIdField(writer, packetId, '2.2.1-4')
  if (version === 5) {
    if (properties === undefined && topicAlias === 0 && messageExpiryInterval < 0) writer.u8(0)
    else writeProperties(writer, PUBLISH, properties, topicAlias, messageExpiryInterval)
  }
  return estimate
}

import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { ProtocolVersion, QoS, SubscribePacket, SubscriptionRequest } from './packet.ts'
import { PropertyPlace } from './property.ts'
import { readProperties } from './property-reader.ts'
import { writeProperties } from './property-writer.ts'
import { readPacketId, writePacketId } from './publish-acks.ts'
import { topicFilterFault } from './topic-rules.ts'

const NO_LOCAL = 4
const RETAIN_AS_PUBLISHED = 8

export function decodeSubscribe(reader: ByteReader): SubscribePacket {
  const packetId = readPacketId(reader, '2.2.1-3')
  const five = reader.version === 5
  const properties = {}
  const some = five && readProperties(reader, PropertyPlace.subscribe, properties)
  const filters: SubscriptionRequest[] = []
  do {
    const filter = readFilter(reader, '3.8.3-2')
    const options = reader.u8('Subscription Options', '3.8.3-1')
    const at = reader.position - 1
    if ((options & (five ? 0xc0 : 0xfc)) !== 0) {
      throw reader.fault(
        0x81,
        'Subscription Options',
        five ? '3.8.3-5' : '3.8.3-4',
        'have reserved bits set',
        at,
      )
    }
    const retainHandling = options >> 4
    if ((options & 3) === 3 || retainHandling === 3) {
      throw reader.fault(0x82, 'Subscription Options', five ? '3.8.3' : '3.8.3-4', 'have a value of 3', at)
    }
    const noLocal = (options & NO_LOCAL) !== 0
    if (noLocal && filter.startsWith('$share/')) {
      throw reader.fault(0x82, 'No Local', '3.8.3-4', 'is set on a Shared Subscription', at)
    }
    const qos = (options & 3) as QoS
    if (five) {
      const retainAsPublished = (options & RETAIN_AS_PUBLISHED) !== 0
      filters.push({ filter, qos, noLocal, retainAsPublished, retainHandling: retainHandling as 0 | 1 | 2 })
    } else filters.push({ filter, qos })
  } while (reader.position < reader.end)
  return { type: 'subscribe', packetId, filters, ...(some && { properties }) }
}

/** One Topic Filter of SUBSCRIBE or UNSUBSCRIBE. */
export function readFilter(reader: ByteReader, statement: string): string {
  const at = reader.position
  const filter = reader.string('Topic Filter', statement)
  const wrong = topicFilterFault(filter, reader.version === 5)
  if (wrong !== undefined) throw reader.fault(0x8f, 'Topic Filter', '4.7.1', `is not ${wrong}`, at)
  return filter
}

/**
 * Writes a SUBSCRIBE. MQTT 3.x has neither properties nor options but the QoS: they are left out.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeSubscribe(
  writer: ByteWriter,
  version: ProtocolVersion,
  packet: SubscribePacket,
): number {
  writer.begin(0x82, 32)
  writePacketId(writer, packet.packetId)
  if (version === 5) writeProperties(writer, PropertyPlace.subscribe, packet.properties)
  const { filters } = packet
  if (filters.length === 0) throw refusal('filters', 'at least one Topic Filter [MQTT-3.8.3-2]', 'none')
  for (let index = 0; index < filters.length; index++) writeRequest(writer, version, filters[index], index)
  return writer.end(32)
}

function writeRequest(
  writer: ByteWriter,
  version: ProtocolVersion,
  request: SubscriptionRequest | undefined,
  index: number,
): void {
  if (request === undefined) throw refusal(`filters[${index}]`, 'a subscription', request)
  const { filter, qos, noLocal = false, retainHandling = 0 } = request
  writeFilter(writer, version, filter, index)
  if (qos !== 0 && qos !== 1 && qos !== 2)
    throw refusal(`filters[${index}].qos`, '0, 1 or 2 [MQTT 5.0 §3.8.3.1]', qos)
  if (version !== 5) {
    writer.u8(qos)
    return
  }
  if (noLocal && filter.startsWith('$share/')) {
    throw refusal(`filters[${index}].noLocal`, 'false on a Shared Subscription [MQTT-3.8.3-4]', true)
  }
  if (retainHandling !== 0 && retainHandling !== 1 && retainHandling !== 2) {
    throw refusal(`filters[${index}].retainHandling`, '0, 1 or 2 [MQTT 5.0 §3.8.3.1]', retainHandling)
  }
  writer.u8(
    qos |
      (noLocal ? NO_LOCAL : 0) |
      (request.retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
      (retainHandling << 4),
  )
}

/** One Topic Filter of SUBSCRIBE or UNSUBSCRIBE, checked. */
export function writeFilter(
  writer: ByteWriter,
  version: ProtocolVersion,
  filter: string,
  index: number,
): void {
  writer.string(filter, `filters[${index}]`)
  const wrong = topicFilterFault(filter, version === 5)
  if (wrong !== undefined) throw refusal(`filters[${index}]`, wrong, filter)
}

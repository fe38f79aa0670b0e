import {
  checkQoS,
  type Encoder,
  encoder,
  type FieldStream,
  topicField,
  withProperties,
} from './field-stream.ts'
import type { ConnectPacket, ProtocolVersion, QoS, Will } from './packet.ts'
import { WILL as WILL_PROPERTIES } from './property.ts'

/** Of the Protocol Level. No part of MQTT, but what Mosquitto and its kin understand. */
const BRIDGE = 0x80
const USERNAME = 0x80
const PASSWORD = 0x40
const WILL_RETAIN = 0x20
const WILL_QOS = 0x18
const WILL = 0x04
const CLEAN_START = 0x02

/** A reader's version becomes the one that the packet asks for. */
export function connectLayout(stream: FieldStream, given: Partial<ConnectPacket>): ConnectPacket {
  if (!stream.reads) checkArguments(stream, given)
  const name = stream.string(stream.version === 3 ? 'MQIsdp' : 'MQTT', 'protocolName', '3.1.2-1')
  const level = stream.uint(1, stream.version | (given.bridge ? BRIDGE : 0), 'protocolVersion', '3.1.2-2')
  if (stream.reads) {
    if (!(name === 'MQTT' ? level === 4 || level === 5 : name === 'MQIsdp' && level === 3)) {
      throw stream.fault(0x84, 'protocolVersion', '3.1.2-2', '3, 4 or 5 with its Protocol Name', level)
    }
    stream.version = level as ProtocolVersion
  }
  const flags = flagsField(stream, given)
  const keepAlive = stream.uint(2, given.keepAlive, 'keepAlive', '3.1.2')
  const properties = stream.properties(given.properties)
  const packet: { -readonly [K in keyof ConnectPacket]: ConnectPacket[K] } = {
    type: 'connect',
    protocolVersion: stream.version as ProtocolVersion,
    cleanStart: (flags & CLEAN_START) !== 0,
    keepAlive,
    clientId: stream.string(given.clientId, 'clientId', '3.1.3-3'),
  }
  if ((flags & WILL) !== 0) packet.will = willFields(stream, given.will ?? {}, flags)
  if ((flags & USERNAME) !== 0) packet.username = stream.string(given.username, 'username', '3.1.3-12')
  if ((flags & PASSWORD) !== 0) packet.password = stream.binary(given.password, 'password', '3.1.3')
  return withProperties(packet, properties)
}

function flagsField(
  stream: FieldStream,
  { cleanStart, will, username, password }: Partial<ConnectPacket>,
): number {
  const path = 'connectFlags'
  const flags = stream.uint(
    1,
    (username === undefined ? 0 : USERNAME) |
      (password === undefined ? 0 : PASSWORD) |
      (will === undefined ? 0 : WILL | ((will.qos & 3) << 3) | (will.retain ? WILL_RETAIN : 0)) |
      (cleanStart ? CLEAN_START : 0),
    path,
    '3.1.2-3',
  )
  if ((flags & 1) !== 0) throw stream.fault(0x81, path, '3.1.2-3', 'no reserved bit', flags)
  checkQoS(stream, will === undefined ? (flags >> 3) & 3 : will.qos, 'will.qos', '3.1.2-12', 0x81)
  if ((flags & WILL) === 0 && (flags & (WILL_QOS | WILL_RETAIN)) !== 0) {
    const statement = (flags & WILL_QOS) === 0 ? '3.1.2-13' : '3.1.2-11'
    throw stream.fault(0x81, path, statement, 'nothing about a Will that is not there', flags)
  }
  if (stream.version !== 5 && (flags & (USERNAME | PASSWORD)) === PASSWORD) {
    throw stream.fault(0x81, 'password', '3.1.2-22', 'a user name with it', 'none')
  }
  return flags
}

function willFields(stream: FieldStream, given: Partial<Will>, flags: number): Will {
  const properties = stream.properties(given.properties, WILL_PROPERTIES)
  const topic = topicField(stream, given.topic, 'will.topic', '3.1.3-11', '4.7.0-1')
  const payload = stream.binary(given.payload, 'will.payload', '3.1.2-9')
  const qos = ((flags >> 3) & 3) as QoS
  return withProperties({ topic, payload, qos, retain: (flags & WILL_RETAIN) !== 0 }, properties)
}

/** What we must not send, though a server may see it. */
function checkArguments(stream: FieldStream, packet: Partial<ConnectPacket>): void {
  const { protocolVersion, clientId, cleanStart } = packet
  if (protocolVersion !== stream.version) {
    throw stream.fault(0, 'protocolVersion', '3.1.2-2', `${stream.version}`, protocolVersion)
  }
  if (stream.version === 3 && (!clientId || [...clientId].length > 23)) {
    throw stream.fault(0, 'clientId', '3.1.3', '1 to 23 characters in MQTT 3.1', clientId)
  }
  if (stream.version === 4 && !clientId && !cleanStart) {
    throw stream.fault(0, 'clientId', '3.1.3-7', 'at least one character when the session is kept', clientId)
  }
}

/**
 * Writes a CONNECT of the version that the packet names.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export const encodeConnect: Encoder<ConnectPacket> = /* @__PURE__ */ encoder(0x10, connectLayout)

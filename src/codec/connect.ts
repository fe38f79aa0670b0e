import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, refusal } from './byte-writer.ts'
import type { ConnectPacket, ProtocolVersion, QoS, Will } from './packet.ts'
import { PropertyPlace } from './property.ts'
import { readProperties } from './property-reader.ts'
import { integer, writeProperties } from './property-writer.ts'

/** Of the Protocol Level. No part of MQTT, but what Mosquitto and its kin understand. */
const BRIDGE = 0x80
const USERNAME = 0x80
const PASSWORD = 0x40
const WILL_RETAIN = 0x20
const WILL = 0x04
const CLEAN_START = 0x02

/** Reads a CONNECT and sets the reader's version to the one it asks for. */
export function decodeConnect(reader: ByteReader): ConnectPacket {
  const name = reader.string('Protocol Name', '3.1.2-1')
  const level = reader.u8('Protocol Level', '3.1.2-2')
  const protocolVersion = versionOf(name, level)
  if (protocolVersion === undefined)
    throw reader.fault(0x84, 'Protocol Name and Level', '3.1.2-2', 'are unknown')
  reader.version = protocolVersion
  const flags = reader.u8('Connect Flags', '3.1.2-3')
  const at = reader.position - 1
  const field = 'Connect Flags'
  const qos = (flags >> 3) & 3
  if ((flags & 1) !== 0) throw reader.fault(0x81, field, '3.1.2-3', 'have the reserved bit set', at)
  if (qos === 3)
    throw reader.fault(
      0x81,
      field,
      protocolVersion === 5 ? '3.1.2-12' : '3.1.2-14',
      'have a Will QoS of 3',
      at,
    )
  if ((flags & WILL) === 0 && (flags & (WILL_RETAIN | 0x18)) !== 0) {
    throw reader.fault(
      0x81,
      field,
      qos === 0 ? '3.1.2-13' : '3.1.2-11',
      'speak of a Will that is not there',
      at,
    )
  }
  if (protocolVersion !== 5 && (flags & PASSWORD) !== 0 && (flags & USERNAME) === 0) {
    throw reader.fault(0x81, field, '3.1.2-22', 'have a password without a user name', at)
  }
  const keepAlive = reader.u16('Keep Alive', '3.1.2')
  const properties = {}
  const some = protocolVersion === 5 && readProperties(reader, PropertyPlace.connect, properties)
  if (some && 'authenticationData' in properties && !('authenticationMethod' in properties)) {
    throw reader.fault(0x82, 'Authentication Data', '3.1.2', 'comes without a method')
  }
  const clientId = reader.string('Client Identifier', '3.1.3-3')
  const will = (flags & WILL) === 0 ? undefined : readWill(reader, flags)
  const username = (flags & USERNAME) === 0 ? undefined : reader.string('User Name', '3.1.3-12')
  const password = (flags & PASSWORD) === 0 ? undefined : reader.binary('Password', '3.1.3')
  reader.finish()
  return {
    type: 'connect',
    protocolVersion,
    cleanStart: (flags & CLEAN_START) !== 0,
    keepAlive,
    clientId,
    ...(will !== undefined && { will }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(some && { properties }),
  }
}

function versionOf(name: string, level: number): ProtocolVersion | undefined {
  if (name === 'MQTT' && (level === 4 || level === 5)) return level
  return name === 'MQIsdp' && level === 3 ? level : undefined
}

function readWill(reader: ByteReader, flags: number): Will {
  const properties = {}
  const some = reader.version === 5 && readProperties(reader, PropertyPlace.will, properties)
  const at = reader.position
  const topic = reader.string('Will Topic', '3.1.3-11', undefined, '4.7.0-1')
  if (topic === '') throw reader.fault(0x82, 'Will Topic', '4.7.3-1', 'is empty', at)
  const payload = reader.binary('Will Payload', '3.1.2-9')
  return {
    topic,
    payload,
    qos: ((flags >> 3) & 3) as QoS,
    retain: (flags & WILL_RETAIN) !== 0,
    ...(some && { properties }),
  }
}

/**
 * Writes a CONNECT of the version that the packet names.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodeConnect(writer: ByteWriter, version: ProtocolVersion, packet: ConnectPacket): number {
  const { protocolVersion, clientId, will, username, password, properties } = packet
  if (protocolVersion !== version)
    throw refusal('protocolVersion', `${version}, as the connection has`, protocolVersion)
  checkConnect(packet)
  writer.begin(0x10, 64)
  writer.string(version === 3 ? 'MQIsdp' : 'MQTT', '')
  writer.u8(packet.bridge === true ? version | BRIDGE : version)
  writer.u8(
    (username === undefined ? 0 : USERNAME) |
      (password === undefined ? 0 : PASSWORD) |
      (will === undefined ? 0 : WILL | (will.qos << 3) | (will.retain ? WILL_RETAIN : 0)) |
      (packet.cleanStart ? CLEAN_START : 0),
  )
  writer.u16(integer(packet.keepAlive, 'keepAlive', 0, 65_535))
  if (version === 5) writeProperties(writer, PropertyPlace.connect, properties)
  writer.string(clientId, 'clientId')
  if (will !== undefined) {
    if (version === 5) writeProperties(writer, PropertyPlace.will, will.properties)
    writer.string(will.topic, 'will.topic', true)
    writer.binary(will.payload, 'will.payload')
  }
  if (username !== undefined) writer.string(username, 'username')
  if (password !== undefined) writer.binary(password, 'password')
  return writer.end(64)
}

function checkConnect({
  protocolVersion,
  clientId,
  cleanStart,
  will,
  username,
  password,
  properties,
}: ConnectPacket): void {
  if (protocolVersion === 3 && (clientId === '' || [...clientId].length > 23)) {
    throw refusal('clientId', '1 to 23 characters, as MQTT 3.1 asks for', clientId)
  }
  if (protocolVersion === 4 && clientId === '' && !cleanStart) {
    throw refusal('clientId', 'a Client Identifier when the session is kept [MQTT-3.1.3-7]', clientId)
  }
  if (protocolVersion !== 5 && password !== undefined && username === undefined) {
    throw refusal('password', 'a user name with the password [MQTT-3.1.2-22]', 'none')
  }
  if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw refusal(
      'properties.authenticationMethod',
      'a method for the Authentication Data [MQTT 5.0 §3.1.2.11.10]',
      undefined,
    )
  }
  if (will === undefined) return
  if (will.qos !== 0 && will.qos !== 1 && will.qos !== 2)
    throw refusal('will.qos', '0, 1 or 2 [MQTT-3.1.2-12]', will.qos)
  if (will.topic === '')
    throw refusal('will.topic', 'a Topic Name of at least one character [MQTT-4.7.3-1]', will.topic)
}

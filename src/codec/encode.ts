import { encodeAuth } from './auth.ts'
import { ByteWriter } from './byte-writer.ts'
import { concat } from './bytes.ts'
import { encodeConnack } from './connack.ts'
import { encodeConnect } from './connect.ts'
import { encodeDisconnect } from './disconnect.ts'
import { encoder, type Layout } from './field-stream.ts'
import { LAYOUTS } from './layouts.ts'
import type { AckPacket, Packet, ProtocolVersion } from './packet.ts'
import { CONNECT, PACKET_TYPES, PUBACK, PUBCOMP, requiredFlags } from './packet-type.ts'
import { encodePingreq, encodePingresp } from './ping.ts'
import { encodePublish } from './publish.ts'
import { encodeAck } from './publish-acks.ts'
import { encodeSuback } from './suback.ts'
import { encodeSubscribe } from './subscribe.ts'
import { encodeUnsuback } from './unsuback.ts'
import { encodeUnsubscribe } from './unsubscribe.ts'

// Whoever writes packets needs several of these, so that this file is where all of them are found.
export {
  encodeAck,
  encodeAuth,
  encodeConnack,
  encodeConnect,
  encodeDisconnect,
  encodePingreq,
  encodePingresp,
  encodePublish,
  encodeSuback,
  encodeSubscribe,
  encodeUnsuback,
  encodeUnsubscribe,
}

/**
 * Writes a packet of any type.
 *
 * @returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`
 * @throws OptionsError for what MQTT forbids; nothing is written then
 */
export function encodePacket(writer: ByteWriter, version: ProtocolVersion, packet: Packet): number {
  const { type } = packet
  const number = PACKET_TYPES.indexOf(type)
  if (type === 'publish') return encodePublish(writer, version, packet)
  if (number >= PUBACK && number <= PUBCOMP) {
    const { packetId, reasonCode, properties } = packet as AckPacket
    return encodeAck(writer, version, type as AckPacket['type'], packetId, reasonCode, properties)
  }
  if (number < CONNECT) throw writer.fault(0, 'type', '2.1.2', 'a packet type', type)
  const layout = LAYOUTS[type as keyof typeof LAYOUTS] as Layout<Packet>
  return encoder((number << 4) | requiredFlags(number), layout)(writer, version, packet)
}

export interface EncodeOptions {
  /** @default 5; for CONNECT its own `protocolVersion` */
  readonly protocolVersion?: ProtocolVersion
  /** Who sends it: a client must not send Subscription Identifiers in PUBLISH. @default 'client' */
  readonly from?: 'client' | 'server'
  /** Bytes, fixed header included. @default 268,435,460, the largest that MQTT can express */
  readonly maximumPacketSize?: number
}

/**
 * One packet as bytes.
 *
 * @throws OptionsError for what MQTT forbids, and for a packet above `maximumPacketSize`
 */
export function encode(packet: Packet, options: EncodeOptions = {}): Uint8Array {
  const version = options.protocolVersion ?? (packet.type === 'connect' ? packet.protocolVersion : 5)
  const writer = new ByteWriter(options.from)
  writer.maximumPacketSize = options.maximumPacketSize ?? writer.maximumPacketSize
  const size = encodePacket(writer, version, packet)
  if (size === 0)
    throw writer.fault(0, 'packet', '3.1.2-24', `${writer.maximumPacketSize} bytes at most`, packet.type)
  return concat(writer.take())
}

import { type DecodedPacket, type Packet, PublishPacket } from 'mqtt-await/codec'

/** A decoded packet as the plain value that an encoder would be given. */
export function plain(packet: DecodedPacket | undefined): Packet | undefined {
  if (!(packet instanceof PublishPacket)) return packet
  const { type, topic, payload, qos, retain, dup, packetId, properties } = packet
  const some = Object.keys(properties).length > 0
  return { type, topic, payload, qos, retain, dup, packetId, ...(some && { properties }) }
}

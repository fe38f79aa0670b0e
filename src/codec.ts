/**
 * MQTT packets to bytes and back, for 5.0, 3.1.1 and 3.1: no I/O, no timers, nothing but `Uint8Array`.
 */

export { encodeAuth } from './codec/auth.ts'
export { ByteWriter, LARGEST_PACKET } from './codec/byte-writer.ts'
export { encodeConnack } from './codec/connack.ts'
export { encodeConnect } from './codec/connect.ts'
export {
  type DecodedPacket,
  type DecodeOptions,
  type DecoderOptions,
  decode,
  PacketDecoder,
} from './codec/decoder.ts'
export { encodeDisconnect } from './codec/disconnect.ts'
export { type EncodeOptions, encode, encodePacket } from './codec/encode.ts'
export type {
  AckPacket,
  AckProperties,
  AuthPacket,
  AuthProperties,
  ConnackPacket,
  ConnackProperties,
  ConnectPacket,
  ConnectProperties,
  DisconnectPacket,
  DisconnectProperties,
  Packet,
  PingreqPacket,
  PingrespPacket,
  ProtocolVersion,
  PublishContent,
  PublishFields,
  PublishProperties,
  QoS,
  SubackPacket,
  SubscribePacket,
  SubscriptionRequest,
  UnsubackPacket,
  UnsubscribePacket,
  UserProperties,
  Will,
  WillProperties,
} from './codec/packet.ts'
export { encodePingreq, encodePingresp } from './codec/ping.ts'
export {
  checkPublish,
  encodePublish,
  type PublishClass,
  PublishPacket,
  publishSize,
} from './codec/publish.ts'
export { encodeAck } from './codec/publish-acks.ts'
export { encodeSuback } from './codec/suback.ts'
export { encodeSubscribe } from './codec/subscribe.ts'
export { encodeUnsuback } from './codec/unsuback.ts'
export { encodeUnsubscribe } from './codec/unsubscribe.ts'
export { OptionsError, ProtocolError } from './errors.ts'

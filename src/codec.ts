/**
 * MQTT packets to bytes and back, for 5.0, 3.1.1 and 3.1: no I/O, no timers, nothing but `Uint8Array`.
 */

export { ByteWriter, LARGEST_PACKET } from './codec/byte-writer.ts'
export {
  type DecodedPacket,
  type DecodeOptions,
  type DecoderOptions,
  decode,
  PacketDecoder,
} from './codec/decoder.ts'
export {
  type EncodeOptions,
  encode,
  encodeAck,
  encodeAuth,
  encodeConnack,
  encodeConnect,
  encodeDisconnect,
  encodePacket,
  encodePingreq,
  encodePingresp,
  encodePublish,
  encodeSuback,
  encodeSubscribe,
  encodeUnsuback,
  encodeUnsubscribe,
} from './codec/encode.ts'
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
export { checkPublish, type PublishClass, PublishPacket, publishSize } from './codec/publish.ts'
export { OptionsError, ProtocolError } from './errors.ts'

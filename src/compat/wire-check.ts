import { encode } from '../codec/encode.ts'
import type { Packet, PublishContent } from '../codec/packet.ts'
import { checkPublish } from '../codec/publish.ts'
import { OptionsError } from '../errors.ts'
import type { MQTTProtocolVersion } from './enums.ts'
import { ValueError } from './errors.ts'

/** Throws `ValueError` for a packet that MQTT forbids, before anything is changed for its sake. */
export function checkPacket(packet: Packet, protocol: MQTTProtocolVersion): void {
  asValueError(() => encode(packet, { protocolVersion: protocol }))
}

/** The same for a message, without writing it. */
export function checkMessage(message: PublishContent, protocol: MQTTProtocolVersion): void {
  asValueError(() => checkPublish(protocol, message))
}

function asValueError(check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (error instanceof OptionsError) throw new ValueError(error.message, { cause: error })
    throw error
  }
}

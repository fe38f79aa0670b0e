import { ByteWriter } from '../codec/byte-writer.ts'
import { giveBack } from '../codec/chunk-pool.ts'
import type { AckPacket, AckProperties, Packet, ProtocolVersion } from '../codec/packet.ts'
import { encodeAck } from '../codec/publish-acks.ts'
import type { PacketTrace } from './sink.ts'

/** Where everything that is sent goes: the block of bytes that the driver takes, and the trace if somebody watches. */
export class Wire {
  readonly output: ByteWriter = new ByteWriter('client')
  trace: PacketTrace | undefined = undefined

  /** Writes an acknowledgement; Reason String and User Properties give way where they would not fit. [MQTT-3.4.2-2] [MQTT-3.4.2-3] */
  ack(
    version: ProtocolVersion,
    type: AckPacket['type'],
    packetId: number,
    reasonCode: number,
    properties?: AckProperties,
  ): void {
    const written = encodeAck(this.output, version, type, packetId, reasonCode, properties)
    if (written === 0) encodeAck(this.output, version, type, packetId, reasonCode)
    if (this.trace !== undefined) this.sent({ type, packetId, reasonCode })
  }

  /** For whoever has written a packet. On paths that matter the caller asks for `trace` before it makes the packet. */
  sent(packet: Packet): void {
    this.trace?.onPacketSent(packet)
  }

  /** Forgets what has not been taken: it belongs to a connection that is gone. */
  discard(): void {
    if (!this.output.isEmpty) giveBack(this.output.lend())
  }
}

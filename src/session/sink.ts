import type { AckProperties, ConnackPacket, DisconnectPacket, Packet } from '../codec/packet.ts'
import type { MqttError } from '../errors.ts'
import type { FilterResult } from './command.ts'
import type { InboundMessage } from './inbound-message.ts'
import type { Limits } from './limits.ts'
import type { OutboundMessage } from './outbound-message.ts'

/** How a publication ended well: with which answer. At QoS 0 there is none. */
export interface PublishOutcome {
  /** 0 = success, 0x10 = no matching subscribers. */
  readonly reasonCode: number
  readonly properties: AckProperties | undefined
}

/**
 * What the session tells its driver, as direct calls. The session's own state is complete before each call
 * ("state first, sink last"). A sink must not throw, must not run user code, and must not call back into the session:
 * it records, and acts when the input has returned.
 */
export interface SessionSink {
  /** CONNACK with success: the session is online. Pending work has been written to the output already. */
  onConnected(limits: Limits, connack: ConnackPacket): void
  /**
   * The connection is over for the session, or must be made so: the driver writes what is in `output`, then closes the
   * transport. `error` says why; absent after `disconnect`. The session is offline already and accepts `connect`.
   */
  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void
  /** A message for the application. What is owed for it is paid by `session.acknowledge`. */
  onMessage(message: InboundMessage): void
  /** Exactly once per QoS 1/2 message given to `publish`, and per QoS 0 message that had to wait. */
  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void
  /** The first PUBLISH of a message that had to wait was written. */
  onSent(message: OutboundMessage): void
  /** What SUBACK said about filters that were renewed because the server had no session. */
  onResubscribed(results: readonly FilterResult[]): void
  /** The server had no session although this side had one: messages may have been missed. */
  onSessionLost(): void
  /** AUTH 0x18: ask the authenticator, answer with `session.authenticate`. */
  onAuthenticate(data: Uint8Array | undefined): void
  /** A re-authentication was accepted; `data` is what the server's last AUTH carried (the driver verifies it). */
  onReauthenticated(data: Uint8Array | undefined): void
  /** A PINGRESP for a ping that was asked for with `session.ping`. */
  onPong(): void
}

/** Sees every packet when set; costs one branch when not. */
export interface PacketTrace {
  onPacketSent(packet: Packet): void
  onPacketReceived(packet: Packet): void
}

import type { DisconnectPacket, Packet } from '../codec/packet.ts'
import type { MqttError } from '../errors.ts'
import type { ConnectionInfo } from './connection-info.ts'
import type { AnyMessage } from './message.ts'
import type { Publication } from './publication.ts'
import type { ClosedInfo, StateChange } from './state.ts'

/** What was dropped, and why. */
export interface Dropped {
  /** A received message that no consumer will see. */
  readonly message?: AnyMessage
  /** A publication that the limits of the queue cost. */
  readonly publication?: Publication
  readonly reason: string
}

/** The events of a client. A listener that throws is reported as `error` and disturbs nobody else. */
export interface ClientEvents {
  /** CONNACK with success, at each connection. */
  connect: (info: ConnectionInfo) => void
  /** A connection is over: as asked (no error), or lost. `packet` is the server's DISCONNECT (MQTT 5). */
  disconnect: (error: MqttError | undefined, packet: DisconnectPacket | undefined) => void
  /** Another attempt follows after `delayMs`. */
  reconnecting: (next: {
    readonly attempt: number
    readonly delayMs: number
    readonly cause: MqttError
  }) => void
  state: (change: StateChange) => void
  /** Every received message. Listening makes the client a consumer of all of them; they are acknowledged when the listeners have returned. */
  message: (message: AnyMessage) => void
  dropped: (what: Dropped) => void
  /** The server had lost the session: messages may be missing before the next ones. */
  gap: () => void
  /** A failure that no promise carries. Nothing happens when nobody listens. */
  error: (error: MqttError) => void
  /** Every packet, as values. Costs nothing when nobody listens. */
  packetsend: (packet: Packet) => void
  packetreceive: (packet: Packet) => void
  /** The client has ended. Last event. */
  close: (info: ClosedInfo) => void
}

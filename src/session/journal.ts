import type { ProtocolVersion } from '../codec/packet.ts'
import type { PublishClass } from '../codec/publish.ts'
import type { Backlog } from './backlog.ts'
import type { InboundFlow } from './inbound-flow.ts'
import type { InboundMessage } from './inbound-message.ts'
import type { OutboundMessage } from './outbound-message.ts'
import type { HeldMessage } from './release-flow.ts'

/**
 * What the session tells a durable store, as direct calls in the order in which things happen. A journal only records
 * them (in memory, as bytes) during the call; the driver flushes it before it writes the bytes of the same turn:
 * what depends on a record leaves only after its flush. Without a journal none of this is called.
 */
export interface Journal {
  /** Where publications wait that are too many for memory; undefined = all of them stay there. */
  readonly backlog?: Backlog | undefined
  /** QoS 1 or 2 taken into the outbox, or (stage `spilled`) kept here alone. `message.packetId` is 0 while it has not been sent. */
  published(message: OutboundMessage): void
  /** A PUBLISH with `message.packetId` is about to leave for the first time under this id. */
  sent(message: OutboundMessage): void
  /** PUBREC received: only PUBREL will be sent from now on. The order of these calls is the order of PUBRELs. */
  released(message: OutboundMessage): void
  /** Over, whatever the outcome. */
  settled(message: OutboundMessage): void
  /** QoS 2 from the server: the application has finished with it; its PUBREC is about to leave. */
  received(packetId: number): void
  /**
   * QoS 2 from the server that is delivered at its PUBREL: its PUBREC is about to leave. Takes the place of an earlier one with
   * this packet id. Ends with `completed`.
   */
  held(message: HeldMessage): void
  /**
   * QoS 2 from the server: PUBREL received, and the application has finished with the message; its PUBCOMP is about to
   * leave.
   */
  completed(packetId: number): void
  /** The facts about the session itself changed (at each CONNACK and at each loss of a connection). */
  session(record: SessionRecord): void
  /** The server has no session: all `received` ids and `held` messages are void. Publications follow as `sent` or `settled` calls. */
  sessionLost(): void
}

/** Facts about the session that a later process needs. */
export interface SessionRecord {
  /** The one in use: Assigned Client Identifier included. */
  readonly clientId: string
  readonly protocolVersion: ProtocolVersion
  /** Seconds the server keeps the session after the connection is lost; 0xFFFFFFFF = for ever. */
  readonly sessionExpiryInterval: number
  /** Milliseconds since the epoch at which this was true last (connection made or lost). */
  readonly at: number
  /** A connection was made at `at`, and its end is not on record. */
  readonly connected: boolean
}

/** What a store gives back when a session is taken up again. */
export interface RestoredSession {
  readonly session: SessionRecord | undefined
  /** The highest sequence number that was in use: new ones go on from there. */
  readonly lastSequence: number
  /** In the order of their sequence numbers. Those that are left in the backlog are later ones. */
  readonly publications: readonly OutboundMessage[]
  /** Payload bytes of each publication in the backlog. */
  readonly spilled?: Iterable<number> | undefined
  /** Those of `publications` whose PUBREC has been received, in the order of the PUBRECs. */
  readonly released: readonly OutboundMessage[]
  /** Packet ids of received QoS 2 messages that the application has finished with. */
  readonly received: readonly number[]
  /** The receiver's side that goes on with `held` messages (`ReleaseFlow.holding`); absent when there are none. */
  readonly inbound?: ((publishClass: PublishClass<InboundMessage>) => InboundFlow) | undefined
}

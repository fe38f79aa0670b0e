import type { AckProperties } from '../codec/packet.ts'
import { PublishPacket, type PublishSource } from '../codec/publish.ts'

/** Where the acknowledgement of a received message stands. */
export const AckState = {
  /** QoS 0, or its connection and session are gone: nothing is owed. */
  none: 0,
  /** The application has it. */
  owed: 1,
  /** The application has finished; the acknowledgement waits for earlier ones, or for the next connection. */
  ready: 2,
  /** PUBACK or PUBREC has been written; PUBCOMP for a message that was delivered at its PUBREL. */
  written: 3,
  /** QoS 2 that is delivered at its PUBREL: PUBREC has been written, and the application has not got it yet. */
  held: 4,
} as const
export type AckState = (typeof AckState)[keyof typeof AckState]

/**
 * A PUBLISH from the server with the state of its acknowledgement. The decoder makes instances of the class that the
 * session was given, so that the client's message is this very object: one allocation per message.
 */
export class InboundMessage extends PublishPacket {
  ackState: AckState = AckState.none
  /** Reason code to acknowledge with. */
  ackReasonCode: number = 0
  /** Properties to acknowledge with; dropped where they would not fit. */
  ackProperties: AckProperties | undefined = undefined
  /** The first message delivered after a session was lost: others may be missing before it. */
  afterGap: boolean = false

  constructor(payload: Uint8Array, source: PublishSource) {
    super(payload, source)
  }
}

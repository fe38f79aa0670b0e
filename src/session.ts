/**
 * The MQTT session machine without I/O, for those who bring their own: see `Session`.
 */
export type {
  ConnectRequest,
  DisconnectRequest,
  FilterResult,
  Millis,
  SubscribeCommand,
  SubscribeOutcome,
  UnsubscribeCommand,
} from './session/command.ts'
export { AckState, InboundMessage } from './session/inbound-message.ts'
export type { Journal, RestoredSession, SessionRecord } from './session/journal.ts'
export type { Limits } from './session/limits.ts'
export { MessageExpiry, OutboundMessage, Stage } from './session/outbound-message.ts'
export type { Phase } from './session/phase.ts'
export type { HeldMessage } from './session/release-flow.ts'
export { Session, type SessionConfig } from './session/session.ts'
export type { PacketTrace, PublishOutcome, SessionSink } from './session/sink.ts'

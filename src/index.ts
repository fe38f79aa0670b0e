export type {
  AuthenticationContext,
  AuthenticationData,
  Authenticator,
} from './client/authentication/authenticator.ts'
export { type BearerOptions, type BearerToken, bearerAuthenticator } from './client/authentication/bearer.ts'
export { type ScramOptions, scramAuthenticator } from './client/authentication/scram.ts'
export type { ReconnectDelay, ReconnectOptions } from './client/backoff.ts'
export {
  Client,
  type ConnectOptions,
  type DisconnectOptions,
  type WaitOptions,
} from './client/client.ts'
export type { ConnectionInfo } from './client/connection-info.ts'
export type { ClientEvents, Dropped } from './client/events.ts'
export type { FilterOptions } from './client/filter-options.ts'
export type {
  FailureVerdict,
  HandleOptions,
  HandlerContext,
  Handling,
  HandlingCloseOptions,
  MessageHandler,
} from './client/handling.ts'
export type { LogEntry, LogHook } from './client/log.ts'
export { Message } from './client/message.ts'
export type { FilterRequest, SubscribeOptions, UnsubscribeOutcome } from './client/message-router.ts'
export type {
  ClientOptions,
  ConnectAttempt,
  ConnectionOverrides,
  QueueOptions,
  WillOptions,
} from './client/options.ts'
export type { Payload } from './client/payload.ts'
export type { Publication, PublicationState, PublishOptions, PublishOutcome } from './client/publication.ts'
export type { PublishItem } from './client/publish-from.ts'
export {
  CONNACK_CLASSES,
  classOf,
  DISCONNECT_CLASSES,
  type ReasonClass,
  type ReasonClasses,
} from './client/reason-class.ts'
export type { RequestOptions } from './client/requester.ts'
export type { RequestHandler, RespondOptions, Response, ResponseWithOptions } from './client/responder.ts'
export type { RetryOptions } from './client/retry.ts'
export type { StandardSchema } from './client/schema.ts'
export {
  CLIENT_TRANSITIONS,
  type ClientState,
  type ClientTransition,
  type ClosedInfo,
  clientDiagram,
  type DisconnectReport,
  type StateChange,
} from './client/state.ts'
export type { ClientStats } from './client/stats.ts'
export type { FilterOutcome, Subscription, SubscriptionOptions, TakeOptions } from './client/subscription.ts'
export { type TopicParams, TypedTopic, type TypedTopicOptions, topic } from './client/typed-topic.ts'
export type { UserPropertiesInput } from './client/user-properties.ts'
export type {
  AckProperties,
  ConnackProperties,
  DisconnectPacket,
  Packet,
  ProtocolVersion,
  PublishProperties,
  QoS,
  SubscriptionRequest,
  UserProperties,
} from './codec/packet.ts'
export {
  ClosedError,
  ConnectError,
  ConnectionLostError,
  MqttError,
  type MqttErrorDetails,
  OptionsError,
  ProtocolError,
  PublishError,
  QueueFullError,
  SessionLostError,
  StoreError,
  SubscribeError,
  TimeoutError,
  UnsubscribeError,
} from './errors.ts'
export type { Limits } from './session/limits.ts'
export type { CustomTransport } from './transport/custom.ts'
export type { SocketOptions, TlsOptions, TransportOptions, WebSocketOptions } from './transport/settings.ts'
export type { OpenContext, Transport, TransportHandler } from './transport/transport.ts'

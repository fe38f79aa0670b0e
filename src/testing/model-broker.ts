import type {
  ConnackProperties,
  ConnectPacket,
  ProtocolVersion,
  PublishProperties,
  QoS,
  Will,
} from '../codec/packet.ts'
import { matchesFilter } from '../topic/match.ts'
import { filterPattern, isSharedFilter } from '../topic/topic-filter.ts'
import { BrokerConnection } from './broker-connection.ts'
import {
  type BrokerMessage,
  type BrokerSession,
  type BrokerSubscription,
  type Delivery,
  makeDelivery,
} from './broker-session.ts'

/** Something a client did that MQTT forbids, as the broker saw it. */
export interface Violation {
  readonly clientId: string
  /** The broken statement: `MQTT-3.3.4-7`, or a section number. */
  readonly statement: string
  readonly message: string
}

/** What the server says in an exchange of enhanced authentication. */
export interface AuthenticationStep {
  readonly data?: Uint8Array
  /** 0x18 = goes on; 0x00 = accepted; 0x80 and up = refused. */
  readonly reasonCode: number
}

/** How the model broker behaves. Everything is optional; the default is a broker that offers all of MQTT and refuses nothing. */
export interface ModelBrokerOptions {
  /** Protocol versions it speaks. @default [3, 4, 5] */
  readonly versions?: readonly ProtocolVersion[]
  /** Receive Maximum it announces on MQTT 5.0. @default 65535 */
  readonly receiveMaximum?: number
  /** QoS 1 and 2 messages that it sends to a 3.x client before it waits for acknowledgements. @default 20 */
  readonly window?: number
  /** @default 2 */
  readonly maximumQoS?: QoS
  /** @default true */
  readonly retainAvailable?: boolean
  /** Bytes. @default none */
  readonly maximumPacketSize?: number
  /** Topic aliases it accepts. @default 0 */
  readonly topicAliasMaximum?: number
  /** Seconds; overrides what the client asks for. */
  readonly serverKeepAlive?: number
  /** Seconds; sessions are not kept longer, whatever the client asks for. */
  readonly maximumSessionExpiry?: number
  /** @default true */
  readonly wildcardSubscriptionAvailable?: boolean
  /** @default true */
  readonly subscriptionIdentifiersAvailable?: boolean
  /** @default true */
  readonly sharedSubscriptionAvailable?: boolean
  /** When a message matches several subscriptions of a client: one copy for all, or one for each. [MQTT-3.3.4-2] @default 'one' */
  readonly overlapping?: 'one' | 'each'
  /** Reason code for a CONNECT; 0 = accepted. */
  readonly authenticate?: (packet: ConnectPacket) => number
  /** Properties to add to a CONNACK: Server Reference, Reason String and the like. */
  readonly connackProperties?: (packet: ConnectPacket, reasonCode: number) => ConnackProperties
  /** Enhanced authentication: the method, and what is said to the client's data of each step (0 = that of CONNECT or AUTH 0x19). */
  readonly authenticationMethod?: string
  readonly authenticationStep?: (step: number, data: Uint8Array | undefined) => AuthenticationStep
  /** Reason code for a PUBLISH; 0x80 and up refuse it on MQTT 5.0. */
  readonly authorizePublish?: (message: BrokerMessage) => number
  /** Reason code for a filter; 0x80 and up refuse it, anything else is the highest QoS to grant. */
  readonly authorizeSubscribe?: (filter: string, qos: QoS) => number
  /** Milliseconds until an acknowledgement is written. @default 0 */
  readonly replyDelayMs?: () => number
  /** Whether a PUBLISH that might use a topic alias does. @default always */
  readonly useTopicAlias?: () => boolean
  /** Sees each application message that a client has published and the broker has taken, duplicates sorted out. */
  readonly onAccepted?: (message: BrokerMessage) => void
  /** Sees each copy of a message that is made for a client: sent at once or queued. */
  readonly onDelivery?: (clientId: string, delivery: Delivery) => void
  /** Sees each breach of the protocol by a client; the connection is closed. Also kept in `violations`. */
  readonly onViolation?: (violation: Violation) => void
}

export interface BrokerPublishOptions {
  readonly qos?: QoS
  readonly retain?: boolean
  readonly properties?: PublishProperties
}

/**
 * An MQTT 3.1, 3.1.1 and 5.0 server without I/O: a model to test clients against. It keeps sessions, retained
 * messages, wills and shared subscriptions, honours what clients ask for, and is strict about what they send:
 * each breach is recorded as a `Violation`, and ends the connection with the reason code that MQTT 5.0 names.
 *
 * It knows no socket and no clock. For each connection, `connect` gives a `BrokerConnection`: feed it what arrives, write
 * what its `take()` returns, and close the transport when `isClosing`. After each call on anything of the broker, look at the output
 * of *all* connections (a message for one client comes in through another), and call `expire` when
 * `nextDeadline` has come.
 *
 *     const broker = new ModelBroker()
 *     const connection = broker.connect(now)
 *     connection.receive(bytes, now)
 *     write(connection.take())
 *
 * Times are milliseconds of any clock that does not run backwards.
 */
export class ModelBroker {
  readonly options: ModelBrokerOptions
  readonly sessions: Map<string, BrokerSession> = new Map()
  readonly connections: Set<BrokerConnection> = new Set()
  readonly retained: Map<string, BrokerMessage> = new Map()
  readonly violations: Violation[] = []
  #assigned = 0
  /** Whose turn it is in each shared subscription. */
  readonly #turns = new Map<string, number>()

  constructor(options: ModelBrokerOptions = {}) {
    this.options = options
  }

  /** A new network connection. */
  connect(now: number): BrokerConnection {
    const connection = new BrokerConnection(this, now)
    this.connections.add(connection)
    return connection
  }

  /** Publishes a message of the broker's own. */
  publish(topic: string, payload: Uint8Array, now: number, options: BrokerPublishOptions = {}): void {
    const properties = options.properties ?? {}
    const expiry = properties.messageExpiryInterval
    this.route(
      {
        topic,
        payload,
        qos: options.qos ?? 0,
        retain: options.retain ?? false,
        properties,
        expiresAt: expiry === undefined ? Number.POSITIVE_INFINITY : now + expiry * 1000,
        from: undefined,
      },
      now,
    )
  }

  /** Ends the process and starts it again: every connection is gone without a word. Sessions and retained messages survive if asked. */
  restart(keepSessions: boolean, now: number): void {
    for (const connection of [...this.connections]) connection.abort(now)
    if (keepSessions) return
    this.sessions.clear()
    this.retained.clear()
    this.#turns.clear()
  }

  /** The time of the next thing that happens by itself; Infinity = none. */
  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const connection of this.connections) next = Math.min(next, connection.nextDeadline())
    for (const session of this.sessions.values()) next = Math.min(next, session.endsAt, session.willAt)
    return next
  }

  /** Does what is due: delayed acknowledgements, keep-alive, ends of sessions, wills. */
  expire(now: number): void {
    for (const connection of [...this.connections]) connection.expire(now)
    for (const session of [...this.sessions.values()]) {
      if (session.endsAt <= now) this.endSession(session, now)
      else if (session.willAt <= now) this.publishWill(session, now)
    }
  }

  /** The connection that a session is used by. */
  connectionOf(clientId: string): BrokerConnection | undefined {
    for (const connection of this.connections)
      if (connection.isOpen && connection.clientId === clientId) return connection
    return undefined
  }

  /** For the connections: records a breach of the protocol. */
  violation(violation: Violation): void {
    this.violations.push(violation)
    this.options.onViolation?.(violation)
  }

  /** For the connections: a Client Identifier for a client that has none. [MQTT-3.1.3-6] */
  assignClientId(): string {
    do this.#assigned++
    while (this.sessions.has(`model-${this.#assigned}`))
    return `model-${this.#assigned}`
  }

  /** For the connections: removes a session with everything in it; its waiting will is sent. [MQTT-3.1.2-8] */
  endSession(session: BrokerSession, now: number): void {
    this.sessions.delete(session.clientId)
    if (session.will !== undefined) this.publishWill(session, now)
  }

  publishWill(session: BrokerSession, now: number): void {
    const will = session.will
    session.will = undefined
    session.willAt = Number.POSITIVE_INFINITY
    if (will !== undefined) this.route(willMessage(will, session.clientId, now), now)
  }

  /** For the connections: a message for everyone who has asked for it. Answers how many sessions that are. */
  route(message: BrokerMessage, now: number): number {
    if (message.retain) {
      if (message.payload.length === 0) this.retained.delete(message.topic)
      else this.retained.set(message.topic, message)
    }
    let receivers = 0
    for (const session of this.sessions.values()) {
      const subscriptions = session.matching(message)
      if (subscriptions.length === 0) continue
      receivers++
      this.#deliver(session, message, subscriptions, now)
    }
    return receivers + this.#routeShared(message, now)
  }

  /** For the connections: the retained messages for a new subscription. [MQTT-3.3.1-9] */
  sendRetained(session: BrokerSession, subscription: BrokerSubscription, now: number): void {
    for (const message of this.retained.values()) {
      if (message.expiresAt <= now || !matchesFilter(subscription.filter, message.topic)) continue
      if (subscription.noLocal && message.from === session.clientId) continue
      this.#enqueue(session, makeDelivery(message, [subscription], true), now)
    }
  }

  #deliver(
    session: BrokerSession,
    message: BrokerMessage,
    subscriptions: readonly BrokerSubscription[],
    now: number,
  ): void {
    const groups = this.options.overlapping === 'each' ? subscriptions.map((one) => [one]) : [subscriptions]
    for (const group of groups) {
      const retain = message.retain && group.some((subscription) => subscription.retainAsPublished)
      this.#enqueue(session, makeDelivery(message, group, retain), now)
    }
  }

  #enqueue(session: BrokerSession, delivery: Delivery, now: number): void {
    this.options.onDelivery?.(session.clientId, delivery)
    const connection = this.connectionOf(session.clientId)
    // QoS 0 for a client that is away is dropped; MQTT leaves it to the server. [MQTT 5.0 §4.1]
    if (delivery.qos > 0) session.queue.push(delivery)
    else connection?.sendQoS0(delivery, now)
    connection?.pump(now)
  }

  /** One session of each group gets the message, in turn, those that are connected first. [MQTT 5.0 §4.8.2] */
  #routeShared(message: BrokerMessage, now: number): number {
    const groups = new Map<string, { session: BrokerSession; subscription: BrokerSubscription }[]>()
    for (const session of this.sessions.values()) {
      for (const subscription of session.subscriptions.values()) {
        const filter = subscription.filter
        if (!isSharedFilter(filter) || !matchesFilter(filterPattern(filter), message.topic)) continue
        const members = groups.get(filter)
        if (members === undefined) groups.set(filter, [{ session, subscription }])
        else members.push({ session, subscription })
      }
    }
    for (const [filter, members] of groups) {
      const present = members.filter(({ session }) => this.connectionOf(session.clientId) !== undefined)
      const candidates = present.length > 0 ? present : members
      const turn = this.#turns.get(filter) ?? 0
      this.#turns.set(filter, turn + 1)
      const chosen = candidates[turn % candidates.length]
      if (chosen !== undefined) this.#deliver(chosen.session, message, [chosen.subscription], now)
    }
    return groups.size
  }
}

function willMessage(will: Will, from: string, now: number): BrokerMessage {
  const { willDelayInterval: _, ...properties } = will.properties ?? {}
  const expiry = properties.messageExpiryInterval
  return {
    topic: will.topic,
    payload: will.payload,
    qos: will.qos,
    retain: will.retain,
    properties,
    expiresAt: expiry === undefined ? Number.POSITIVE_INFINITY : now + expiry * 1000,
    from,
  }
}

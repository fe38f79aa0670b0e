import { MessageQueue } from '../../src/client/message-queue.ts'
import { OutgoingPublication } from '../../src/client/publication.ts'
import { encodePingreq } from '../../src/codec/ping.ts'
import { Connection } from '../../src/session/connection.ts'
import { InboundFlow, Release } from '../../src/session/inbound-flow.ts'
import { AckState } from '../../src/session/inbound-message.ts'
import { KeepAlive } from '../../src/session/keep-alive.ts'
import type { OutboundMessage } from '../../src/session/outbound-message.ts'
import { Outbox } from '../../src/session/outbox.ts'
import { PacketIds } from '../../src/session/packet-ids.ts'
import { ReleaseFlow } from '../../src/session/release-flow.ts'
import { Session } from '../../src/session/session.ts'
import { OutboundAliases } from '../../src/session/topic-aliases.ts'
import { numberOf } from './ledger.ts'
import type { Sabotage } from './session-lab.ts'

/** A mistake that a session might contain, put into the real one. */
export interface Defect {
  readonly name: string
  readonly sabotage?: Sabotage
  /** Puts it in; what it returns takes it out. */
  readonly install: () => () => void
}

/** Replaces a method; `original` calls the one that was there. */
export function replace<T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (original: T[K]) => T[K],
): () => void {
  const original = target[name]
  target[name] = make(original)
  return () => {
    target[name] = original
  }
}

const nothing = () => () => {}

export const defects: readonly Defect[] = [
  {
    name: 'DUP is missing on what is sent again [MQTT-3.3.1-1]',
    install: nothing,
    sabotage: {
      onPublish: (message) => Object.defineProperty(message, 'dup', { get: () => false, set: () => {} }),
    },
  },
  {
    name: 'DUP is set on what is new [MQTT-3.3.1-1]',
    install: nothing,
    sabotage: {
      onPublish: (message) => {
        message.dup = message.qos > 0
      },
    },
  },
  {
    name: 'an identifier is used again while it is in use [MQTT-2.2.1-3]',
    install: () =>
      replace(PacketIds.prototype, 'allocate', (original) => {
        return function (this: PacketIds<unknown>, holder) {
          const id = original.call(this, holder)
          return id === 0 ? 0 : ((id - 1) % 4) + 1
        }
      }),
  },
  {
    name: 'PUBREL is not sent again after a reconnect [MQTT-4.4.0-1]',
    install: () =>
      replace(Outbox.prototype, 'rewind', (original) => {
        return function (this: Outbox) {
          this.released.drain()
          original.call(this)
        }
      }),
  },
  {
    name: 'a released message is published again [MQTT-4.3.3-6]',
    install: () =>
      replace(Outbox.prototype, 'rewind', (original) => {
        return function (this: Outbox) {
          for (const message of this.released.drain()) {
            message.stage = 1
            this.flow.append(message)
          }
          original.call(this)
        }
      }),
  },
  {
    name: 'the quota is one too large [MQTT-3.3.4-7]',
    install: () =>
      replace(Connection.prototype, 'accept', (original) => {
        return function (this: Connection, ...parameters) {
          const limits = original.apply(this, parameters)
          this.limits = { ...limits, receiveMaximum: limits.receiveMaximum + 1 }
          return this.limits
        }
      }),
  },
  {
    name: 'the quota leaks: PUBACK does not free it [MQTT-4.9.0-2]',
    install: () =>
      replace(Outbox.prototype, 'settle', (original) => {
        return function (this: Outbox, message) {
          const before = this.inFlight
          original.call(this, message)
          if (message.qos === 1) this.inFlight = before
        }
      }),
  },
  {
    name: 'the quota is not renewed by a new connection [MQTT-4.9.0-1]',
    install: () =>
      replace(Outbox.prototype, 'rewind', (original) => {
        return function (this: Outbox) {
          const before = this.inFlight
          original.call(this)
          this.inFlight = Math.max(this.inFlight, before)
        }
      }),
  },
  {
    name: 'messages are sent again in the wrong order [MQTT-4.6.0-1]',
    install: () =>
      replace(Outbox.prototype, 'rewind', (original) => {
        return function (this: Outbox) {
          const messages: OutboundMessage[] = this.flow.drain()
          for (const message of messages.sort((a, b) => a.packetId - b.packetId)) this.flow.append(message)
          original.call(this)
        }
      }),
  },
  {
    name: 'messages are not sent again [MQTT-4.4.0-1]',
    install: () =>
      replace(Outbox.prototype, 'rewind', (original) => {
        return function (this: Outbox) {
          original.call(this)
          while (this.cursor !== undefined && this.cursor.stage > 0) this.cursor = this.cursor.next
        }
      }),
  },
  {
    name: 'acknowledgements leave in the order in which they were made [MQTT-4.6.0-2]',
    install: () =>
      replace(InboundFlow.prototype, 'nextPayable', (original) => {
        return function (this: InboundFlow, qos) {
          const queue = this.owed[qos - 1]!
          const messages = [...queue]
          const ready = messages.find((message) => message.ackState === AckState.ready)
          if (ready !== undefined && messages[0] !== ready) {
            queue.clear()
            for (const message of [ready, ...messages.filter((other) => other !== ready)]) queue.push(message)
          }
          return original.call(this, qos)
        }
      }),
  },
  {
    name: 'a QoS 2 message is delivered again when it comes again [MQTT-4.3.3-10]',
    install: () =>
      replace(InboundFlow.prototype, 'onPublish', (original) => {
        return function (this: InboundFlow, message) {
          original.call(this, message)
          return 0
        }
      }),
  },
  {
    name: 'received QoS 2 identifiers are forgotten with the connection [MQTT-4.3.3-10]',
    install: () =>
      replace(InboundFlow.prototype, 'connectionLost', (original) => {
        return function (this: InboundFlow) {
          original.call(this)
          this.sessionLost()
        }
      }),
  },
  {
    name: 'received QoS 2 identifiers are kept after PUBREL: a new message is taken for a repeat [MQTT-4.3.3-12]',
    install: () =>
      replace(InboundFlow.prototype, 'onPubrel', (original) => {
        return function (this: InboundFlow, packetId) {
          const answer = original.call(this, packetId)
          if (answer === Release.complete) this.restore([packetId])
          return answer
        }
      }),
  },
  {
    name: 'what is delivered at PUBREL is delivered again when PUBREL comes again [MQTT-4.3.3-12]',
    install: () =>
      replace(ReleaseFlow.prototype, 'onPubrel', (original) => {
        return function (this: ReleaseFlow, packetId) {
          const answer = original.call(this, packetId)
          if (typeof answer === 'object') this.takeBack(answer)
          return answer
        }
      }),
  },
  {
    name: 'an acknowledgement is dropped [MQTT-4.3.2-4]',
    install: () => {
      let count = 0
      return replace(InboundFlow.prototype, 'nextPayable', (original) => {
        return function (this: InboundFlow, qos) {
          const message = original.call(this, qos)
          return message !== undefined && ++count % 10 === 0 ? original.call(this, qos) : message
        }
      })
    },
  },
  {
    name: 'topic aliases outlive their connection [MQTT-3.3.2-7]',
    install: () => {
      const known = new Map<string, number>()
      return replace(OutboundAliases.prototype, 'assign', (original) => {
        return function (this: OutboundAliases, topic) {
          const alias = original.call(this, topic)
          this.isKnown ||= alias > 0 && known.get(topic) === alias
          if (alias > 0) known.set(topic, alias)
          return alias
        }
      })
    },
  },
  {
    name: 'an alias that was not written counts as known [MQTT-3.3.2-7]',
    install: () => replace(OutboundAliases.prototype, 'forget', () => () => {}),
  },
  {
    name: 'silence is not noticed [MQTT-3.1.2-20]',
    install: () => replace(KeepAlive.prototype, 'due', () => () => 'nothing'),
  },
  {
    name: 'pings are late [MQTT-3.1.2-20]',
    install: () =>
      replace(KeepAlive.prototype, 'sent', (original) => {
        return function (this: KeepAlive, now) {
          original.call(this, now + 2000)
        }
      }),
  },
  {
    name: 'a packet follows DISCONNECT [MQTT-3.14.4-1]',
    install: () =>
      replace(Session.prototype, 'disconnect', (original) => {
        return function (this: Session, request) {
          original.call(this, request)
          encodePingreq(this.output)
        }
      }),
  },
  {
    name: 'what waits is not limited by Maximum QoS [MQTT-3.2.2-11]',
    install: () =>
      replace(Connection.prototype, 'accept', (original) => {
        return function (this: Connection, ...parameters) {
          this.limits = { ...original.apply(this, parameters), maximumQoS: 2 }
          return this.limits
        }
      }),
  },
  {
    name: 'a lost session is not noticed [MQTT-3.2.2-5]',
    install: () =>
      replace(Outbox.prototype, 'takeSent', () => {
        return function (this: Outbox) {
          return []
        }
      }),
  },
]

/** Mistakes above the session: in the driver, the queues of subscriptions and the publications. */
export const clientDefects: readonly Defect[] = [
  {
    name: 'a publication is never told its outcome',
    install: () =>
      replace(OutgoingPublication.prototype, 'settle', (original) => {
        return function (this: OutgoingPublication, outcome) {
          if (numberOf(this.payload) % 10 !== 0) original.call(this, outcome)
        }
      }),
  },
  {
    name: 'a subscription loses a message',
    install: () =>
      replace(MessageQueue.prototype, 'push', (original) => {
        return function (this: MessageQueue, message) {
          if (message.qos === 0 || numberOf(message.payload) % 10 !== 0) original.call(this, message)
        }
      }),
  },
  {
    name: 'a subscription gets a message twice',
    install: () =>
      replace(MessageQueue.prototype, 'push', (original) => {
        return function (this: MessageQueue, message) {
          original.call(this, message)
          if (message.qos === 2 && numberOf(message.payload) % 10 === 0) original.call(this, message)
        }
      }),
  },
  {
    name: 'a subscription gets two messages in the wrong order',
    install: () => {
      const late = new WeakMap<MessageQueue, Parameters<MessageQueue['push']>[0]>()
      return replace(MessageQueue.prototype, 'push', (original) => {
        return function (this: MessageQueue, message) {
          const overtaken = late.get(this)
          late.delete(this)
          if (overtaken === undefined && message.qos === 1 && numberOf(message.payload) % 10 === 0) {
            late.set(this, message)
            return
          }
          original.call(this, message)
          if (overtaken !== undefined) original.call(this, overtaken)
        }
      })
    },
  },
  {
    name: 'the timer of the session is not cleared at the end',
    install: () => replace(Session.prototype, 'nextDeadline', () => () => 4_000_000_000_000),
  },
  {
    name: 'received QoS 2 identifiers are forgotten with the connection [MQTT-4.3.3-10]',
    install: () =>
      replace(InboundFlow.prototype, 'connectionLost', (original) => {
        return function (this: InboundFlow) {
          original.call(this)
          this.sessionLost()
        }
      }),
  },
]

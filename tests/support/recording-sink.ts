import type { ConnackPacket, DisconnectPacket } from '../../src/codec/packet.ts'
import type { MqttError } from '../../src/errors.ts'
import type { FilterResult } from '../../src/session/command.ts'
import type { InboundMessage } from '../../src/session/inbound-message.ts'
import type { Limits } from '../../src/session/limits.ts'
import type { OutboundMessage } from '../../src/session/outbound-message.ts'
import type { PublishOutcome, SessionSink } from '../../src/session/sink.ts'

/** One call of a sink, as a value. */
export type SinkEvent =
  | { readonly on: 'connected'; readonly limits: Limits; readonly connack: ConnackPacket }
  | {
      readonly on: 'disconnected'
      readonly error: MqttError | undefined
      readonly packet: DisconnectPacket | undefined
    }
  | { readonly on: 'message'; readonly message: InboundMessage }
  | {
      readonly on: 'settled'
      readonly message: OutboundMessage
      readonly outcome: PublishOutcome | MqttError
    }
  | { readonly on: 'sent'; readonly message: OutboundMessage }
  | { readonly on: 'resubscribed'; readonly results: readonly FilterResult[] }
  | { readonly on: 'sessionLost' }
  | { readonly on: 'authenticate'; readonly data: Uint8Array | undefined }
  | { readonly on: 'reauthenticated'; readonly outcome: unknown }
  | { readonly on: 'pong' }

/** Turns the calls of a session into a list, so that a test can compare it. */
export class RecordingSink implements SessionSink {
  #events: SinkEvent[] = []

  /** Everything since the last call. */
  take(): SinkEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  onConnected(limits: Limits, connack: ConnackPacket): void {
    this.#events.push({ on: 'connected', limits, connack })
  }

  onDisconnected(error: MqttError | undefined, packet: DisconnectPacket | undefined): void {
    this.#events.push({ on: 'disconnected', error, packet })
  }

  onMessage(message: InboundMessage): void {
    this.#events.push({ on: 'message', message })
  }

  onSettled(message: OutboundMessage, outcome: PublishOutcome | MqttError): void {
    this.#events.push({ on: 'settled', message, outcome })
  }

  onSent(message: OutboundMessage): void {
    this.#events.push({ on: 'sent', message })
  }

  onResubscribed(results: readonly FilterResult[]): void {
    this.#events.push({ on: 'resubscribed', results })
  }

  onSessionLost(): void {
    this.#events.push({ on: 'sessionLost' })
  }

  onAuthenticate(data: Uint8Array | undefined): void {
    this.#events.push({ on: 'authenticate', data })
  }

  onReauthenticated(outcome: unknown): void {
    this.#events.push({ on: 'reauthenticated', outcome })
  }

  onPong(): void {
    this.#events.push({ on: 'pong' })
  }
}

import type { AckProperties, ConnackPacket, DisconnectPacket } from '../codec/packet.ts'
import type { MqttError } from '../errors.ts'
import type { SubscribeOutcome } from '../session/command.ts'
import type { InboundMessage } from '../session/inbound-message.ts'
import { type CallbackFacts, callbackArguments } from './callback-arguments.ts'
import type { CallbackRunner } from './callback-runner.ts'
import type { Callback } from './callback-types.ts'
import { type CallbackAPIVersion, MessageState, type MQTTErrorCode, MQTTProtocolVersion } from './enums.ts'
import {
  convert_connack_rc_to_reason_code,
  convert_disconnect_error_code_to_reason_code,
} from './error-text.ts'
import { KeyError, ValueError } from './errors.ts'
import { MQTTMatcher } from './matcher.ts'
import { MQTTMessage } from './message.ts'
import { connackReturnCode } from './packet-log.ts'
import { PacketTypes } from './packet-types.ts'
import { Properties } from './properties.ts'
import { fromCore } from './property-mapping.ts'
import { ReasonCode } from './reason-code.ts'
import type { Settings } from './settings.ts'

/** Tells the program what has happened, in the terms of its callbacks. */
export class Narrator {
  readonly filters: MQTTMatcher<Callback> = new MQTTMatcher()
  readonly #callbacks: CallbackRunner
  readonly #version: CallbackAPIVersion
  readonly #settings: Settings

  constructor(callbacks: CallbackRunner, version: CallbackAPIVersion, settings: Settings) {
    this.#callbacks = callbacks
    this.#version = version
    this.#settings = settings
  }

  connected(connack: ConnackPacket): void {
    const five = this.#five
    const rc = connackReturnCode(connack.reasonCode)
    // A broker that does not know MQTT 5 says so in the form of MQTT 3, which has no properties.
    const absent = connack.reasonCode === 0x84 && connack.properties === undefined
    this.#tell('on_connect', {
      sessionPresent: connack.sessionPresent,
      rc,
      reason: five
        ? reasonCode(PacketTypes.CONNACK, connack.reasonCode)
        : convert_connack_rc_to_reason_code(rc),
      properties: five && !absent ? fromCore(PacketTypes.CONNACK, connack.properties) : null,
      empty: new Properties(PacketTypes.CONNACK),
    })
  }

  disconnected(rc: MQTTErrorCode, packet: DisconnectPacket | undefined): void {
    this.#tell('on_disconnect', {
      fromServer: packet !== undefined,
      rc,
      reason:
        packet === undefined
          ? convert_disconnect_error_code_to_reason_code(rc)
          : reasonCode(PacketTypes.DISCONNECT, packet.reasonCode),
      properties: packet === undefined ? null : fromCore(PacketTypes.DISCONNECT, packet.properties),
      empty: new Properties(PacketTypes.DISCONNECT),
    })
  }

  /** A message is finished, with this answer of the broker. */
  published(mid: number, qos: number, code: number, properties: AckProperties | undefined): void {
    // PUBREC ends a QoS 2 exchange with a failure; PUBCOMP knows 0 and 146 alone.
    const packetType =
      qos < 2 ? PacketTypes.PUBACK : code === 0 || code === 0x92 ? PacketTypes.PUBCOMP : PacketTypes.PUBREC
    this.#tell('on_publish', {
      mid,
      reason: reasonCode(packetType, code),
      properties: fromCore(packetType, properties),
    })
  }

  /** A SUBSCRIBE or UNSUBSCRIBE has been answered, or will never be. */
  answered(
    name: 'on_subscribe' | 'on_unsubscribe',
    mid: number,
    outcome: SubscribeOutcome | MqttError,
  ): void {
    if (outcome instanceof Error) return
    const packetType = name === 'on_subscribe' ? PacketTypes.SUBACK : PacketTypes.UNSUBACK
    // UNSUBACK of MQTT 3 says nothing.
    const silent = name === 'on_unsubscribe' && !this.#five
    this.#tell(name, {
      mid,
      reasons: silent ? [] : outcome.results.map((result) => reasonCode(packetType, result.reasonCode)),
      properties: fromCore(packetType, outcome.properties),
    })
  }

  /** Every callback whose filter matches, or else `on_message`. */
  message(inbound: InboundMessage): void {
    const message = this.#received(inbound)
    const callbacks = [...this.filters.iter_match(inbound.topic)]
    for (const callback of callbacks) {
      this.#callbacks.run(callback, `user defined callback function ${callback.name}`, [message])
    }
    if (callbacks.length === 0) this.#callbacks.call('on_message', message)
  }

  get #five(): boolean {
    return this.#settings.protocol === MQTTProtocolVersion.MQTTv5
  }

  #tell<Name extends keyof CallbackFacts>(name: Name, facts: CallbackFacts[Name]): void {
    if (!this.#callbacks.has(name)) return
    this.#callbacks.call(name, ...callbackArguments(name, this.#version, this.#settings.protocol, facts))
  }

  #received(inbound: InboundMessage): MQTTMessage {
    const message = new MQTTMessage({ mid: inbound.packetId })
    message.topic = inbound.topic
    message.payload = inbound.payload.slice()
    message.qos = inbound.qos
    message.retain = inbound.retain
    message.dup = inbound.dup
    if (inbound.qos === 2) message.state = MessageState.MQTT_MS_WAIT_FOR_PUBREL
    message.timestamp = performance.now() / 1000
    if (this.#five) {
      message.properties = fromCore(PacketTypes.PUBLISH, inbound.properties)
    }
    return message
  }
}

/** A reason code of a packet; one that the packet can not have becomes an unspecified error. */
function reasonCode(packetType: number, code: number): ReasonCode {
  try {
    return new ReasonCode(packetType, { identifier: code })
  } catch (error) {
    if (error instanceof ValueError || error instanceof KeyError)
      return new ReasonCode(packetType, 'Unspecified error')
    throw error
  }
}

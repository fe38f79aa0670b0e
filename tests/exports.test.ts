import * as main from 'mqtt-await'
import * as codec from 'mqtt-await/codec'
import * as compat from 'mqtt-await/compat'
import * as compatPublish from 'mqtt-await/compat/publish'
import * as compatSubscribe from 'mqtt-await/compat/subscribe'
import * as session from 'mqtt-await/session'
import * as store from 'mqtt-await/store'
import { describe, expect, test } from 'vitest'

/**
 * The names that each entry exports as values, in full: adding or dropping one is a decision, not an accident. Types are
 * checked where they are used, by the packed package's consumers in tests/packaging.
 */
const errors = [
  'ClosedError',
  'ConnectError',
  'ConnectionLostError',
  'MqttError',
  'OptionsError',
  'ProtocolError',
  'PublishError',
  'QueueFullError',
  'SessionLostError',
  'StoreError',
  'SubscribeError',
  'TimeoutError',
  'UnsubscribeError',
]

const names = (module: object): string[] => Object.keys(module).sort()

describe('exports', () => {
  test('mqtt-await', () => {
    expect(names(main)).toMatchInlineSnapshot(`
      [
        "CLIENT_TRANSITIONS",
        "CONNACK_CLASSES",
        "Client",
        "ClosedError",
        "ConnectError",
        "ConnectionLostError",
        "DISCONNECT_CLASSES",
        "Message",
        "MqttError",
        "OptionsError",
        "ProtocolError",
        "PublishError",
        "QueueFullError",
        "SessionLostError",
        "StoreError",
        "SubscribeError",
        "TimeoutError",
        "TypedTopic",
        "UnsubscribeError",
        "bearerAuthenticator",
        "classOf",
        "clientDiagram",
        "scramAuthenticator",
        "topic",
      ]
    `)
    expect(names(main)).toEqual(expect.arrayContaining(['Client', 'topic', ...errors]))
  })

  test('mqtt-await/codec', () => {
    expect(names(codec)).toMatchInlineSnapshot(`
      [
        "ByteWriter",
        "LARGEST_PACKET",
        "OptionsError",
        "PacketDecoder",
        "ProtocolError",
        "PublishPacket",
        "checkPublish",
        "decode",
        "encode",
        "encodeAck",
        "encodeAuth",
        "encodeConnack",
        "encodeConnect",
        "encodeDisconnect",
        "encodePacket",
        "encodePingreq",
        "encodePingresp",
        "encodePublish",
        "encodeSuback",
        "encodeSubscribe",
        "encodeUnsuback",
        "encodeUnsubscribe",
        "publishSize",
      ]
    `)
    expect(names(codec)).toEqual(expect.arrayContaining(['encode', 'decode']))
  })

  test('mqtt-await/session', () => {
    expect(names(session)).toMatchInlineSnapshot(`
      [
        "AckState",
        "InboundMessage",
        "MessageExpiry",
        "OutboundMessage",
        "Session",
        "Stage",
      ]
    `)
    expect(names(session)).toEqual(expect.arrayContaining(['Session']))
  })

  test('mqtt-await/store', () => {
    expect(names(store)).toMatchInlineSnapshot(`
      [
        "StoreError",
        "clearStore",
        "levelStore",
        "memoryStore",
        "storeContract",
      ]
    `)
    expect(names(store)).toEqual(expect.arrayContaining(['levelStore', 'memoryStore']))
  })

  test('mqtt-await/compat', () => {
    expect(names(compat)).toEqual(
      expect.arrayContaining(['Client', 'MQTTMessage', 'Properties', 'ReasonCode']),
    )
  })

  test('mqtt-await/compat/publish and subscribe', () => {
    expect(names(compatPublish)).toEqual(expect.arrayContaining(['multiple', 'single']))
    expect(names(compatSubscribe)).toEqual(expect.arrayContaining(['callback', 'simple']))
  })
})

test('an error class is one and the same in every entry', () => {
  for (const entry of [codec, session, store, compat]) {
    for (const name of errors.filter((one) => one in entry)) {
      expect((entry as Record<string, unknown>)[name]).toBe((main as Record<string, unknown>)[name])
    }
  }
})

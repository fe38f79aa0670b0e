import {
  ByteWriter,
  encode,
  encodePacket,
  encodePingreq,
  OptionsError,
  type Packet,
  type ProtocolVersion,
} from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'

/** What MQTT forbids to send is refused by name before a byte of it is written. */

const bytes = (size: number) => new Uint8Array(size)
const long = 'a'.repeat(65_536)
const publish = {
  type: 'publish',
  topic: 'a',
  payload: bytes(1),
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
} as const
const connect = {
  type: 'connect',
  protocolVersion: 5,
  cleanStart: true,
  keepAlive: 60,
  clientId: 'c',
} as const
const will = { topic: 'w', payload: bytes(1), qos: 0, retain: false } as const
const subscribe = (filter: unknown, options: object = {}) =>
  ({
    type: 'subscribe',
    packetId: 1,
    filters: [
      { filter: 'ok', qos: 0 },
      { filter, qos: 0, ...options },
    ],
  }) as Packet

type Case = readonly [
  what: string,
  packet: unknown,
  path: string,
  statement?: string | undefined,
  version?: ProtocolVersion | undefined,
]

const cases: readonly Case[] = [
  ['an empty topic', { ...publish, topic: '' }, 'topic', 'MQTT-4.7.3-1'],
  [
    'an empty topic with an alias, in 3.1.1',
    { ...publish, topic: '', properties: { topicAlias: 1 } },
    'topic',
    'MQTT-4.7.3-1',
    4,
  ],
  ['# in a topic', { ...publish, topic: 'a/#' }, 'topic', 'MQTT-3.3.2-2'],
  ['+ in a topic', { ...publish, topic: '+/a' }, 'topic', 'MQTT-3.3.2-2'],
  ['U+0000 in a topic', { ...publish, topic: 'a\0' }, 'topic', 'MQTT-1.5.4-2'],
  ['a lone high surrogate', { ...publish, topic: 'a\ud800' }, 'topic', 'MQTT-1.5.4-1'],
  ['a lone low surrogate', { ...publish, topic: '\udc00a' }, 'topic', 'MQTT-1.5.4-1'],
  ['surrogates in the wrong order', { ...publish, topic: '\udc00\ud800' }, 'topic', 'MQTT-1.5.4-1'],
  ['a topic of 65,536 bytes', { ...publish, topic: long }, 'topic', '65,535'],
  [
    'a topic of 65,536 bytes in 21,846 characters',
    { ...publish, topic: '€'.repeat(21_846) },
    'topic',
    '65,535',
  ],
  ['a topic that is no string', { ...publish, topic: 7 }, 'topic'],
  ['a payload that is no Uint8Array', { ...publish, payload: 'text' }, 'payload'],
  ['QoS 3', { ...publish, qos: 3 }, 'qos', 'MQTT-3.3.1-4'],
  ['QoS 1.5', { ...publish, qos: 1.5 }, 'qos', 'MQTT-3.3.1-4'],
  ['DUP at QoS 0', { ...publish, dup: true }, 'dup', 'MQTT-3.3.1-2'],
  ['packet id 0 at QoS 1', { ...publish, qos: 1 }, 'packetId'],
  ['packet id 65,536', { ...publish, qos: 2, packetId: 65_536 }, 'packetId'],
  [
    'a Subscription Identifier',
    { ...publish, properties: { subscriptionIdentifiers: [1] } },
    'properties.subscriptionIdentifiers',
    'MQTT-3.3.4-6',
  ],
  [
    'a single Subscription Identifier',
    { ...publish, properties: { subscriptionIdentifier: 1 } },
    'properties.subscriptionIdentifier',
  ],
  [
    'wildcards in the Response Topic',
    { ...publish, properties: { responseTopic: 'a/+' } },
    'properties.responseTopic',
    'MQTT-3.3.2',
  ],
  [
    'an empty Response Topic',
    { ...publish, properties: { responseTopic: '' } },
    'properties.responseTopic',
    'MQTT-4.7.3-1',
  ],
  ['Topic Alias 0', { ...publish, properties: { topicAlias: 0 } }, 'properties.topicAlias'],
  ['Topic Alias 65,536', { ...publish, properties: { topicAlias: 65_536 } }, 'properties.topicAlias'],
  [
    'a negative Message Expiry Interval',
    { ...publish, properties: { messageExpiryInterval: -1 } },
    'properties.messageExpiryInterval',
  ],
  [
    'a Message Expiry Interval of 2^32',
    { ...publish, properties: { messageExpiryInterval: 2 ** 32 } },
    'properties.messageExpiryInterval',
  ],
  [
    'Payload Format Indicator 2',
    { ...publish, properties: { payloadFormatIndicator: 2 } },
    'properties.payloadFormatIndicator',
  ],
  [
    'Correlation Data as text',
    { ...publish, properties: { correlationData: 'id' } },
    'properties.correlationData',
  ],
  [
    'Correlation Data of 65,536 bytes',
    { ...publish, properties: { correlationData: bytes(65_536) } },
    'properties.correlationData',
    '65,535',
  ],
  [
    'a Content Type with U+0000',
    { ...publish, properties: { contentType: '\0' } },
    'properties.contentType',
    'MQTT-1.5.4-2',
  ],
  [
    'a property of another packet',
    { ...publish, properties: { receiveMaximum: 1 } },
    'properties.receiveMaximum',
  ],
  ['an unknown property', { ...publish, properties: { colour: 'red' } }, 'properties.colour'],
  [
    'User Properties as a record',
    { ...publish, properties: { userProperties: { a: 'b' } } },
    'properties.userProperties',
  ],
  [
    'a User Property of three',
    { ...publish, properties: { userProperties: [['a', 'b', 'c']] } },
    'properties.userProperties',
  ],
  [
    'a User Property that is a number',
    { ...publish, properties: { userProperties: [['a', 1]] } },
    'properties.userProperties',
  ],
  [
    'a User Property with a lone surrogate',
    { ...publish, properties: { userProperties: [['a', '\ud83d']] } },
    'properties.userProperties',
    'MQTT-1.5.4-1',
  ],
  ['PUBACK with packet id 0', { type: 'puback', packetId: 0, reasonCode: 0 }, 'packetId'],
  ['PUBACK with a code of others', { type: 'puback', packetId: 1, reasonCode: 0x92 }, 'reasonCode'],
  ['PUBREL with a code of others', { type: 'pubrel', packetId: 1, reasonCode: 0x80 }, 'reasonCode'],
  ['SUBSCRIBE with packet id 0', { ...subscribe('a'), packetId: 0 }, 'packetId'],
  ['SUBSCRIBE without filters', { type: 'subscribe', packetId: 1, filters: [] }, 'filters', 'MQTT-3.8.3-2'],
  [
    'a filter in place of a list',
    { type: 'unsubscribe', packetId: 1, filters: 'a/b' },
    'filters',
    'MQTT-3.10.3-2',
  ],
  ['nothing in place of a subscription', { type: 'subscribe', packetId: 1, filters: [null] }, 'filters[0]'],
  ['an empty filter', subscribe(''), 'filters[1]', 'MQTT-4.7.3-1'],
  ['a/#/b', subscribe('a/#/b'), 'filters[1]', 'MQTT-4.7.1-1'],
  ['a#', subscribe('a#'), 'filters[1]', 'MQTT-4.7.1-1'],
  ['a+/b', subscribe('a+/b'), 'filters[1]', 'MQTT-4.7.1-2'],
  ['+a', subscribe('+a'), 'filters[1]', 'MQTT-4.7.1-2'],
  ['$share//a', subscribe('$share//a'), 'filters[1]', 'MQTT-4.8.2-1'],
  ['$share/g', subscribe('$share/g'), 'filters[1]', 'MQTT-4.8.2'],
  ['$share/g/', subscribe('$share/g/'), 'filters[1]', 'MQTT-4.8.2-2'],
  ['$share/+/a', subscribe('$share/+/a'), 'filters[1]', 'MQTT-4.8.2-2'],
  ['a filter of 65,536 bytes', subscribe(long), 'filters[1]', '65,535'],
  ['a filter with a lone surrogate', subscribe('\ud800'), 'filters[1]', 'MQTT-1.5.4-1'],
  ['a filter that is no string', subscribe(undefined), 'filters[1]'],
  ['QoS 3 for a filter', subscribe('a', { qos: 3 }), 'filters[1].qos'],
  [
    'No Local on a shared subscription',
    subscribe('$share/g/a', { noLocal: true }),
    'filters[1].noLocal',
    'MQTT-3.8.3-4',
  ],
  ['Retain Handling 3', subscribe('a', { retainHandling: 3 }), 'filters[1].retainHandling'],
  [
    'Subscription Identifier 0',
    { ...subscribe('a'), properties: { subscriptionIdentifier: 0 } },
    'properties.subscriptionIdentifier',
  ],
  [
    'Subscription Identifier 2^28',
    { ...subscribe('a'), properties: { subscriptionIdentifier: 2 ** 28 } },
    'properties.subscriptionIdentifier',
  ],
  [
    'several Subscription Identifiers in SUBSCRIBE',
    { ...subscribe('a'), properties: { subscriptionIdentifiers: [1] } },
    'properties.subscriptionIdentifiers',
  ],
  [
    'UNSUBSCRIBE without filters',
    { type: 'unsubscribe', packetId: 1, filters: [] },
    'filters',
    'MQTT-3.10.3-2',
  ],
  [
    'UNSUBSCRIBE with a bad filter',
    { type: 'unsubscribe', packetId: 1, filters: ['#/a'] },
    'filters[0]',
    'MQTT-4.7.1-1',
  ],
  ['SUBACK without codes', { type: 'suback', packetId: 1, reasonCodes: [] }, 'reasonCodes', 'MQTT-3.8.4-6'],
  ['SUBACK with code 3', { type: 'suback', packetId: 1, reasonCodes: [3] }, 'reasonCodes'],
  ['UNSUBACK with code 1', { type: 'unsuback', packetId: 1, reasonCodes: [1] }, 'reasonCodes'],
  ['a keep alive of 65,536 seconds', { ...connect, keepAlive: 65_536 }, 'keepAlive'],
  ['a client id of 65,536 bytes', { ...connect, clientId: long }, 'clientId', '65,535'],
  ['a client id with U+0000', { ...connect, clientId: 'a\0' }, 'clientId', 'MQTT-1.5.4-2'],
  ['no client id in 3.1', { ...connect, protocolVersion: 3, clientId: '' }, 'clientId', '3.1', 3],
  [
    'a client id of 24 characters in 3.1',
    { ...connect, protocolVersion: 3, clientId: 'a'.repeat(24) },
    'clientId',
    '3.1',
    3,
  ],
  [
    'no client id for a kept session in 3.1.1',
    { ...connect, protocolVersion: 4, clientId: '', cleanStart: false },
    'clientId',
    'MQTT-3.1.3-7',
    4,
  ],
  [
    'a password alone in 3.1.1',
    { ...connect, protocolVersion: 4, password: bytes(1) },
    'password',
    'MQTT-3.1.2-22',
    4,
  ],
  ['a CONNECT of another version', connect, 'protocolVersion', undefined, 4],
  ['a password as text', { ...connect, username: 'u', password: 'secret' }, 'password'],
  ['an empty Will Topic', { ...connect, will: { ...will, topic: '' } }, 'will.topic', 'MQTT-4.7.3-1'],
  ['wildcards in the Will Topic', { ...connect, will: { ...will, topic: '#' } }, 'will.topic'],
  ['Will QoS 3', { ...connect, will: { ...will, qos: 3 } }, 'will.qos', 'MQTT-3.1.2-12'],
  [
    'a Will payload of 65,536 bytes',
    { ...connect, will: { ...will, payload: bytes(65_536) } },
    'will.payload',
    '65,535',
  ],
  [
    'a Will property of PUBLISH alone',
    { ...connect, will: { ...will, properties: { topicAlias: 1 } } },
    'properties.topicAlias',
  ],
  ['Receive Maximum 0', { ...connect, properties: { receiveMaximum: 0 } }, 'properties.receiveMaximum'],
  [
    'Maximum Packet Size 0',
    { ...connect, properties: { maximumPacketSize: 0 } },
    'properties.maximumPacketSize',
  ],
  [
    'a flag that is no boolean',
    { ...connect, properties: { requestProblemInformation: 1 } },
    'properties.requestProblemInformation',
  ],
  [
    'Authentication Data without a method',
    { ...connect, properties: { authenticationData: bytes(1) } },
    'properties.authenticationMethod',
  ],
  [
    'a session in a refusal',
    { type: 'connack', sessionPresent: true, reasonCode: 0x87 },
    'sessionPresent',
    'MQTT-3.2.2-6',
  ],
  [
    'CONNACK with a code of others',
    { type: 'connack', sessionPresent: false, reasonCode: 0x10 },
    'reasonCode',
  ],
  [
    'CONNACK with a code that 3.1.1 lacks',
    { type: 'connack', sessionPresent: false, reasonCode: 0x8a },
    'reasonCode',
    undefined,
    4,
  ],
  ['DISCONNECT with a code of others', { type: 'disconnect', reasonCode: 0x10 }, 'reasonCode'],
  [
    'AUTH with a code of others',
    { type: 'auth', reasonCode: 0x80, properties: { authenticationMethod: 'M' } },
    'reasonCode',
    'MQTT-3.15.2-1',
  ],
  [
    'AUTH without a method',
    { type: 'auth', reasonCode: 0x18 },
    'properties.authenticationMethod',
    'MQTT-4.12.0-5',
  ],
  ['AUTH in 3.1.1', { type: 'auth', reasonCode: 0 }, 'type', undefined, 4],
  ['an unknown packet', { type: 'publsh' }, 'type'],
]

describe('refused before a byte is written', () => {
  for (const [what, packet, path, statement = '', version = 5] of cases) {
    test(what, () => {
      const writer = new ByteWriter()
      encodePingreq(writer)
      let error: unknown
      try {
        encodePacket(writer, version, packet as Packet)
      } catch (caught) {
        error = caught
      }
      if (!(error instanceof OptionsError)) throw new Error(`not an OptionsError: ${String(error)}`)
      expect(error.path).toBe(path)
      expect(error.message).toContain(statement)
      expect(error.message.length).toBeLessThan(300)
      expect(error.expected).toBeTruthy()
      expect(writer.length).toBe(2)
      // The writer is as good as new.
      expect(encodePacket(writer, 5, publish)).toBe(7)
      expect(Buffer.concat(writer.take()).toString('hex')).toBe('c00030050001610000')
    })
  }

  test('no secret stands in the message', () => {
    const secret = () => encode({ ...connect, username: 'u', password: 'hunter2' as unknown as Uint8Array })
    expect(secret).toThrow(OptionsError)
    expect(secret).not.toThrow(/hunter2/)
  })
})

describe('allowed, though it may look odd', () => {
  const allowed: readonly (readonly [string, Packet, string])[] = [
    [
      'an empty topic with an alias',
      { ...publish, topic: '', properties: { topicAlias: 1 } },
      '300700000323000100',
    ],
    ['a topic of a space', { ...publish, topic: ' ' }, '30050001200000'],
    [
      'a filter of slashes',
      { type: 'unsubscribe', packetId: 1, filters: ['//+/#'] },
      'a20a00010000052f2f2b2f23',
    ],
    [
      '$share without a slash',
      { type: 'unsubscribe', packetId: 1, filters: ['$share'] },
      'a20b0001000006247368617265',
    ],
    [
      'properties that are undefined',
      { ...publish, properties: { contentType: undefined } } as unknown as Packet,
      '30050001610000',
    ],
  ]
  test.each(allowed)('%s', (_, packet, hex) => {
    expect(Buffer.from(encode(packet)).toString('hex')).toBe(hex)
  })
})

import { encode, type Packet, PacketDecoder, type ProtocolVersion } from 'mqtt-await/codec'
import { describe, expect } from 'vitest'
import { ack, incoming, Peer } from '../support/session-peer.ts'
import { rule } from './rule.ts'

const LONE_SURROGATE = 'a\ud800'
const NUL = 'a\u0000b'

const publishing = (topic: string): Packet => ({
  type: 'publish',
  topic,
  payload: new Uint8Array(0),
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
})
const subscribing = (filter: string): Packet => ({
  type: 'subscribe',
  packetId: 1,
  filters: [{ filter, qos: 0 }],
})
const unsubscribing = (filter: string): Packet => ({ type: 'unsubscribe', packetId: 1, filters: [filter] })
const connecting = (version: ProtocolVersion, fields: object): Packet =>
  ({
    type: 'connect',
    protocolVersion: version,
    cleanStart: true,
    keepAlive: 0,
    clientId: 'c',
    ...fields,
  }) as Packet

/** Refused by name, with nothing written. */
function refuses(version: ProtocolVersion, packet: Packet, path?: RegExp): void {
  let error: unknown
  try {
    encode(packet, { protocolVersion: version })
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({
    name: 'OptionsError',
    ...(path === undefined ? {} : { path: expect.stringMatching(path) }),
  })
}

/** The server's bytes end the connection. */
function closes(version: ProtocolVersion, hex: string, reasonCode = 0x81): void {
  const peer = new Peer(version).online()
  peer.saysHex(hex)
  expect(peer.session.phase).toBe('offline')
  expect(peer.failure).toMatchObject({ name: 'ProtocolError' })
  expect(peer.hex()).toBe(version === 5 ? `e001${reasonCode.toString(16)}` : '')
}

/** A PUBLISH at QoS 0 of this topic, given in hex. */
function publishHex(version: ProtocolVersion, topic: string): string {
  const length = topic.length / 2
  const body = `${length.toString(16).padStart(4, '0')}${topic}${version === 5 ? '00' : ''}78`
  return `30${(body.length / 2).toString(16).padStart(2, '0')}${body}`
}

describe('strings', () => {
  rule({ 5: 'MQTT-1.5.4-1', 4: 'MQTT-1.5.3-1' }, 'strings are UTF-8 without surrogates', (version) => {
    for (const topic of ['eda080', 'c0af', 'f5808080', 'c328', 'e282'])
      closes(version, publishHex(version, topic))
    refuses(version, publishing(LONE_SURROGATE), /topic/)
    refuses(version, subscribing(LONE_SURROGATE), /filter/)
    refuses(version, connecting(version, { username: LONE_SURROGATE }), /username/)
  })

  rule({ 5: 'MQTT-1.5.4-2', 4: 'MQTT-1.5.3-2' }, 'strings hold no U+0000', (version) => {
    closes(version, publishHex(version, '610062'))
    refuses(version, publishing(NUL), /topic/)
    refuses(version, connecting(version, { clientId: NUL }), /clientId/)
    refuses(version, connecting(version, { username: NUL }), /username/)
  })

  rule({ 5: 'MQTT-1.5.4-3', 4: 'MQTT-1.5.3-3' }, 'U+FEFF is a character anywhere', (version) => {
    const peer = new Peer(version).online()
    peer.saysHex(publishHex(version, 'efbbbf61'))
    expect(peer.messages[0]?.topic).toBe('\ufeffa')
    expect(encode(publishing('\ufeffa'), { protocolVersion: version }).subarray(4, 8)).toEqual(
      new Uint8Array([0xef, 0xbb, 0xbf, 0x61]),
    )
  })

  rule({ 5: 'MQTT-1.5.5-1' }, 'variable byte integers are as short as they can be', () => {
    const sizes: [length: number, header: string][] = [
      [127, '307f'],
      [128, '308001'],
      [16_383, '30ff7f'],
      [16_384, '30808001'],
      [2_097_151, '30ffff7f'],
      [2_097_152, '3080808001'],
    ]
    for (const [length, header] of sizes) {
      const bytes = encode({ ...publishing('a'), payload: new Uint8Array(length - 4) } as Packet)
      expect(Buffer.from(bytes.subarray(0, header.length / 2)).toString('hex')).toBe(header)
    }
    closes(5, 'd08000')
  })

  rule({ 5: 'MQTT-1.5.7-1' }, 'both strings of a pair obey the rules of strings', (version) => {
    closes(version, '300c00016107260001610002c328')
    const withPair = (pair: [string, string]) =>
      ({ ...publishing('a'), properties: { userProperties: [pair] } }) as Packet
    refuses(5, withPair(['a', NUL]), /userProperties/)
    refuses(5, withPair([LONE_SURROGATE, 'b']), /userProperties/)
  })
})

describe('fixed headers and identifiers', () => {
  rule({ 5: 'MQTT-2.1.3-1', 4: 'MQTT-2.2.2-1' }, 'reserved flag bits have their fixed values', (version) => {
    const peer = new Peer(version)
    peer.connect()
    peer.publish(2)
    peer.subscribe('a')
    peer.unsubscribe('b')
    peer.session.ping(peer.now)
    peer.says(incoming(1, 1), incoming(2, 2), ack('pubrec', 1))
    peer.acknowledge(...peer.messages)
    peer.says(ack('pubrel', 2))
    peer.session.disconnect({ reasonCode: 0 })
    const firsts = packetsOf(peer.bytes()).map((packet) => packet[0] ?? 0)
    expect(new Set(firsts)).toEqual(new Set([0x10, 0x34, 0x82, 0xa2, 0xc0, 0x40, 0x50, 0x62, 0x70, 0xe0]))
  })

  rule({ 4: 'MQTT-2.2.2-2' }, 'wrong flag bits close the connection', (version) => {
    for (const hex of ['41020001', '51020001', '60020001', '71020001', '9103000100', 'b1020001', 'd100'])
      closes(version, hex)
  })

  rule({ 5: 'MQTT-2.2.1-2', 4: 'MQTT-2.3.1-5' }, 'QoS 0 has no packet identifier', (version) => {
    const peer = new Peer(version).online()
    peer.publish(0, 'a')
    expect(peer.hex()).toBe(version === 5 ? '30050001610078' : '300400016178')
  })

  rule(
    { 5: 'MQTT-2.2.1-3', 4: ['MQTT-2.3.1-1', 'MQTT-2.3.1-2'] },
    'every exchange takes an identifier that is not 0 and not in use',
    (version) => {
      const peer = new Peer(version).online()
      const held = peer.publish(1)
      peer.sent()
      const seen = new Set<number>()
      for (let n = 0; n < 66_000; n++) {
        const message = peer.publish(1)
        expect(message.packetId).not.toBe(held.packetId)
        seen.add(message.packetId)
        peer.session.output.take()
        peer.saysBytes(new Uint8Array([0x40, 2, message.packetId >> 8, message.packetId & 255]))
      }
      expect(seen.has(0)).toBe(false)
      peer.subscribe('a')
      peer.unsubscribe('a')
      const ids = peer.sent().map((packet) => ('packetId' in packet ? packet.packetId : 0))
      expect(new Set([...ids, held.packetId]).size).toBe(3)
      peer.saysHex('40020000')
      expect(peer.session.phase).toBe('offline')
    },
  )

  rule({ 5: 'MQTT-2.2.1-3' }, 'with all identifiers in use the next exchange waits', () => {
    const peer = new Peer(5).online()
    for (let n = 0; n < 65_535; n++) peer.publish(1)
    peer.session.output.take()
    peer.session.flushed(peer.now)
    const outcomes = peer.subscribe('a')
    expect(peer.sent().some((packet) => packet.type === 'subscribe')).toBe(false)
    peer.says(ack('puback', 7))
    expect(peer.sentTypes()).toEqual(['subscribe 7'])
    peer.says({ type: 'suback', packetId: 7, reasonCodes: [1] })
    expect(outcomes).toHaveLength(1)
  })

  rule(
    { 4: 'MQTT-2.3.1-3' },
    'a resend keeps its identifier, and a QoS 2 one is kept to PUBCOMP',
    (version) => {
      const peer = new Peer(version).online()
      const [one, two] = [peer.publish(1), peer.publish(2)]
      peer.sent()
      peer.says(ack('pubrec', two.packetId))
      for (let n = 0; n < 40; n++) expect(peer.publish(1).packetId).not.toBe(two.packetId)
      peer.cut()
      const resent = peer.resume()
      expect(resent).toContainEqual(
        expect.objectContaining({ type: 'publish', packetId: one.packetId, dup: true }),
      )
      expect(resent).toContainEqual(expect.objectContaining({ type: 'pubrel', packetId: two.packetId }))
    },
  )

  rule(
    { 5: 'MQTT-2.2.1-5', 4: 'MQTT-2.3.1-6' },
    'acknowledgements repeat the identifier of their PUBLISH',
    (version) => {
      const peer = new Peer(version).online()
      peer.says(incoming(1, 7), incoming(2, 9))
      peer.acknowledge(...peer.messages)
      peer.says(ack('pubrel', 9))
      expect(peer.hex()).toBe('400200075002000970020009')
      const message = peer.publish(2)
      peer.sent()
      peer.says(ack('pubrec', message.packetId))
      expect(peer.sentTypes()).toEqual([`pubrel ${message.packetId}`])
    },
  )

  rule({ 5: 'MQTT-2.2.2-1' }, 'no properties are a length of zero', () => {
    const peer = new Peer(5)
    peer.connect(
      {},
      { properties: {}, will: { topic: 'w', payload: new Uint8Array(0), qos: 0, retain: false } },
    )
    expect(peer.hex()).toBe('101500044d51545405 06 003c 00 0002 6331 00 0001 77 0000'.replaceAll(' ', ''))
    peer.publish(1, 'a')
    expect(peer.hex()).toBe('3207 0001 61 0001 00 78'.replaceAll(' ', ''))
    peer.subscribe('a')
    expect(peer.hex()).toBe('8207 0002 00 0001 61 01'.replaceAll(' ', ''))
    peer.unsubscribe('a')
    expect(peer.hex()).toBe('a206 0003 00 0001 61'.replaceAll(' ', ''))
  })
})

describe('topics', () => {
  rule(
    { 5: ['MQTT-4.7.0-1', 'MQTT-3.3.2-2'], 4: ['MQTT-4.7.1-1', 'MQTT-3.3.2-2'] },
    'topic names have no wildcards',
    (version) => {
      for (const topic of ['a/#', 'a/+', '+', 'a+b']) {
        refuses(version, publishing(topic), /topic/)
        refuses(
          version,
          connecting(version, { will: { topic, payload: new Uint8Array(0), qos: 0, retain: false } }),
          /will/,
        )
      }
      closes(version, publishHex(version, '612f23'), 0x82)
    },
  )

  rule({ 5: 'MQTT-4.7.1-1', 4: 'MQTT-4.7.1-2' }, '# is the last level and alone in it', (version) => {
    for (const filter of ['a#', 'a/#/b', '#a', '##']) refuses(version, subscribing(filter), /filter/)
    for (const filter of ['#', 'a/#', '/#']) encode(subscribing(filter), { protocolVersion: version })
  })

  rule({ 5: 'MQTT-4.7.1-2', 4: 'MQTT-4.7.1-3' }, '+ is a level of its own', (version) => {
    for (const filter of ['a+', '+a', 'a/b+', '++']) refuses(version, subscribing(filter), /filter/)
    for (const filter of ['+', '+/a', 'a/+/b', '+/+/#'])
      encode(subscribing(filter), { protocolVersion: version })
  })

  rule(
    { 5: 'MQTT-4.7.3-1', 4: 'MQTT-4.7.3-1' },
    'topics and filters have at least one character',
    (version) => {
      refuses(version, publishing(''), /topic/)
      refuses(version, subscribing(''), /filter/)
      refuses(version, unsubscribing(''), /filter/)
      closes(version, publishHex(version, ''), 0x82)
    },
  )

  rule({ 5: 'MQTT-4.7.3-2', 4: 'MQTT-4.7.3-2' }, 'topics and filters hold no U+0000', (version) => {
    refuses(version, publishing(NUL), /topic/)
    refuses(version, subscribing(NUL), /filter/)
    refuses(version, unsubscribing(NUL), /filter/)
  })

  rule(
    { 5: 'MQTT-4.7.3-3', 4: 'MQTT-4.7.3-3' },
    'topics and filters take at most 65,535 bytes',
    (version) => {
      encode(publishing('é'.repeat(32_767)), { protocolVersion: version })
      refuses(version, publishing('é'.repeat(32_768)), /topic/)
      encode(subscribing('a'.repeat(65_535)), { protocolVersion: version })
      refuses(version, subscribing('a'.repeat(65_536)), /filter/)
    },
  )

  rule(
    { 5: ['MQTT-4.8.2-1', 'MQTT-4.8.2-2'] },
    'a shared filter is $share, a name without wildcards, and a filter',
    () => {
      for (const filter of ['$share//a', '$share/g', '$share/g/', '$share/g+/a', '$share/#/a'])
        refuses(5, subscribing(filter), /filter/)
      encode(subscribing('$share/g/a/#'))
    },
  )

  rule({ 5: 'MQTT-3.3.2-1', 4: 'MQTT-3.3.2-1' }, 'the topic comes first and is UTF-8', (version) => {
    const peer = new Peer(version).online()
    peer.publish(0, 'é')
    expect(peer.hex()).toBe(version === 5 ? '30060002c3a90078' : '30050002c3a978')
    closes(version, publishHex(version, 'c080'))
  })

  rule({ 5: ['MQTT-3.3.2-13', 'MQTT-3.3.2-14'] }, 'Response Topic is UTF-8 and has no wildcard', () => {
    closes(5, '3009 0001 61 04 08 0001 ff 78'.replace(/ /g, ''))
    const to = (responseTopic: string) => ({ ...publishing('a'), properties: { responseTopic } }) as Packet
    refuses(5, to(NUL), /responseTopic/)
    refuses(5, to('a/+'), /responseTopic/)
    const peer = new Peer(5).online()
    peer.saysHex('300b 0001 61 06 08 0003 612f2b 78'.replace(/ /g, ''))
    expect(peer.session.phase).toBe('offline')
  })

  rule({ 5: 'MQTT-3.3.2-19' }, 'Content Type is UTF-8', () => {
    closes(5, '3009 0001 61 04 03 0001 ff 78'.replace(/ /g, ''))
    refuses(5, { ...publishing('a'), properties: { contentType: LONE_SURROGATE } } as Packet, /contentType/)
  })
})

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  rule(
    { 5: ['MQTT-3.8.1-1', 'MQTT-3.10.1-1'], 4: ['MQTT-3.8.1-1', 'MQTT-3.10.1-1'] },
    'their flags are 0010',
    (version) => {
      const peer = new Peer(version).online()
      peer.subscribe('a')
      peer.unsubscribe('a')
      expect(packetsOf(peer.bytes()).map((packet) => packet[0])).toEqual([0x82, 0xa2])
    },
  )

  rule(
    { 5: ['MQTT-3.8.3-1', 'MQTT-3.10.3-1'], 4: ['MQTT-3.8.3-1', 'MQTT-3.10.3-1'] },
    'filters are UTF-8',
    (version) => {
      for (const filter of [NUL, LONE_SURROGATE]) {
        refuses(version, subscribing(filter), /filter/)
        refuses(version, unsubscribing(filter), /filter/)
      }
      const bytes = Buffer.from(encode(subscribing('é/#'), { protocolVersion: version })).toString('hex')
      expect(bytes).toContain('0004c3a92f23')
      expect(
        Buffer.from(encode(unsubscribing('é/#'), { protocolVersion: version })).toString('hex'),
      ).toContain('0004c3a92f23')
    },
  )

  rule(
    { 5: ['MQTT-3.8.3-2', 'MQTT-3.10.3-2'], 4: ['MQTT-3.8.3-3', 'MQTT-3.10.3-2'] },
    'they hold at least one filter',
    (version) => {
      refuses(version, { type: 'subscribe', packetId: 1, filters: [] }, /filters/)
      refuses(version, { type: 'unsubscribe', packetId: 1, filters: [] }, /filters/)
    },
  )

  rule({ 5: 'MQTT-3.8.3-4' }, 'No Local is not for shared subscriptions', () => {
    refuses(
      5,
      { type: 'subscribe', packetId: 1, filters: [{ filter: '$share/g/a', qos: 0, noLocal: true }] },
      /noLocal/,
    )
  })

  rule({ 5: 'MQTT-3.8.3-5', 4: 'MQTT-3.8.3-4' }, 'reserved bits of the options are zero', (version) => {
    const all = { filter: 'a', qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 } as const
    const bytes = encode({ type: 'subscribe', packetId: 1, filters: [all] }, { protocolVersion: version })
    expect(bytes.at(-1)).toBe(version === 5 ? 0x2e : 0x02)
    refuses(version, { type: 'subscribe', packetId: 1, filters: [{ filter: 'a', qos: 3 as 2 }] }, /qos/)
    if (version === 5)
      refuses(
        5,
        { type: 'subscribe', packetId: 1, filters: [{ ...all, retainHandling: 3 as 2 }] },
        /retainHandling/,
      )
  })
})

describe('streams', () => {
  rule({ 5: 'MQTT-4.2.0-1', 4: 'MQTT-7.1.2-1' }, 'how the bytes are cut does not matter', (version) => {
    const bytes = Buffer.concat(
      [incoming(0, 0), incoming(1, 5), incoming(2, 6), incoming(1, 7), ack('pubrel', 99)].map((packet) =>
        encode(packet, { protocolVersion: version, from: 'server' }),
      ),
    )
    const run = (size: number) => {
      const peer = new Peer(version).online()
      for (let at = 0; at < bytes.length; at += size) peer.saysBytes(bytes.subarray(at, at + size))
      peer.acknowledge(...peer.messages)
      return {
        sent: peer.hex(),
        topics: peer.messages.map((message) => [message.qos, message.packetId, message.topic]),
      }
    }
    const whole = run(bytes.length)
    expect(whole.topics).toHaveLength(4)
    for (const size of [1, 2, 3, 7]) expect(run(size)).toEqual(whole)
  })
})

function packetsOf(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    let length = 0
    let header = 1
    for (let shift = 0; ; shift += 7, header++) {
      const byte = bytes[at + header] ?? 0
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    const end = at + header + 1 + length
    packets.push(bytes.subarray(at, end))
    at = end
  }
  return packets
}

// A decoder is what every assertion above on `sent()` relies on: it must refuse what it should.
describe('the decoder behind these tests', () => {
  rule({ 5: 'MQTT-3.8.3-5' }, 'refuses reserved bits in subscription options', () => {
    const decoder = new PacketDecoder({ from: 'client', protocolVersion: 5 })
    decoder.push(Buffer.from('8207000100000161c0', 'hex'))
    expect(() => decoder.next()).toThrow(/reserved/i)
  })
})

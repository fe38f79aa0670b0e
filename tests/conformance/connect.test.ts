import { encode, type Packet, type ProtocolVersion } from 'mqtt-await/codec'
import { describe, expect } from 'vitest'
import { ack, type ConnectAs, incoming, Peer } from '../support/session-peer.ts'
import { rule } from './rule.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))

/** What a CONNECT with these fields looks like: flags, and the hex of its payload. */
function connectBytes(
  version: ProtocolVersion,
  connect: ConnectAs,
): { flags: number; payload: string; hex: string } {
  const peer = new Peer(version)
  peer.begin({ properties: {}, ...connect })
  const hex = peer.hex()
  const header = 4 // one length byte is enough for all of these
  const flags = Number.parseInt(hex.slice(header + 14, header + 16), 16)
  return { flags, payload: hex.slice(header + 20 + (version === 5 ? 2 : 0)), hex }
}

function refuses(version: ProtocolVersion, fields: object): void {
  const packet = {
    type: 'connect',
    protocolVersion: version,
    cleanStart: true,
    keepAlive: 0,
    clientId: 'c',
    ...fields,
  } as Packet
  expect(() => encode(packet)).toThrow(expect.objectContaining({ name: 'OptionsError' }))
}

const will = { topic: 'w', payload: bytes('m'), qos: 1, retain: true } as const

describe('the first packet', () => {
  rule({ 5: 'MQTT-3.1.0-1', 4: 'MQTT-3.1.0-1' }, 'on every connection is CONNECT', (version) => {
    const peer = new Peer(version)
    peer.publish(1)
    peer.subscribe('a')
    expect(peer.hex()).toBe('')
    for (let n = 0; n < 3; n++) {
      peer.begin()
      expect(peer.bytes()[0]).toBe(0x10)
      peer.says({ type: 'connack', sessionPresent: false, reasonCode: 0 })
      peer.cut()
    }
  })

  rule({ 5: 'MQTT-3.1.2-1' }, 'names the protocol MQTT; an unsupported version is reported', () => {
    const peer = new Peer(5)
    peer.begin()
    expect(peer.hex().slice(4, 18)).toBe('00044d51545405')
    peer.saysHex('2003008400')
    expect(peer.failure).toMatchObject({ name: 'ConnectError', reasonCode: 0x84 })
  })
})

describe('the payload of CONNECT', () => {
  rule(
    { 5: 'MQTT-3.1.3-1', 4: 'MQTT-3.1.3-1' },
    'has its fields in the order of the specification',
    (version) => {
      const { payload } = connectBytes(version, { will, username: 'u', password: bytes('p') })
      const properties = version === 5 ? '00' : ''
      expect(payload).toBe(`00026331${properties}00017700016d000175000170`)
    },
  )

  rule(
    { 5: 'MQTT-3.1.3-3', 4: 'MQTT-3.1.3-3' },
    'begins with the client identifier, be it empty',
    (version) => {
      expect(connectBytes(version, { clientId: '' }).payload).toBe('0000')
      expect(connectBytes(version, { clientId: 'c1' }).payload).toBe('00026331')
    },
  )

  rule({ 5: 'MQTT-3.1.3-4', 4: 'MQTT-3.1.3-4' }, 'has a client identifier in UTF-8', (version) => {
    expect(connectBytes(version, { clientId: 'é' }).payload).toBe('0002c3a9')
    refuses(version, { clientId: 'a\ud800' })
    refuses(version, { clientId: 'a\u0000' })
    refuses(version, { clientId: 'a'.repeat(65_536) })
  })

  rule({ 4: 'MQTT-3.1.3-7' }, 'has an empty identifier with a clean session only', () => {
    refuses(4, { clientId: '', cleanStart: false })
  })

  rule({ 5: 'MQTT-3.1.3-11', 4: 'MQTT-3.1.3-10' }, 'has a will topic in UTF-8', (version) => {
    for (const topic of ['a\u0000', 'a\ud800', 'a/+', '']) refuses(version, { will: { ...will, topic } })
    expect(connectBytes(version, { will: { ...will, topic: 'é' } }).payload).toContain('0002c3a9')
  })

  rule({ 5: 'MQTT-3.1.3-12', 4: 'MQTT-3.1.3-11' }, 'has a user name in UTF-8', (version) => {
    refuses(version, { username: 'a\u0000' })
    refuses(version, { username: '\udc00' })
    expect(connectBytes(version, { username: 'é' }).payload).toBe('000263310002c3a9')
  })

  rule(
    { 5: 'MQTT-3.1.2-9', 4: 'MQTT-3.1.2-9' },
    'holds will topic and payload when the flag is set, also an empty one',
    (version) => {
      const { flags, payload } = connectBytes(version, {
        will: { topic: 'w', payload: bytes(''), qos: 0, retain: false },
      })
      expect(flags & 0x04).toBe(0x04)
      expect(payload).toBe(`00026331${version === 5 ? '00' : ''}0001770000`)
    },
  )
})

describe('the flags of CONNECT', () => {
  rule(
    { 5: ['MQTT-3.1.2-11', 'MQTT-3.1.2-13'], 4: ['MQTT-3.1.2-11', 'MQTT-3.1.2-13', 'MQTT-3.1.2-15'] },
    'say nothing of a will that is not there',
    (version) => {
      expect(connectBytes(version, {}).flags & 0x3c).toBe(0)
    },
  )

  rule({ 5: 'MQTT-3.1.2-12', 4: 'MQTT-3.1.2-14' }, 'have a Will QoS of 0, 1 or 2', (version) => {
    for (const qos of [0, 1, 2] as const) {
      expect(connectBytes(version, { will: { ...will, qos, retain: false } }).flags & 0x38).toBe(qos << 3)
    }
    refuses(version, { will: { ...will, qos: 3 } })
  })

  rule(
    { 5: ['MQTT-3.1.2-16', 'MQTT-3.1.2-18'], 4: ['MQTT-3.1.2-18', 'MQTT-3.1.2-20'] },
    'without user name and password there is neither in the payload',
    (version) => {
      const { flags, payload } = connectBytes(version, {})
      expect(flags & 0xc0).toBe(0)
      expect(payload).toBe('00026331')
    },
  )

  rule({ 5: 'MQTT-3.1.2-17', 4: 'MQTT-3.1.2-19' }, 'with a user name it is there, be it empty', (version) => {
    const { flags, payload } = connectBytes(version, { username: '' })
    expect(flags & 0xc0).toBe(0x80)
    expect(payload).toBe('000263310000')
  })

  rule(
    { 5: 'MQTT-3.1.2-19', 4: 'MQTT-3.1.2-21' },
    'with a password it is there, as it was given',
    (version) => {
      const username = version === 5 ? {} : { username: 'u' }
      const { flags, payload } = connectBytes(version, {
        ...username,
        password: new Uint8Array([0, 255, 128]),
      })
      expect(flags & 0x40).toBe(0x40)
      expect(payload).toBe(`00026331${version === 5 ? '' : '000175'}000300ff80`)
    },
  )

  rule({ 4: 'MQTT-3.1.2-22' }, 'without a user name there is no password', () => {
    refuses(4, { password: bytes('p') })
  })
})

describe('sessions', () => {
  rule({ 5: 'MQTT-3.1.2-4', 4: 'MQTT-3.1.2-6' }, 'a clean start drops what came before', (version) => {
    const peer = new Peer(version)
    const connect: ConnectAs = { cleanStart: true, ...(version === 5 ? { properties: {} } : {}) }
    peer.connect({}, connect)
    peer.says(incoming(2, 9))
    peer.acknowledge(...peer.messages)
    peer.publish(1)
    const two = peer.publish(2)
    peer.sent()
    peer.cut()
    peer.connect({}, connect)
    const sent = peer.sent()
    expect(sent[0]).toMatchObject({ type: 'connect', cleanStart: true })
    expect(sent.some((packet) => 'dup' in packet && packet.dup === true)).toBe(false)
    expect(two.stage).toBe(3)
    // The identifier of the received message is new again.
    peer.says(incoming(2, 9))
    expect(peer.messages).toHaveLength(2)
  })

  rule(
    { 5: ['MQTT-3.1.2-23', 'MQTT-4.1.0-1'], 4: ['MQTT-3.1.2-4', 'MQTT-4.1.0-1'] },
    'a session that outlives its connection is resumed with what was open',
    (version) => {
      const peer = new Peer(version).online()
      const [one, two, released] = [peer.publish(1), peer.publish(2), peer.publish(2)]
      peer.says(ack('pubrec', released.packetId))
      peer.sent()
      peer.cut()
      expect(
        peer.resume().map((packet) => [packet.type, 'packetId' in packet ? packet.packetId : 0]),
      ).toEqual([
        ['pubrel', released.packetId],
        ['publish', one.packetId],
        ['publish', two.packetId],
      ])
    },
  )

  rule(
    { 5: 'MQTT-4.1.0-1', 4: 'MQTT-4.1.0-2' },
    'a late acknowledgement on a long connection still counts',
    (version) => {
      const peer = new Peer(version).online()
      const late = peer.publish(1)
      for (let n = 0; n < 3_000; n++) {
        const message = peer.publish(1)
        peer.session.output.take()
        peer.says(ack('puback', message.packetId))
      }
      peer.says(ack('puback', late.packetId))
      expect(late.stage).toBe(3)
      expect(peer.session.hasUnfinishedWork).toBe(false)
    },
  )

  rule(
    { 5: 'MQTT-3.1.3-2', 4: 'MQTT-3.1.3-2' },
    'the state of one client identifier is not used with another',
    (version) => {
      const [one, other] = [new Peer(version).online(), new Peer(version).online({}, { clientId: 'c2' })]
      one.publish(1)
      one.sent()
      one.cut()
      other.cut()
      expect(other.resume()).toEqual([])
      expect(one.resume()).toHaveLength(1)
    },
  )

  rule(
    { 5: 'MQTT-3.2.2-4' },
    'a client without session state closes when the server claims to have some',
    () => {
      const peer = new Peer(5)
      peer.begin({ cleanStart: false, properties: {} })
      peer.saysHex('2003010000')
      expect(peer.session.phase).toBe('offline')
      expect(peer.failure).toMatchObject({ name: 'ProtocolError', statement: 'MQTT-3.2.2-4' })
    },
  )

  rule({ 5: 'MQTT-3.2.2-5' }, 'a session that the server does not have is dropped', () => {
    const peer = new Peer(5).online()
    const [one, two, released] = [peer.publish(1), peer.publish(2), peer.publish(2)]
    peer.says(ack('pubrec', released.packetId), incoming(2, 9))
    peer.acknowledge(...peer.messages)
    peer.sent()
    peer.cut()
    expect(peer.resume(false)).toMatchObject([{ type: 'publish', qos: 1, dup: false }])
    expect([one.stage, two.stage, released.stage]).toEqual([1, 3, 3])
    expect(peer.sink.calls.filter(([name]) => name === 'settled').map((call) => call[2])).toMatchObject([
      { name: 'SessionLostError' },
      { name: 'SessionLostError' },
    ])
    peer.says(incoming(2, 9))
    expect(peer.messages).toHaveLength(2)
  })
})

describe('what the server grants', () => {
  rule({ 5: 'MQTT-3.2.2-11' }, 'nothing above Maximum QoS is published', () => {
    const peer = new Peer(5)
    const queued = peer.publish(2)
    peer.connect({ properties: { maximumQoS: 1 } })
    const now = peer.publish(2)
    expect(peer.sentTypes()).toEqual(['connect'])
    expect(peer.sink.calls.filter(([name]) => name === 'settled').map((call) => call[2])).toMatchObject([
      { reasonCode: 0x9b },
      { reasonCode: 0x9b },
    ])
    expect([queued.stage, now.stage]).toEqual([3, 3])
    peer.publish(1)
    expect(peer.sentTypes()).toEqual(['publish 1'])
  })

  rule({ 5: 'MQTT-3.2.2-14' }, 'nothing retained is published to a server that keeps none', () => {
    const peer = new Peer(5)
    peer.publish(0, { retain: true })
    peer.connect({ properties: { retainAvailable: false } })
    peer.publish(1, { retain: true })
    peer.publish(0, { retain: true })
    expect(peer.sentTypes()).toEqual(['connect'])
    expect(peer.sink.calls.filter(([name]) => name === 'settled').map((call) => call[2])).toMatchObject([
      { reasonCode: 0x9a },
      { reasonCode: 0x9a },
      { reasonCode: 0x9a },
    ])
  })

  rule(
    { 5: 'MQTT-3.2.2-15' },
    'nothing larger than Maximum Packet Size is sent, the fixed header counted',
    () => {
      const peer = new Peer(5).online({ properties: { maximumPacketSize: 64 } })
      const fits = (bytesInAll: number) => 'x'.repeat(bytesInAll - 2 - 5 - 2 - 1) // header, topic, id, properties
      peer.publish(1, { payload: fits(65) })
      peer.publish(0, { payload: `${fits(65)}xx` })
      expect(peer.hex()).toBe('')
      peer.publish(1, { payload: fits(64) })
      expect(peer.bytes()).toHaveLength(64)
      const outcomes = peer.subscribe('a'.repeat(70))
      expect(peer.hex()).toBe('')
      expect(outcomes).toMatchObject([{ results: [{ reasonCode: 0x95 }] }])
      // What is too large together goes in parts.
      const both = peer.subscribe('a'.repeat(40), 'b'.repeat(40))
      const [first, second] = peer.sent().map((packet) => (packet.type === 'subscribe' ? packet.packetId : 0))
      peer.says(
        { type: 'suback', packetId: second ?? 0, reasonCodes: [0] },
        { type: 'suback', packetId: first ?? 0, reasonCodes: [1] },
      )
      expect(both).toMatchObject([
        {
          results: [
            { filter: 'a'.repeat(40), reasonCode: 1 },
            { filter: 'b'.repeat(40), reasonCode: 0 },
          ],
        },
      ])
    },
  )

  rule(
    { 5: ['MQTT-3.2.2-17', 'MQTT-3.3.2-9'] },
    'Topic Aliases stay within the maximum of each CONNACK',
    () => {
      const peer = new Peer(5).online({ properties: { topicAliasMaximum: 2 } })
      for (const topic of ['topic/1', 'topic/2', 'topic/3', 'topic/1', 'topic/4']) peer.publish(0, topic)
      const aliases = peer
        .sent()
        .map((packet) => (packet.type === 'publish' ? packet.properties?.topicAlias : 0))
      expect(aliases.filter((alias) => alias !== undefined && alias > 2)).toEqual([])
      expect(aliases.slice(0, 2)).toEqual([1, 2])
      peer.publish(0, { topicAlias: 3 })
      expect(peer.hex()).toBe('')
      expect(peer.sink.calls.find(([name]) => name === 'settled')?.[2]).toMatchObject({ reasonCode: 0x94 })
      peer.cut()
      peer.resume(true, { properties: { topicAliasMaximum: 1 } })
      for (const topic of ['topic/1', 'topic/2']) peer.publish(0, topic)
      expect(
        peer
          .sent()
          .map((packet) => (packet.type === 'publish' ? [packet.topic, packet.properties?.topicAlias] : 0)),
      ).toEqual([
        ['topic/1', 1],
        ['topic/2', undefined],
      ])
    },
  )

  rule({ 5: 'MQTT-3.2.2-18' }, 'without a Topic Alias Maximum no alias is sent', () => {
    const peer = new Peer(5).online()
    for (let n = 0; n < 3; n++) peer.publish(0, 'some/topic')
    peer.publish(0, { topicAlias: 1 })
    expect(peer.sent().map((packet) => (packet.type === 'publish' ? packet.properties : 0))).toEqual([
      {},
      {},
      {},
    ])
  })

  rule(
    { 5: ['MQTT-3.1.2-21', 'MQTT-3.2.2-21'] },
    'Server Keep Alive is used, for this connection only',
    () => {
      const peer = new Peer(5).online({ properties: { serverKeepAlive: 10 } })
      expect(peer.session.nextDeadline()).toBeLessThanOrEqual(peer.now + 10_000)
      peer.cut()
      peer.begin({ cleanStart: false })
      expect(peer.sent()).toMatchObject([{ type: 'connect', keepAlive: 60 }])
      peer.says({ type: 'connack', sessionPresent: true, reasonCode: 0, properties: { serverKeepAlive: 0 } })
      expect(peer.session.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
      peer.cut()
      peer.begin({ cleanStart: false })
      expect(peer.sent()).toMatchObject([{ type: 'connect', keepAlive: 60 }])
    },
  )

  rule(
    { 5: 'MQTT-3.1.2-20', 4: 'MQTT-3.1.2-23' },
    'PINGREQ goes out in time; what is received does not postpone it',
    (version) => {
      const peer = new Peer(version)
      peer.connect({}, { keepAlive: 2 })
      peer.hex()
      const start = peer.now
      peer.now = start + 1_500
      peer.says(incoming(0, 0))
      const due = peer.session.nextDeadline()
      expect(due).toBeGreaterThan(start + 1_000)
      expect(due).toBeLessThan(start + 2_000)
      peer.now = due
      peer.session.expire(due)
      expect(peer.hex()).toBe('c000')
      const quiet = new Peer(version)
      quiet.connect({}, { keepAlive: 0 })
      expect(quiet.session.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
    },
  )

  rule({ 5: 'MQTT-3.3.2-10' }, 'every alias up to our own maximum is understood', () => {
    const peer = new Peer(5).online({}, { properties: { topicAliasMaximum: 10, sessionExpiryInterval: 60 } })
    for (let alias = 1; alias <= 10; alias++)
      peer.says(incoming(0, 0, { topic: `t${alias}`, properties: { topicAlias: alias } }))
    peer.says(incoming(0, 0, { topic: 'new', properties: { topicAlias: 3 } }))
    for (const alias of [10, 3]) peer.says(incoming(0, 0, { topic: '', properties: { topicAlias: alias } }))
    expect(peer.messages.slice(-2).map((message) => message.topic)).toEqual(['t10', 'new'])
  })

  rule({ 5: 'MQTT-3.3.2-7' }, 'aliases end with the connection, in both directions', () => {
    const peer = new Peer(5).online(
      { properties: { topicAliasMaximum: 5 } },
      { properties: { topicAliasMaximum: 5, sessionExpiryInterval: 60 } },
    )
    peer.publish(1, 'some/topic')
    peer.publish(1, 'some/topic')
    expect(peer.sent().map((packet) => (packet.type === 'publish' ? packet.topic : 0))).toEqual([
      'some/topic',
      '',
    ])
    peer.says(incoming(0, 0, { topic: 'a', properties: { topicAlias: 1 } }))
    peer.cut()
    const resent = peer.resume(true, { properties: { topicAliasMaximum: 5 } })
    expect(resent).toMatchObject([
      { topic: 'some/topic', dup: true },
      { topic: 'some/topic', dup: true },
    ])
    peer.says(incoming(0, 0, { topic: '', properties: { topicAlias: 1 } }))
    expect(peer.session.phase).toBe('offline')
    expect(peer.failure).toMatchObject({ name: 'ConnectionLostError' })
  })

  rule({ 5: 'MQTT-3.3.2-8' }, 'alias 0 is never sent and not accepted', () => {
    expect(() =>
      encode({
        type: 'publish',
        topic: 'a',
        payload: bytes(''),
        qos: 0,
        retain: false,
        dup: false,
        packetId: 0,
        properties: { topicAlias: 0 },
      }),
    ).toThrow(/topicAlias/)
    const peer = new Peer(5).online({}, { properties: { topicAliasMaximum: 5 } })
    peer.saysHex('3008 0001 61 03 230000 78')
    expect(peer.hex()).toBe('e00194')
  })
})

describe('the end of a connection', () => {
  rule(
    { 5: ['MQTT-3.14.4-1', 'MQTT-3.14.4-2'], 4: ['MQTT-3.14.4-1', 'MQTT-3.14.4-2'] },
    'DISCONNECT is the last thing that is sent, and the client closes',
    (version) => {
      const peer = new Peer(version).online()
      peer.says(incoming(1, 1), incoming(1, 2))
      peer.publish(1)
      peer.session.disconnect({ reasonCode: 0 })
      expect(peer.sink.names()).toContain('disconnected')
      peer.publish(1)
      peer.acknowledge(...peer.messages)
      peer.session.ping(peer.now)
      peer.subscribe('a')
      expect(peer.hex().endsWith('e000')).toBe(true)
      expect(peer.hex()).toBe('')
    },
  )

  rule({ 4: 'MQTT-3.14.1-1' }, 'DISCONNECT has no flags', (version) => {
    const peer = new Peer(version).online()
    peer.session.disconnect({ reasonCode: 0 })
    expect(peer.hex()).toBe('e000')
  })

  rule({ 5: 'MQTT-3.14.1-1' }, 'a DISCONNECT with flags is malformed', () => {
    const peer = new Peer(5).online()
    peer.saysHex('e100')
    expect(peer.hex()).toBe('e00181')
  })

  rule({ 5: 'MQTT-3.14.2-1' }, 'DISCONNECT has reason codes of its own, on either side', () => {
    for (const reasonCode of [0x8e, 0x9c, 0x87, 0x01]) {
      expect(() => new Peer(5).online().session.disconnect({ reasonCode })).toThrow(
        expect.objectContaining({ name: 'OptionsError' }),
      )
    }
    for (const hex of ['e00101', 'e00104']) {
      const peer = new Peer(5).online()
      peer.saysHex(hex)
      expect(peer.failure).toMatchObject({ name: 'ProtocolError' })
    }
  })

  rule(
    { 5: ['MQTT-3.14.2-3', 'MQTT-3.14.2-4'] },
    'a reason string or user property that would not fit is left out',
    () => {
      const peer = new Peer(5).online({ properties: { maximumPacketSize: 30 } })
      peer.session.disconnect({
        reasonCode: 4,
        properties: { reasonString: 'x'.repeat(40), userProperties: [['a', 'b'.repeat(40)]] },
      })
      expect(peer.hex()).toBe('e00104')
    },
  )

  rule({ 5: 'MQTT-4.13.2-1' }, 'a CONNACK or DISCONNECT of 0x80 and up ends the connection', () => {
    const refused = new Peer(5)
    refused.begin()
    refused.saysHex('2003008700')
    expect(refused.session.phase).toBe('offline')
    const peer = new Peer(5).online()
    peer.saysHex('e0018b')
    expect(peer.session.phase).toBe('offline')
    expect(peer.failure).toMatchObject({ name: 'ConnectionLostError', reasonCode: 0x8b })
    expect(peer.hex()).toBe('')
  })

  rule(
    { 4: 'MQTT-4.8.0-1' },
    'a violation closes the connection on which it came, and the session goes on',
    (version) => {
      const peer = new Peer(version).online()
      peer.publish(1)
      peer.sent()
      peer.saysHex('f000')
      expect(peer.session.phase).toBe('offline')
      expect(peer.resume()).toMatchObject([{ type: 'publish', dup: true }])
    },
  )
})

describe('enhanced authentication', () => {
  const method: ConnectAs = {
    properties: { authenticationMethod: 'M', authenticationData: bytes('1'), sessionExpiryInterval: 60 },
  }
  const auth = (reasonCode: number, authenticationMethod = 'M'): Packet => ({
    type: 'auth',
    reasonCode,
    properties: { authenticationMethod, authenticationData: bytes('d') },
  })
  const accepted = { properties: { authenticationMethod: 'M' } }

  rule({ 5: 'MQTT-3.1.2-30' }, 'until CONNACK nothing but AUTH and DISCONNECT is sent', () => {
    const peer = new Peer(5)
    peer.publish(1)
    peer.begin(method)
    peer.subscribe('a')
    peer.publish(0)
    expect(peer.sentTypes()).toEqual(['connect'])
    peer.says(auth(0x18))
    peer.session.authenticate(bytes('2'))
    expect(peer.sentTypes()).toEqual(['auth'])
    peer.says({ type: 'connack', sessionPresent: false, reasonCode: 0, ...accepted })
    expect(peer.sentTypes()).toEqual(['subscribe 1', 'publish', 'publish 2'])
  })

  rule({ 5: 'MQTT-4.12.0-3' }, 'AUTH is answered by AUTH 0x18 with the same method', () => {
    const peer = new Peer(5)
    peer.begin(method)
    peer.sent()
    peer.says(auth(0x18))
    expect(peer.sink.all('authenticate')).toEqual([bytes('d')])
    peer.session.authenticate(bytes('2'))
    expect(peer.sent()).toMatchObject([
      { type: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'M' } },
    ])
  })

  rule({ 5: 'MQTT-4.12.0-5' }, 'every AUTH and the CONNACK name the method of CONNECT', () => {
    for (const packet of [
      auth(0x18, 'N'),
      { type: 'auth', reasonCode: 0x18 } as Packet,
      { type: 'connack', sessionPresent: false, reasonCode: 0 } as Packet,
    ]) {
      const peer = new Peer(5)
      peer.begin(method)
      peer.sent()
      if (packet.type === 'auth' && packet.properties === undefined) peer.saysHex('f00118')
      else peer.says(packet)
      expect(peer.hex()).toBe('e00182')
    }
  })

  rule({ 5: 'MQTT-4.12.0-7' }, 'without a method no AUTH is sent', () => {
    const peer = new Peer(5).online()
    expect(() => peer.session.reauthenticate(undefined)).toThrow(
      expect.objectContaining({ name: 'OptionsError' }),
    )
    expect(peer.hex()).toBe('')
    peer.says(auth(0x18))
    expect(peer.hex()).toBe('e00182')
  })

  rule(
    { 5: 'MQTT-4.12.1-1' },
    're-authentication is AUTH 0x19 with the method, while other traffic goes on',
    () => {
      const peer = new Peer(5).online(accepted, method)
      peer.session.reauthenticate(bytes('1'))
      peer.publish(1)
      expect(peer.sent()).toMatchObject([
        { type: 'auth', reasonCode: 0x19, properties: { authenticationMethod: 'M' } },
        { type: 'publish' },
      ])
      peer.says(auth(0x18))
      peer.session.authenticate(bytes('2'))
      expect(peer.sent()).toMatchObject([{ type: 'auth', reasonCode: 0x18 }])
      peer.says(auth(0))
      expect(peer.sink.names()).toContain('reauthenticated')
    },
  )

  rule({ 5: 'MQTT-4.12.1-2' }, 'a failed re-authentication ends the connection', () => {
    const byServer = new Peer(5).online(accepted, method)
    byServer.session.reauthenticate(bytes('1'))
    byServer.says({ type: 'disconnect', reasonCode: 0x87 })
    expect(byServer.failure).toMatchObject({ reasonCode: 0x87 })
    const byUs = new Peer(5).online(accepted, method)
    byUs.session.reauthenticate(bytes('1'))
    byUs.hex()
    byUs.session.disconnect({ reasonCode: 0x80 })
    expect(byUs.hex()).toBe('e00180')
  })

  rule({ 5: 'MQTT-3.15.1-1' }, 'AUTH with flags is malformed', () => {
    const peer = new Peer(5).online(accepted, method)
    peer.saysHex('f100')
    expect(peer.hex()).toBe('e00181')
  })

  rule({ 5: 'MQTT-3.15.2-1' }, 'AUTH uses only its own reason codes', () => {
    for (const reasonCode of [0x19, 0x80]) {
      const peer = new Peer(5).online(accepted, method)
      peer.session.reauthenticate(undefined)
      peer.hex()
      peer.saysHex(`f006${reasonCode.toString(16)}041500014d`)
      expect(peer.hex()).toBe('e00182')
    }
    expect(() => encode({ type: 'auth', reasonCode: 0, properties: { authenticationMethod: 'M' } })).toThrow(
      /reasonCode/,
    )
  })
})

import { encode, type Packet, type ProtocolVersion } from 'mqtt-await/codec'
import { MessageExpiry } from 'mqtt-await/session'
import { describe, expect } from 'vitest'
import { ack, incoming, Peer } from '../support/session-peer.ts'
import { rule } from './rule.ts'

const publishes = (packets: readonly Packet[]) => packets.filter((packet) => packet.type === 'publish')
const first = (peer: Peer) => peer.bytes()[0]

describe('sending', () => {
  rule(
    { 5: ['MQTT-3.3.1-2', 'MQTT-4.3.1-1'], 4: ['MQTT-3.3.1-2', 'MQTT-4.3.1-1'] },
    'QoS 0 goes out with QoS and DUP 0',
    (version) => {
      const peer = new Peer(version).online()
      peer.publish(0)
      expect(first(peer)).toBe(0x30)
      peer.publish(0, { retain: true })
      expect(first(peer)).toBe(0x31)
      peer.saysHex(version === 5 ? '38050001610078' : '380400016178')
      expect(peer.session.phase).toBe('offline')
    },
  )

  rule({ 5: 'MQTT-3.3.1-1', 4: 'MQTT-3.3.1-1' }, 'a redelivered PUBLISH has DUP', (version) => {
    const peer = new Peer(version).online()
    const sent = [peer.publish(1), peer.publish(2)]
    peer.sent()
    peer.cut()
    expect(peer.resume()).toMatchObject(
      sent.map(({ packetId, qos }) => ({ type: 'publish', dup: true, packetId, qos })),
    )
  })

  rule({ 5: 'MQTT-3.3.1-3', 4: 'MQTT-3.3.1-3' }, 'DUP of a received message is not passed on', (version) => {
    const peer = new Peer(version).online()
    peer.says(incoming(1, 4, { dup: true }))
    const received = peer.messages[0]
    expect(received?.dup).toBe(true)
    peer.publish(1, { topic: received?.topic ?? '' })
    expect(first(peer)).toBe(0x32)
  })

  rule({ 5: 'MQTT-3.3.1-4', 4: 'MQTT-3.3.1-4' }, 'there is no QoS 3', (version) => {
    expect(() =>
      encode(
        {
          type: 'publish',
          topic: 'a',
          payload: new Uint8Array(0),
          qos: 3 as 2,
          retain: false,
          dup: false,
          packetId: 1,
        },
        { protocolVersion: version },
      ),
    ).toThrow(/qos/)
    const peer = new Peer(version).online()
    peer.saysHex(version === 5 ? '3607000161000100 78' : '3606 0001 61 0001 78')
    expect(peer.session.phase).toBe('offline')
    expect(peer.hex()).toBe(version === 5 ? 'e00181' : '')
  })

  rule(
    { 5: ['MQTT-4.3.2-1', 'MQTT-4.3.2-2', 'MQTT-4.3.2-3'], 4: 'MQTT-4.3.2-1' },
    'QoS 1: a fresh identifier, no DUP, open until PUBACK',
    (version) => {
      const peer = new Peer(version).online()
      const [one, other] = [peer.publish(1), peer.publish(1)]
      expect(one.packetId).not.toBe(other.packetId)
      expect(publishes(peer.sent())).toMatchObject([
        { dup: false, qos: 1 },
        { dup: false, qos: 1 },
      ])
      peer.says(ack('puback', other.packetId))
      expect([one.stage, other.stage]).toEqual([1, 3])
      peer.says(ack('puback', one.packetId))
      expect(one.stage).toBe(3)
    },
  )

  rule(
    {
      5: ['MQTT-4.3.3-1', 'MQTT-4.3.3-2', 'MQTT-4.3.3-3', 'MQTT-4.3.3-4', 'MQTT-4.3.3-5', 'MQTT-4.3.3-6'],
      4: 'MQTT-4.3.3-1',
    },
    'QoS 2: PUBLISH until PUBREC, then PUBREL until PUBCOMP, never PUBLISH again',
    (version) => {
      const peer = new Peer(version).online()
      const message = peer.publish(2)
      const id = message.packetId
      expect(publishes(peer.sent())).toMatchObject([{ dup: false, qos: 2, packetId: id }])
      peer.cut()
      expect(peer.resume()).toMatchObject([{ type: 'publish', packetId: id, dup: true }])
      peer.says(ack('pubrec', id))
      expect(peer.hex()).toBe(`6202${id.toString(16).padStart(4, '0')}`)
      peer.says(ack('pubrec', id))
      expect(peer.sentTypes()).toEqual([`pubrel ${id}`])
      peer.cut()
      expect(peer.resume()).toMatchObject([{ type: 'pubrel', packetId: id }])
      expect(message.stage).toBe(2)
      peer.says(ack('pubcomp', id))
      expect(message.stage).toBe(3)
      expect(peer.cut().resume()).toEqual([])
    },
  )

  rule({ 5: 'MQTT-4.3.3-4' }, 'a PUBREC of 0x80 and up ends the exchange without PUBREL', () => {
    const peer = new Peer(5).online()
    const [refused, taken] = [peer.publish(2), peer.publish(2)]
    peer.sent()
    peer.says(ack('pubrec', refused.packetId, 0x97), ack('pubrec', taken.packetId, 0x10))
    expect(peer.sentTypes()).toEqual([`pubrel ${taken.packetId}`])
    expect(refused.stage).toBe(3)
    expect(peer.sink.calls.find(([name]) => name === 'settled')?.[2]).toMatchObject({
      name: 'PublishError',
      reasonCode: 0x97,
    })
  })

  rule({ 5: 'MQTT-4.3.3-7' }, 'what has been sent does not expire any more', () => {
    const peer = new Peer(5).online()
    const expiry = () => new MessageExpiry(peer.now + 1_000, peer.now + 1_000)
    const sent = peer.publish(2, { expiry: expiry() })
    expect(publishes(peer.sent())).toMatchObject([{ properties: { messageExpiryInterval: 1 } }])
    peer.cut()
    const waiting = peer.publish(2, { expiry: expiry() })
    peer.now += 2_000
    peer.session.expire(peer.now)
    expect(publishes(peer.resume())).toMatchObject([
      { packetId: sent.packetId, dup: true, properties: { messageExpiryInterval: 1 } },
    ])
    expect(waiting.stage).toBe(3)
  })

  rule(
    { 5: 'MQTT-4.4.0-1', 4: 'MQTT-4.4.0-1' },
    'everything open is resent once after a reconnect, and at no other time',
    (version) => {
      const peer = new Peer(version).online()
      const [one, two, released] = [peer.publish(1), peer.publish(2), peer.publish(2)]
      peer.says(ack('pubrec', released.packetId))
      peer.sent()
      for (let hours = 0; hours < 5; hours++) {
        peer.now += 59_000
        peer.session.expire(peer.now)
        expect(peer.sentTypes()).toEqual(['pingreq'])
        peer.says({ type: 'pingresp' })
      }
      peer.cut()
      const ids = peer.resume().map((packet) => ('packetId' in packet ? packet.packetId : 0))
      expect(ids.sort()).toEqual([one, two, released].map((message) => message.packetId).sort())
      expect(peer.hex()).toBe('')
    },
  )

  rule({ 5: 'MQTT-4.4.0-2' }, 'a refused message is settled and not resent', () => {
    const peer = new Peer(5).online()
    const [one, two] = [peer.publish(1), peer.publish(2)]
    peer.sent()
    peer.says(ack('puback', one.packetId, 0x97), ack('pubrec', two.packetId, 0x87))
    expect(peer.cut().resume()).toEqual([])
    expect(peer.sink.calls.filter(([name]) => name === 'settled').map((call) => call[2])).toMatchObject([
      { reasonCode: 0x97 },
      { reasonCode: 0x87 },
    ])
  })

  rule(
    { 5: 'MQTT-4.6.0-1', 4: 'MQTT-4.6.0-1' },
    'resends keep the order of the first sending, across identifiers that wrap round',
    (version) => {
      const peer = new Peer(version, { maxInflight: 10 }).online()
      // Turn the ring of free identifiers until the next ones are 14, 15, 16, 1 ...
      for (let n = 0; n < 13; n++) {
        const message = peer.publish(1)
        peer.sent()
        peer.says(ack('puback', message.packetId))
      }
      const sent = ([1, 2, 2, 1, 1, 2] as const).map((qos) => peer.publish(qos))
      const ids = sent.map((message) => message.packetId)
      expect(ids.some((id, n) => n > 0 && id < (ids[n - 1] ?? 0))).toBe(true)
      peer.sent()
      peer.cut()
      const later = peer.publish(1)
      const order = publishes(peer.resume()).map((packet) => packet.packetId)
      expect(order).toEqual([...ids, later.packetId])
    },
  )

  rule(
    { 5: 'MQTT-4.6.0-4', 4: 'MQTT-4.6.0-4' },
    'PUBRELs go out in the order of the PUBRECs, also when resent',
    (version) => {
      const peer = new Peer(version).online()
      const [a, b, c] = [peer.publish(2), peer.publish(2), peer.publish(2)].map(
        (message) => message.packetId,
      ) as [number, number, number]
      peer.sent()
      peer.says(ack('pubrec', b), ack('pubrec', c), ack('pubrec', a))
      const order = [`pubrel ${b}`, `pubrel ${c}`, `pubrel ${a}`]
      expect(peer.sentTypes()).toEqual(order)
      expect(
        peer
          .cut()
          .resume()
          .map((packet) => ('packetId' in packet ? `${packet.type} ${packet.packetId}` : '')),
      ).toEqual(order)
    },
  )

  rule({ 5: 'MQTT-3.6.1-1', 4: 'MQTT-3.6.1-1' }, 'PUBREL has the flags 0010', (version) => {
    const peer = new Peer(version).online()
    const message = peer.publish(2)
    peer.sent()
    peer.says(ack('pubrec', message.packetId))
    expect(first(peer)).toBe(0x62)
    peer.saysHex('60020001')
    expect(peer.session.phase).toBe('offline')
  })

  rule({ 5: 'MQTT-3.6.2-1' }, 'PUBREL knows 0x00 and 0x92', () => {
    const peer = new Peer(5).online()
    peer.says(ack('pubrec', 4_660))
    expect(peer.hex()).toBe('6203123492')
    peer.saysHex('6203000180')
    expect(peer.session.phase).toBe('offline')
  })

  rule({ 5: 'MQTT-3.3.4-6' }, 'a client sends no Subscription Identifier in PUBLISH', () => {
    expect(() =>
      encode({ ...incoming(0, 0), properties: { subscriptionIdentifiers: [1] } } as Packet, {
        from: 'client',
      }),
    ).toThrow(/subscriptionIdentifier/)
  })
})

describe('the send quota', () => {
  const online = (receiveMaximum: number) => new Peer(5).online({ properties: { receiveMaximum } })

  rule(
    { 5: ['MQTT-3.3.4-7', 'MQTT-4.9.0-2'] },
    'counts QoS 1 to PUBACK and QoS 2 to PUBCOMP or a failing PUBREC',
    () => {
      const peer = online(2)
      for (let n = 0; n < 5; n++) peer.publish(2)
      expect(peer.sentTypes()).toEqual(['publish 1', 'publish 2'])
      peer.says(ack('pubrec', 1))
      expect(peer.sentTypes()).toEqual(['pubrel 1'])
      peer.says(ack('pubcomp', 1))
      expect(peer.sentTypes()).toEqual(['publish 3'])
      peer.says(ack('pubrec', 2, 0x87))
      expect(peer.sentTypes()).toEqual(['publish 4'])
      peer.publish(0)
      expect(peer.sentTypes()).toEqual(['publish'])
      peer.cut()
      expect(publishes(peer.resume(true, { properties: { receiveMaximum: 1 } }))).toHaveLength(1)
    },
  )

  rule({ 5: ['MQTT-3.3.4-8', 'MQTT-4.9.0-3'] }, 'holds back PUBLISH alone', () => {
    const peer = online(1)
    const [released] = [peer.publish(2), peer.publish(1)]
    peer.sent()
    peer.subscribe('a')
    peer.unsubscribe('b')
    peer.session.ping(peer.now)
    peer.says(incoming(1, 5), incoming(2, 6), ack('pubrec', released.packetId))
    peer.acknowledge(...peer.messages)
    peer.says(ack('pubrel', 6))
    expect(peer.sentTypes()).toEqual([
      'subscribe 2',
      'unsubscribe 3',
      'pingreq',
      'pubrel 1',
      'puback 5',
      'pubrec 6',
      'pubcomp 6',
    ])
    peer.session.disconnect({ reasonCode: 0 })
    expect(peer.hex()).toBe('e000')
  })

  rule({ 5: 'MQTT-4.9.0-1' }, 'begins at Receive Maximum with each CONNACK, 65,535 when it is absent', () => {
    const peer = online(1)
    for (let n = 0; n < 3; n++) peer.publish(1)
    expect(publishes(peer.sent())).toHaveLength(1)
    peer.cut()
    expect(publishes(peer.resume())).toHaveLength(3)
    expect(peer.session.limits?.receiveMaximum).toBe(65_535)
  })
})

describe('receiving', () => {
  rule({ 5: 'MQTT-3.3.4-1', 4: 'MQTT-3.3.4-1' }, 'each QoS has its answer', (version) => {
    const peer = new Peer(version).online()
    for (const qos of [0, 1, 2] as const) {
      peer.says(incoming(qos, qos))
      peer.acknowledge(peer.messages.at(-1))
      expect(peer.sentTypes()).toEqual([[], ['puback 1'], ['pubrec 2']][qos])
    }
  })

  rule({ 5: 'MQTT-4.3.2-4' }, 'PUBACK comes when the application has finished, with its verdict', () => {
    const peer = new Peer(5).online()
    peer.says(incoming(1, 5), incoming(1, 6))
    expect(peer.hex()).toBe('')
    peer.acknowledge(peer.messages[0])
    expect(peer.hex()).toBe('40020005')
    const second = peer.messages[1]
    if (second !== undefined) peer.session.acknowledge(second, 0x83)
    expect(peer.hex()).toBe('4003000683')
  })

  rule(
    { 5: 'MQTT-4.3.2-5', 4: 'MQTT-4.3.2-2' },
    'after PUBACK the same identifier is a new message, whatever DUP says',
    (version) => {
      const peer = new Peer(version).online()
      for (const dup of [false, true]) {
        peer.says(incoming(1, 5, { dup }))
        peer.acknowledge(peer.messages.at(-1))
      }
      expect(peer.messages).toHaveLength(2)
      expect(peer.sentTypes()).toEqual(['puback 5', 'puback 5'])
    },
  )

  rule(
    { 5: ['MQTT-4.3.3-8', 'MQTT-4.3.3-10', 'MQTT-4.3.3-11', 'MQTT-4.3.3-12'], 4: 'MQTT-4.3.3-2' },
    'QoS 2 is delivered once; every repeat is answered; then the identifier is new',
    (version) => {
      const peer = new Peer(version).online()
      peer.says(incoming(2, 9))
      peer.acknowledge(...peer.messages)
      peer.says(incoming(2, 9, { dup: true }))
      expect(peer.sentTypes()).toEqual(['pubrec 9', 'pubrec 9'])
      peer.cut()
      peer.resume()
      peer.says(incoming(2, 9, { dup: true }))
      expect(peer.sentTypes()).toEqual(['pubrec 9'])
      expect(peer.messages).toHaveLength(1)
      peer.says(ack('pubrel', 9))
      expect(peer.sentTypes()).toEqual(['pubcomp 9'])
      peer.says(ack('pubrel', 9))
      expect(peer.hex()).toBe(version === 5 ? '7003000992' : '70020009')
      peer.says(incoming(2, 9, { dup: true }))
      expect(peer.messages).toHaveLength(2)
    },
  )

  rule({ 5: 'MQTT-4.3.3-9' }, 'after a failing PUBREC the identifier is new', () => {
    const peer = new Peer(5).online()
    peer.says(incoming(2, 9))
    const [message] = peer.messages
    if (message !== undefined) peer.session.acknowledge(message, 0x97)
    expect(peer.hex()).toBe('5003000997')
    peer.says(incoming(2, 9))
    expect(peer.messages).toHaveLength(2)
  })

  rule({ 5: 'MQTT-4.3.3-13' }, 'acknowledgements go on for a message that has expired', () => {
    const peer = new Peer(5).online()
    peer.says(incoming(2, 9, { properties: { messageExpiryInterval: 1 } }))
    peer.now += 10_000
    peer.acknowledge(...peer.messages)
    peer.says(ack('pubrel', 9))
    expect(peer.sentTypes()).toEqual(['pubrec 9', 'pubcomp 9'])
  })

  rule(
    { 5: 'MQTT-4.5.0-2', 4: 'MQTT-4.5.0-2' },
    'what the application does not want is acknowledged all the same',
    (version) => {
      const peer = new Peer(version).online()
      peer.says(incoming(1, 1), incoming(2, 2))
      for (const message of peer.messages) peer.session.acknowledge(message)
      expect(peer.sentTypes()).toEqual(['puback 1', 'pubrec 2'])
    },
  )

  for (const [qos, type, id] of [
    [1, 'puback', 'MQTT-4.6.0-2'],
    [2, 'pubrec', 'MQTT-4.6.0-3'],
  ] as const) {
    const ids =
      id === 'MQTT-4.6.0-2'
        ? { 5: 'MQTT-4.6.0-2', 4: 'MQTT-4.6.0-2' }
        : { 5: 'MQTT-4.6.0-3', 4: 'MQTT-4.6.0-3' }
    rule(ids, `${type.toUpperCase()}s go out in the order in which the messages came`, (version) => {
      const peer = new Peer(version).online()
      peer.says(incoming(qos, 1), incoming(qos, 2), incoming(qos, 3))
      const [a, b, c] = peer.messages
      peer.acknowledge(c)
      expect(peer.hex()).toBe('')
      peer.acknowledge(a)
      expect(peer.sentTypes()).toEqual([`${type} 1`])
      peer.acknowledge(b)
      expect(peer.sentTypes()).toEqual([`${type} 2`, `${type} 3`])
    })
  }

  rule(
    { 5: 'MQTT-3.7.2-1' },
    'a PUBREL of an unknown identifier is answered by PUBCOMP 0x92, and nothing else happens',
    () => {
      const peer = new Peer(5).online()
      peer.saysHex('62021234')
      expect(peer.hex()).toBe('7003123492')
      expect(peer.session.phase).toBe('online')
    },
  )

  for (const [type, hex, id] of [
    ['puback', '4003000101', 'MQTT-3.4.2-1'],
    ['pubrec', '5003000192', 'MQTT-3.5.2-1'],
  ] as const) {
    rule(
      id === 'MQTT-3.4.2-1' ? { 5: 'MQTT-3.4.2-1' } : { 5: 'MQTT-3.5.2-1' },
      `${type.toUpperCase()} has reason codes of its own`,
      () => {
        const peer = new Peer(5).online()
        peer.publish(type === 'puback' ? 1 : 2)
        peer.sent()
        peer.saysHex(hex)
        expect(peer.failure).toMatchObject({ name: 'ProtocolError' })
        expect(() => encode(ack(type, 1, 0x92))).toThrow(/reasonCode/)
      },
    )
  }

  rule(
    { 4: 'MQTT-4.8.0-2' },
    'what could not be processed is not acknowledged falsely',
    (version: ProtocolVersion) => {
      const peer = new Peer(version).online()
      peer.says(incoming(1, 1), incoming(1, 2))
      // The application has failed on the first and finished with the second: nothing may leave before the first.
      peer.acknowledge(peer.messages[1])
      expect(peer.hex()).toBe('')
    },
  )
})

describe('reason strings and user properties that do not fit', () => {
  const properties = {
    reasonString: 'x'.repeat(60),
    userProperties: [['a', 'y'.repeat(60)]] as [string, string][],
  }

  rule(
    { 5: ['MQTT-3.4.2-2', 'MQTT-3.4.2-3', 'MQTT-3.5.2-2', 'MQTT-3.5.2-3'] },
    'are left out of PUBACK and PUBREC',
    () => {
      const peer = new Peer(5).online({ properties: { maximumPacketSize: 50 } })
      peer.says(incoming(1, 1), incoming(2, 2))
      for (const message of peer.messages) peer.session.acknowledge(message, 0x87, properties)
      expect(peer.hex()).toBe('40030001875003000287')
      const roomy = new Peer(5).online()
      roomy.says(incoming(1, 1))
      for (const message of roomy.messages) roomy.session.acknowledge(message, 0x87, properties)
      expect(roomy.sent()).toMatchObject([{ type: 'puback', properties }])
    },
  )
})

describe('extensions', () => {
  rule({ 4: 'MQTT-7.0.0-2' }, 'none is needed to work with a plain server', (version) => {
    const peer = new Peer(version).online()
    const outcomes = peer.subscribe('a')
    const message = peer.publish(1)
    const [subscribe] = peer.sent()
    if (subscribe?.type !== 'subscribe') throw new Error('no SUBSCRIBE')
    peer.says(
      { type: 'suback', packetId: subscribe.packetId, reasonCodes: [1] },
      ack('puback', message.packetId),
      incoming(0, 0),
    )
    expect(outcomes).toHaveLength(1)
    expect([message.stage, peer.messages.length]).toEqual([3, 1])
  })
})

describe('packets in which this client never sends a reason string or user property', () => {
  const bare = (hex: string) => hex.match(/../g)?.length

  rule(
    { 5: ['MQTT-3.6.2-2', 'MQTT-3.6.2-3'] },
    'PUBREL fits the smallest Maximum Packet Size that lets it be sent',
    () => {
      const peer = new Peer(5).online({ properties: { maximumPacketSize: 12 } })
      const message = peer.publish(2)
      peer.sent()
      peer.says({
        ...ack('pubrec', message.packetId),
        properties: { reasonString: 'x'.repeat(99), userProperties: [['a', 'b']] },
      } as Packet)
      expect(bare(peer.hex())).toBe(4)
      peer.says(ack('pubrec', 4_660))
      expect(bare(peer.hex())).toBe(5)
    },
  )

  rule({ 5: ['MQTT-3.7.2-2', 'MQTT-3.7.2-3'] }, 'PUBCOMP likewise', () => {
    const peer = new Peer(5).online({ properties: { maximumPacketSize: 5 } })
    peer.says(incoming(2, 9))
    peer.acknowledge(...peer.messages)
    peer.sent()
    peer.says({ ...ack('pubrel', 9), properties: { reasonString: 'x'.repeat(99) } } as Packet)
    expect(bare(peer.hex())).toBe(4)
    peer.says(ack('pubrel', 4_660))
    expect(bare(peer.hex())).toBe(5)
  })

  rule({ 5: ['MQTT-3.15.2-2', 'MQTT-3.15.2-3'] }, 'AUTH carries method and data alone', () => {
    const properties = { authenticationMethod: 'M', sessionExpiryInterval: 60 }
    const peer = new Peer(5).online(
      { properties: { authenticationMethod: 'M', maximumPacketSize: 20 } },
      { properties },
    )
    peer.session.reauthenticate(new Uint8Array([1]))
    const [packet] = peer.sent()
    expect(packet).toMatchObject({ type: 'auth' })
    expect(Object.keys(packet?.type === 'auth' ? (packet.properties ?? {}) : {}).sort()).toEqual([
      'authenticationData',
      'authenticationMethod',
    ])
  })
})

import { encode, type Packet } from 'mqtt-await/codec'
import { describe, expect } from 'vitest'
import { ack, type ConnectAs, incoming, Peer } from '../support/session-peer.ts'
import { rule } from './rule.ts'

const settledWith = (peer: Peer) =>
  peer.sink.calls.filter(([name]) => name === 'settled').map((call) => call[2])

describe('MQTT 5.0', () => {
  rule({ 5: 'U5-01' }, 'control characters and noncharacters in topics do not break the session', () => {
    const peer = new Peer(5).online()
    for (const topic of ['\u0001a', '\u007f', '\uffff']) peer.says(incoming(0, 0, { topic }))
    expect(peer.messages.map((message) => message.topic)).toEqual(['\u0001a', '\u007f', '\uffff'])
  })

  rule({ 5: 'U5-03' }, 'our identifiers and the ones of the server are two spaces', (version) => {
    const peer = new Peer(version).online()
    const own = peer.publish(1)
    peer.says(incoming(1, own.packetId))
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual([`publish ${own.packetId}`, `puback ${own.packetId}`])
    expect(own.stage).toBe(1)
    peer.says(ack('puback', own.packetId))
    expect(own.stage).toBe(3)
  })

  rule({ 5: 'U5-05', 4: 'U3-01' }, 'without PINGRESP the connection is given up', (version) => {
    const peer = new Peer(version).online({}, { keepAlive: 10 })
    const start = peer.now
    for (let n = 0; n < 2; n++) {
      peer.now = peer.session.nextDeadline()
      peer.session.expire(peer.now)
    }
    expect(peer.failure).toMatchObject({ name: 'ConnectionLostError', code: 'ERR_MQTT_KEEP_ALIVE_TIMEOUT' })
    expect(peer.now - start).toBeLessThanOrEqual(15_000)
  })

  rule({ 5: 'U5-06' }, 'without a Session Expiry Interval nothing is kept', () => {
    const peer = new Peer(5).connect({}, { properties: {} })
    expect(peer.session.mayResume).toBe(false)
    const forever = new Peer(5).connect({}, { properties: { sessionExpiryInterval: 0xffff_ffff } })
    expect(forever.session.mayResume).toBe(true)
  })

  rule({ 5: 'U5-07' }, 'problem information that was declined is a protocol error', () => {
    const peer = new Peer(5).online(
      {},
      { properties: { requestProblemInformation: false, sessionExpiryInterval: 60 } },
    )
    const message = peer.publish(1)
    peer.sent()
    peer.says({ ...ack('puback', message.packetId), properties: { reasonString: 'x' } } as Packet)
    expect(peer.hex()).toBe('e00182')
  })

  rule({ 5: 'U5-08' }, 'nothing is sent between CONNECT and CONNACK', () => {
    const peer = new Peer(5)
    peer.begin()
    peer.sent()
    peer.publish(0)
    peer.publish(1)
    peer.subscribe('a')
    peer.session.ping(peer.now)
    expect(peer.hex()).toBe('')
  })

  rule({ 5: 'U5-10' }, 'CONNACK with a Receive Maximum or Maximum Packet Size of 0 is refused', () => {
    for (const hex of ['2006000003210000', '20080000052700000000']) {
      const peer = new Peer(5)
      peer.begin()
      peer.sent()
      peer.saysHex(hex)
      expect(peer.hex()).toBe('e00182')
    }
  })

  rule({ 5: 'U5-11' }, 'the Session Expiry Interval of CONNACK takes the place of ours', () => {
    const peer = new Peer(5).online({ properties: { sessionExpiryInterval: 0 } })
    expect(peer.session.limits?.sessionExpiryInterval).toBe(0)
    expect(peer.session.mayResume).toBe(false)
  })

  rule({ 5: 'U5-12' }, 'a Receive Maximum is for its connection alone', () => {
    const peer = new Peer(5).online({ properties: { receiveMaximum: 2 } })
    expect(peer.session.limits?.receiveMaximum).toBe(2)
    peer.cut()
    peer.resume()
    expect(peer.session.limits?.receiveMaximum).toBe(65_535)
  })

  rule({ 5: 'U5-13' }, 'a Reason String is shown and not parsed', () => {
    const peer = new Peer(5)
    peer.begin()
    peer.says({
      type: 'connack',
      sessionPresent: false,
      reasonCode: 0x87,
      properties: { reasonString: '0x00 Success' },
    })
    expect(peer.failure).toMatchObject({ reasonCode: 0x87, reasonString: '0x00 Success' })
  })

  rule({ 5: ['U5-14', 'U5-16'] }, 'filters that the server does not take are refused here', () => {
    const properties = { wildcardSubscriptionAvailable: false, sharedSubscriptionAvailable: false }
    const peer = new Peer(5).online({ properties })
    const outcomes = peer.subscribe('a/#', '$share/g/a', 'plain')
    const [packet] = peer.sent()
    expect(packet).toMatchObject({ type: 'subscribe', filters: [{ filter: 'plain' }] })
    peer.says({
      type: 'suback',
      packetId: packet?.type === 'subscribe' ? packet.packetId : 0,
      reasonCodes: [1],
    })
    expect(outcomes).toMatchObject([
      {
        results: [
          { filter: 'a/#', reasonCode: 0xa2 },
          { filter: '$share/g/a', reasonCode: 0x9e },
          { filter: 'plain', reasonCode: 1 },
        ],
      },
    ])
  })

  rule({ 5: 'U5-15' }, 'no Subscription Identifier goes to a server without them', () => {
    for (const subscriptionIdentifiersAvailable of [true, false]) {
      const peer = new Peer(5).online({ properties: { subscriptionIdentifiersAvailable } })
      peer.session.subscribe({
        filters: [{ filter: 'a', qos: 0 }],
        subscriptionIdentifier: 7,
        settle: () => {},
      })
      const [packet] = peer.sent()
      expect(packet?.type === 'subscribe' ? packet.properties?.subscriptionIdentifier : 'no SUBSCRIBE').toBe(
        subscriptionIdentifiersAvailable ? 7 : undefined,
      )
    }
  })

  rule({ 5: 'U5-18' }, 'an alias can be given to another topic', () => {
    const peer = new Peer(5).online({}, { properties: { topicAliasMaximum: 5, sessionExpiryInterval: 60 } })
    for (const topic of ['a', 'b', '']) peer.says(incoming(0, 0, { topic, properties: { topicAlias: 1 } }))
    expect(peer.messages.map((message) => message.topic)).toEqual(['a', 'b', 'b'])
  })

  rule({ 5: 'U5-19' }, 'aliases that were never set, or are too high, end the connection', () => {
    const cases: [alias: number, topic: string, reply: string][] = [
      [3, '', 'e00182'],
      [9, 'a', 'e00194'],
    ]
    for (const [topicAlias, topic, reply] of cases) {
      const peer = new Peer(5).online({}, { properties: { topicAliasMaximum: 5, sessionExpiryInterval: 60 } })
      peer.says(incoming(0, 0, { topic, properties: { topicAlias } }))
      expect(peer.hex()).toBe(reply)
    }
  })

  rule({ 5: 'U5-20' }, 'an identifier that was never given does no harm', () => {
    const peer = new Peer(5).online()
    peer.says(incoming(0, 0, { properties: { subscriptionIdentifiers: [7] } }))
    expect(peer.messages).toHaveLength(1)
  })

  rule({ 5: 'U5-21' }, 'acknowledgements come in three lengths', () => {
    for (const tail of ['02', '03', '04']) {
      const peer = new Peer(5).online()
      const message = peer.publish(1)
      const id = message.packetId.toString(16).padStart(4, '0')
      peer.saysHex(`40${tail}${id}${{ '02': '', '03': '00', '04': '0000' }[tail]}`)
      expect(message.stage).toBe(3)
    }
  })

  rule({ 5: 'U5-22' }, '0x92 in PUBCOMP is no failure', () => {
    const peer = new Peer(5).online()
    const message = peer.publish(2)
    peer.says(ack('pubrec', message.packetId))
    peer.cut()
    peer.resume()
    peer.says(ack('pubcomp', message.packetId, 0x92))
    expect(settledWith(peer)).toEqual([{ reasonCode: 0x92, properties: undefined }])
  })

  rule({ 5: ['U5-23', 'U5-24'] }, 'what SUBSCRIBE may not say is refused', () => {
    const subscribe = (subscriptionIdentifier: number): Packet => ({
      type: 'subscribe',
      packetId: 1,
      filters: [{ filter: 'a', qos: 0 }],
      properties: { subscriptionIdentifier },
    })
    for (const identifier of [0, 268_435_456, 1.5])
      expect(() => encode(subscribe(identifier))).toThrow(/subscriptionIdentifier/)
    encode(subscribe(268_435_455))
    const filter = (options: object) =>
      encode({ type: 'subscribe', packetId: 1, filters: [{ filter: 'a', qos: 0, ...options }] })
    expect(() => filter({ qos: 3 })).toThrow(/qos/)
    expect(() => filter({ retainHandling: 3 })).toThrow(/retainHandling/)
  })

  rule({ 5: 'U5-25', 4: 'U3-04' }, 'a message may come before the SUBACK', (version) => {
    const peer = new Peer(version).online()
    peer.subscribe('t')
    const [packet] = peer.sent()
    peer.says(incoming(0, 0), {
      type: 'suback',
      packetId: packet?.type === 'subscribe' ? packet.packetId : 0,
      reasonCodes: [0],
    })
    expect(peer.messages).toHaveLength(1)
    expect(peer.session.phase).toBe('online')
  })

  rule({ 5: 'U5-26' }, 'DISCONNECT does not raise a Session Expiry Interval of 0', () => {
    const peer = new Peer(5).online({}, { properties: {} })
    expect(() =>
      peer.session.disconnect({ reasonCode: 0, properties: { sessionExpiryInterval: 60 } }),
    ).toThrow(/sessionExpiryInterval/)
    expect(peer.session.phase).toBe('online')
    expect(peer.hex()).toBe('')
  })

  rule({ 5: 'U5-27' }, 'the receiver of DISCONNECT is done with the connection', () => {
    const peer = new Peer(5).online()
    peer.says({ type: 'disconnect', reasonCode: 0x8b })
    expect(peer.session.phase).toBe('offline')
    expect(peer.sink.names()).toEqual(['disconnected'])
  })

  rule({ 5: 'U5-28' }, 'AUTH needs the method', () => {
    const method: ConnectAs = { properties: { authenticationMethod: 'M' } }
    const peer = new Peer(5)
    peer.begin(method)
    peer.sent()
    peer.saysHex('f00118')
    expect(peer.hex()).toBe('e00182')
  })

  rule({ 5: 'U5-29' }, 'the quota never grows above its start', () => {
    const peer = new Peer(5).online({ properties: { receiveMaximum: 1 } })
    const [message] = [peer.publish(2), peer.publish(1), peer.publish(1)]
    peer.sent()
    peer.says(ack('pubrec', message.packetId))
    peer.cut()
    peer.resume(true, { properties: { receiveMaximum: 1 } })
    peer.says(ack('pubcomp', message.packetId), ack('pubcomp', message.packetId))
    expect(peer.sent().filter((packet) => packet.type === 'publish')).toHaveLength(1)
    expect(peer.session.inFlight).toBe(1)
  })

  rule({ 5: 'U5-30' }, 'the quota begins anew with each connection', () => {
    const peer = new Peer(5).online({ properties: { receiveMaximum: 1 } })
    peer.publish(1)
    peer.publish(1)
    peer.cut()
    expect(peer.resume(true, { properties: { receiveMaximum: 2 } })).toHaveLength(2)
  })

  rule({ 5: 'U5-31' }, 'a Server Reference is reported', () => {
    const peer = new Peer(5)
    peer.begin()
    peer.says({
      type: 'connack',
      sessionPresent: false,
      reasonCode: 0x9c,
      properties: { serverReference: 'other:1883' },
    })
    expect(peer.failure).toMatchObject({ reasonCode: 0x9c, serverReference: 'other:1883' })
  })

  rule({ 5: 'U5-32' }, 'other traffic goes on during re-authentication', () => {
    const properties = { authenticationMethod: 'M', sessionExpiryInterval: 60 }
    const peer = new Peer(5).online({ properties: { authenticationMethod: 'M' } }, { properties })
    peer.session.reauthenticate(undefined)
    peer.publish(1)
    peer.says(incoming(1, 3))
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['auth', 'publish 1', 'puback 3'])
  })
})

describe('MQTT 3.1.1', () => {
  rule({ 4: 'U3-03' }, 'a refused client identifier is reported as such', () => {
    const peer = new Peer(4)
    peer.begin({ clientId: 'x'.repeat(40) })
    peer.saysHex('20020002')
    expect(peer.failure).toMatchObject({ name: 'ConnectError', reasonCode: 0x85 })
  })

  rule({ 4: 'U3-05' }, 'DISCONNECT from a server is a violation', () => {
    const peer = new Peer(4).online()
    peer.saysHex('e000')
    expect(peer.failure).toMatchObject({ name: 'ProtocolError' })
  })

  rule({ 4: 'U3-06' }, 'QoS 2 is delivered once, over a reconnect in between', () => {
    const peer = new Peer(4).online()
    peer.says(incoming(2, 9))
    peer.cut()
    peer.resume()
    peer.says(incoming(2, 9, { dup: true }))
    peer.acknowledge(...peer.messages)
    peer.says(ack('pubrel', 9))
    expect(peer.messages).toHaveLength(1)
    expect(peer.sentTypes()).toEqual(['pubrec 9', 'pubcomp 9'])
  })

  rule({ 4: 'U3-07' }, 'nothing is resent on a timer', () => {
    const peer = new Peer(4).online()
    peer.publish(1)
    peer.publish(2)
    peer.sent()
    for (let n = 0; n < 10; n++) {
      peer.now += 59_000
      peer.session.expire(peer.now)
      expect(peer.sentTypes()).toEqual(['pingreq'])
      peer.says({ type: 'pingresp' })
    }
  })

  rule({ 4: 'U3-08' }, 'a lost session publishes QoS 1 anew and settles QoS 2 by policy', () => {
    for (const onSessionLost of ['reject', 'republish'] as const) {
      const peer = new Peer(4, { onSessionLost }).online()
      peer.publish(1)
      peer.publish(2)
      peer.sent()
      peer.cut()
      const qos = peer.resume(false).map((packet) => (packet.type === 'publish' ? packet.qos : -1))
      expect(qos).toEqual(onSessionLost === 'reject' ? [1] : [1, 2])
    }
  })
})

describe('MQTT 3.1', () => {
  rule({ 3: 'U31-01' }, 'CONNECT names MQIsdp, level 3', () => {
    const peer = new Peer(3)
    peer.begin()
    expect(peer.hex().slice(4, 22)).toBe('00064d514973647003')
  })

  rule({ 3: 'U31-02' }, 'client identifiers have 1 to 23 characters', () => {
    for (const clientId of ['', 'x'.repeat(24)]) {
      expect(() => new Peer(3).begin({ clientId })).toThrow(/clientId/)
    }
  })

  rule({ 3: 'U31-03' }, 'there is no Session Present', () => {
    const peer = new Peer(3)
    peer.begin({ cleanStart: false })
    peer.saysHex('20020100')
    expect(peer.session.limits?.sessionPresent).toBe(false)
  })

  rule({ 3: 'U31-04' }, 'a SUBACK of 0x80 is never a grant', () => {
    const peer = new Peer(3).online()
    const outcomes = peer.subscribe('a')
    peer.saysHex('9003000180')
    const refused = JSON.stringify(outcomes).includes('128')
    expect(refused || peer.session.phase === 'offline').toBe(true)
  })

  rule({ 3: 'U31-05', 4: 'U31-05' }, 'PUBREL with DUP is answered in 3.1 and refused in 3.1.1', (version) => {
    const peer = new Peer(version).online()
    peer.says(incoming(2, 9))
    peer.acknowledge(...peer.messages)
    peer.sent()
    peer.saysHex('6a020009')
    expect(peer.hex()).toBe(version === 3 ? '70020009' : '')
    expect(peer.session.phase).toBe(version === 3 ? 'online' : 'offline')
  })

  rule({ 3: 'U31-06' }, 'a user name may come without password', () => {
    const peer = new Peer(3)
    peer.begin({ username: 'u' })
    expect(peer.sent()).toMatchObject([{ type: 'connect', username: 'u' }])
  })

  rule({ 3: 'U31-07' }, 'the client pings within its keep-alive', () => {
    const peer = new Peer(3).online({}, { keepAlive: 10 })
    expect(peer.session.nextDeadline()).toBeLessThan(peer.now + 10_000)
  })
})

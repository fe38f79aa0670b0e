import type { InboundMessage } from 'mqtt-await/session'
import { describe, expect, test } from 'vitest'
import { ack, incoming, Peer } from '../support/session-peer.ts'

describe.each([4, 5] as const)('MQTT level %i', (version) => {
  test('a QoS 1 and a QoS 2 exchange run to their end and free their ids', () => {
    const peer = new Peer(version)
    peer.connect()
    expect(peer.sentTypes()).toEqual(['connect'])
    const one = peer.publish(1)
    const two = peer.publish(2)
    expect(peer.sentTypes()).toEqual(['publish 1', 'publish 2'])
    expect(peer.session.inFlight).toBe(2)
    peer.says(ack('puback', 1), ack('pubrec', 2))
    expect(peer.sentTypes()).toEqual(['pubrel 2'])
    peer.says(ack('pubcomp', 2))
    expect(peer.sink.names()).toEqual(['connected', 'settled', 'settled'])
    expect([one.stage, two.stage, peer.session.inFlight]).toEqual([3, 3, 0])
    expect(peer.session.hasUnfinishedWork).toBe(false)
  })

  test('resumption resends PUBREL, then PUBLISH with DUP, in their orders, and then what is new [MQTT-4.4.0-1]', () => {
    const peer = new Peer(version, { maxInflight: 10 })
    peer.connect({}, { cleanStart: false })
    for (const qos of [2, 2, 1, 2] as const) peer.publish(qos)
    peer.sent()
    peer.says(ack('pubrec', 2), ack('pubrec', 1))
    expect(peer.sentTypes()).toEqual(['pubrel 2', 'pubrel 1'])
    peer.session.transportClosed(undefined, peer.now)
    peer.publish(1)
    peer.sent()
    peer.connect({ sessionPresent: true }, { cleanStart: false })
    expect(peer.sentTypes()).toEqual([
      'connect',
      'pubrel 2',
      'pubrel 1',
      'publish 3 dup',
      'publish 4 dup',
      'publish 5',
    ])
  })

  test('the quota limits resends too and grows with PUBACK and PUBCOMP only [MQTT-4.9.0-2]', () => {
    const peer = new Peer(version, { maxInflight: 2 })
    peer.connect({}, { cleanStart: false })
    for (const qos of [2, 1, 1, 1] as const) peer.publish(qos)
    expect(peer.sentTypes()).toEqual(['connect', 'publish 1', 'publish 2'])
    peer.says(ack('pubrec', 1))
    expect(peer.sentTypes()).toEqual(['pubrel 1'])
    peer.session.transportClosed(undefined, peer.now)
    peer.connect({ sessionPresent: true }, { cleanStart: false })
    expect(peer.sentTypes()).toEqual(['connect', 'pubrel 1', 'publish 2 dup'])
    peer.says(ack('pubcomp', 1))
    expect(peer.sentTypes()).toEqual(['publish 3'])
  })

  test('a lost session publishes QoS 1 anew and rejects QoS 2 that may have arrived', () => {
    const peer = new Peer(version, { maxInflight: 10 })
    peer.connect({}, { cleanStart: false })
    const one = peer.publish(1)
    const two = peer.publish(2)
    peer.sent()
    peer.session.transportClosed(undefined, peer.now)
    const later = peer.publish(2)
    peer.connect({ sessionPresent: false }, { cleanStart: false })
    const sent = peer.sent().filter((packet) => packet.type === 'publish')
    expect(sent.map((packet) => [packet.qos, packet.dup])).toEqual([
      [1, false],
      [2, false],
    ])
    expect([one.stage, two.stage, later.stage]).toEqual([1, 3, 1])
    expect(peer.sink.names()).toContain('session lost')
  })

  test('acknowledgements leave in the order of arrival, however they were made [MQTT-4.6.0-2]', () => {
    const peer = new Peer(version)
    peer.connect()
    peer.sent()
    peer.says(incoming(1, 7), incoming(2, 8), incoming(1, 9), incoming(2, 3))
    const [m7, m8, m9, m3] = peer.messages
    peer.session.acknowledge(m9 as InboundMessage)
    peer.session.acknowledge(m3 as InboundMessage)
    expect(peer.sentTypes()).toEqual([])
    peer.session.acknowledge(m7 as InboundMessage)
    expect(peer.sentTypes()).toEqual(['puback 7', 'puback 9'])
    peer.session.acknowledge(m8 as InboundMessage)
    expect(peer.sentTypes()).toEqual(['pubrec 8', 'pubrec 3'])
  })

  test('a QoS 2 message is delivered once, over a reconnect while the application works on it [MQTT-4.3.3-10]', () => {
    const peer = new Peer(version)
    peer.connect({}, { cleanStart: false })
    peer.sent()
    peer.says(incoming(2, 9))
    const message = peer.sink.calls.find((call) => call[0] === 'message')?.[1] as InboundMessage
    peer.session.transportClosed(undefined, peer.now)
    peer.session.acknowledge(message)
    expect(peer.sent()).toEqual([])
    peer.connect({ sessionPresent: true }, { cleanStart: false })
    peer.sent()
    peer.says(incoming(2, 9, { dup: true }))
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    peer.says(incoming(2, 9, { dup: true }))
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    peer.says(ack('pubrel', 9))
    expect(peer.sentTypes()).toEqual(['pubcomp 9'])
    peer.says(incoming(2, 9))
    expect(peer.sink.names().filter((name) => name === 'message')).toHaveLength(2)
  })

  test('subscriptions are renewed before anything is published when the session is gone', () => {
    const peer = new Peer(version)
    peer.connect({}, { cleanStart: false })
    const outcomes: unknown[] = []
    peer.session.subscribe({
      filters: [
        { filter: 'a/#', qos: 1 },
        { filter: 'b', qos: 0 },
      ],
      subscriptionIdentifier: 0,
      settle: (o) => outcomes.push(o),
    })
    expect(peer.sentTypes()).toEqual(['connect', 'subscribe 1'])
    peer.says({ type: 'suback', packetId: 1, reasonCodes: [1, 0x80] })
    expect(outcomes).toMatchObject([
      {
        results: [
          { filter: 'a/#', reasonCode: 1 },
          { filter: 'b', reasonCode: 0x80 },
        ],
      },
    ])
    peer.session.transportClosed(undefined, peer.now)
    peer.publish(1)
    peer.connect({}, { cleanStart: false })
    const [, subscribe, publish] = peer.sent()
    expect(subscribe).toMatchObject({ type: 'subscribe', filters: [{ filter: 'a/#', qos: 1 }] })
    expect(publish).toMatchObject({ type: 'publish' })
  })

  test('pings when nothing is sent and gives up within one and a half intervals', () => {
    const peer = new Peer(version)
    peer.connect()
    peer.sent()
    const start = peer.now
    expect(peer.session.nextDeadline()).toBe(start + 59_000)
    peer.now = start + 59_000
    peer.session.expire(peer.now)
    expect(peer.sentTypes()).toEqual(['pingreq'])
    peer.now = peer.session.nextDeadline()
    expect(peer.now).toBeLessThanOrEqual(start + 90_000)
    peer.session.expire(peer.now)
    expect(peer.session.phase).toBe('offline')
    expect(peer.session.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })
})

import { MessageExpiry, Stage } from 'mqtt-await/session'
import { describe, expect, test } from 'vitest'
import { ClosedError } from '../../src/errors.ts'
import { ack, incoming, Peer } from '../support/session-peer.ts'

const settled = (peer: Peer) => peer.sink.calls.filter(([name]) => name === 'settled').map((call) => call[2])

describe('publications that wait', () => {
  test('QoS 0 may pass QoS 1 that waits for the quota, and keeps its own order', () => {
    const peer = new Peer(5).online({ properties: { receiveMaximum: 1 } })
    peer.publish(1, 'one')
    peer.publish(1, 'two')
    peer.publish(0, 'zero')
    expect(peer.sent().map((packet) => (packet.type === 'publish' ? packet.topic : ''))).toEqual([
      'one',
      'zero',
    ])
  })

  test('everything waits while the transport is congested, but acknowledgements and pings', () => {
    const peer = new Peer(5).online()
    peer.session.setCongested(true, peer.now)
    const [zero, one] = [peer.publish(0), peer.publish(1)]
    peer.says(incoming(1, 4))
    peer.acknowledge(...peer.messages)
    peer.session.ping(peer.now)
    expect(peer.sentTypes()).toEqual(['puback 4', 'pingreq'])
    expect([peer.session.queuedMessages, peer.session.queuedBytes]).toEqual([2, 2])
    peer.session.setCongested(false, peer.now)
    expect(peer.sentTypes()).toEqual(['publish', 'publish 1'])
    expect([zero.stage, one.stage]).toEqual([Stage.settled, Stage.sent])
    expect(peer.sink.names()).toEqual(['message', 'settled', 'sent'])
  })

  test('one turn writes a bounded block, and the next goes on', () => {
    const peer = new Peer(5).online()
    for (let n = 0; n < 40; n++) peer.publish(0, { payload: 'x'.repeat(100_000) })
    expect(peer.session.output.length).toBeLessThan(1_300_000)
    let sent = 0
    for (let packets = peer.sent(); packets.length > 0; packets = peer.sent()) sent += packets.length
    expect(sent).toBe(40)
  })

  test('can be taken back until they are sent', () => {
    const peer = new Peer(5)
    const [a, b, c] = [peer.publish(1), peer.publish(0), peer.publish(2)]
    expect([peer.session.cancel(a), peer.session.cancel(b), peer.session.cancel(a)]).toEqual([
      true,
      true,
      false,
    ])
    peer.connect()
    expect(peer.sentTypes()).toEqual(['connect', 'publish 1'])
    expect(peer.session.cancel(c)).toBe(false)
    expect(peer.session.queuedMessages).toBe(0)
  })

  test('expire at their time, offline too, and never reach the wire', () => {
    const peer = new Peer(5)
    const expiry = (ms: number) => new MessageExpiry(peer.now + ms, peer.now + ms)
    const [soon, late] = [
      peer.publish(1, { expiry: expiry(1_000) }),
      peer.publish(0, { expiry: expiry(5_000) }),
    ]
    expect(peer.session.nextDeadline()).toBe(2_000)
    peer.now = 2_000
    peer.session.expire(peer.now)
    expect([soon.stage, late.stage]).toEqual([Stage.settled, Stage.queued])
    expect(settled(peer)).toMatchObject([{ code: 'ERR_MQTT_MESSAGE_EXPIRED' }])
    expect(peer.session.nextDeadline()).toBe(6_000)
    peer.now = 4_500
    peer.connect()
    const [, publish] = peer.sent()
    // What is left of the five seconds, rounded up.
    expect(publish).toMatchObject({ type: 'publish', properties: { messageExpiryInterval: 2 } })
  })

  test('expire at the moment of sending too, when no timer has come', () => {
    const peer = new Peer(5)
    const message = peer.publish(1, { expiry: new MessageExpiry(1_500, 1_500) })
    peer.now = 9_000
    peer.connect()
    expect(peer.sentTypes()).toEqual(['connect'])
    expect(message.stage).toBe(Stage.settled)
  })

  test('the oldest is known to a queue that drops it', () => {
    const peer = new Peer(5)
    expect(peer.session.oldestQueued()).toBeUndefined()
    const [a, b, c] = [peer.publish(1), peer.publish(0), peer.publish(1)]
    expect(peer.session.oldestQueued()).toBe(a)
    peer.session.cancel(a)
    expect(peer.session.oldestQueued()).toBe(b)
    peer.session.cancel(b)
    expect(peer.session.oldestQueued()).toBe(c)
  })
})

test('a client that ends settles everything once', () => {
  const peer = new Peer(5).online()
  const messages = [peer.publish(1), peer.publish(2), peer.publish(2)]
  peer.says(ack('pubrec', 2))
  const subscribed = peer.subscribe('a')
  peer.cut()
  messages.push(peer.publish(0), peer.publish(1))
  const waiting = peer.subscribe('b')
  peer.session.fail(new ClosedError('closed'))
  peer.session.fail(new ClosedError('closed'))
  expect(settled(peer)).toHaveLength(5)
  expect(messages.every((message) => message.stage === Stage.settled)).toBe(true)
  expect([subscribed, waiting]).toMatchObject([[{ name: 'ClosedError' }], [{ name: 'ClosedError' }]])
  expect([peer.session.hasUnfinishedWork, peer.session.nextDeadline()]).toEqual([
    false,
    Number.POSITIVE_INFINITY,
  ])
})

test('a trace sees every packet, and no secret', () => {
  const peer = new Peer(5)
  const seen: string[] = []
  peer.session.trace = {
    onPacketSent: (packet) => seen.push(`> ${packet.type} ${JSON.stringify(packet)}`),
    onPacketReceived: (packet) => seen.push(`< ${packet.type}`),
  }
  peer.connect(
    {},
    {
      username: 'u',
      password: Buffer.from('hunter2'),
      properties: { authenticationMethod: 'M', authenticationData: Buffer.from('hunter2') },
    },
  )
  expect(peer.failure).toBeDefined() // a CONNACK without the method
  const text = seen.join('\n')
  expect(text).not.toContain(JSON.stringify(Buffer.from('hunter2')))
  expect(seen.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    '> connect',
    '< connack',
    '> disconnect',
  ])
})

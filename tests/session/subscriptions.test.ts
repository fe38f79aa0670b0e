import { describe, expect, test } from 'vitest'
import { Peer } from '../support/session-peer.ts'

describe('subscriptions over the life of a session', () => {
  test('a SUBSCRIBE that was not answered is sent again after a reconnect, and its call settled by that answer', () => {
    const peer = new Peer(5).online()
    const outcomes = peer.subscribe('a')
    peer.sent()
    peer.cut()
    const [again] = peer.resume()
    expect(again).toMatchObject({ type: 'subscribe', filters: [{ filter: 'a' }] })
    peer.says({
      type: 'suback',
      packetId: again?.type === 'subscribe' ? again.packetId : 0,
      reasonCodes: [1],
    })
    expect(outcomes).toMatchObject([{ results: [{ reasonCode: 1 }] }])
  })

  test('what a present session has is not asked for again', () => {
    const peer = new Peer(5).online()
    peer.subscribe('a')
    peer.sent()
    peer.says({ type: 'suback', packetId: 1, reasonCodes: [1] })
    peer.cut()
    expect(peer.resume()).toEqual([])
  })

  test('refusals at renewal are reported, per filter', () => {
    const peer = new Peer(5).online()
    peer.subscribe('a', 'b')
    peer.sent()
    peer.says({ type: 'suback', packetId: 1, reasonCodes: [1, 1] })
    peer.cut()
    const [renewed] = peer.resume(false)
    peer.says({
      type: 'suback',
      packetId: renewed?.type === 'subscribe' ? renewed.packetId : 0,
      reasonCodes: [0x87, 0],
    })
    expect(peer.sink.all('resubscribed')).toEqual([
      [
        { filter: 'a', reasonCode: 0x87 },
        { filter: 'b', reasonCode: 0 },
      ],
    ])
    peer.cut()
    expect(peer.resume(false)).toMatchObject([{ type: 'subscribe', filters: [{ filter: 'b' }] }])
  })

  test('renewal keeps Subscription Identifiers apart', () => {
    const peer = new Peer(5).online()
    for (const [filter, subscriptionIdentifier] of [
      ['a', 1],
      ['b', 2],
      ['c', 1],
    ] as const) {
      peer.session.subscribe({ filters: [{ filter, qos: 0 }], subscriptionIdentifier, settle: () => {} })
    }
    const ids = peer.sent().map((packet) => ('packetId' in packet ? packet.packetId : 0))
    for (const packetId of ids) peer.says({ type: 'suback', packetId, reasonCodes: [0] })
    peer.cut()
    expect(peer.resume(false)).toMatchObject([
      { filters: [{ filter: 'a' }, { filter: 'c' }], properties: { subscriptionIdentifier: 1 } },
      { filters: [{ filter: 'b' }], properties: { subscriptionIdentifier: 2 } },
    ])
  })

  test('unsubscribing offline settles at once and is told to a server that kept the session', () => {
    for (const present of [true, false]) {
      const peer = new Peer(5).online()
      peer.subscribe('a')
      peer.sent()
      peer.says({ type: 'suback', packetId: 1, reasonCodes: [1] })
      peer.cut()
      const outcomes = peer.unsubscribe('a')
      expect(outcomes).toMatchObject([{ results: [{ filter: 'a', reasonCode: 0x11 }] }])
      expect(peer.resume(present).map((packet) => packet.type)).toEqual(present ? ['unsubscribe'] : [])
    }
  })

  test('subscribe and unsubscribe of a filter keep their order while they wait', () => {
    const peer = new Peer(5)
    peer.subscribe('a', 'b')
    peer.unsubscribe('a')
    peer.connect()
    expect(peer.sent().slice(1)).toMatchObject([
      { type: 'subscribe', filters: [{ filter: 'a' }, { filter: 'b' }] },
      { type: 'unsubscribe', filters: ['a'] },
    ])
  })

  test('without renewal a lost session has no subscriptions', () => {
    const peer = new Peer(5, { resubscribe: false }).online()
    peer.subscribe('a')
    peer.sent()
    peer.says({ type: 'suback', packetId: 1, reasonCodes: [1] })
    peer.cut()
    expect(peer.resume(false)).toEqual([])
  })
})

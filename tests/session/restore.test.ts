import { OutboundMessage, type RestoredSession, Stage } from 'mqtt-await/session'
import { describe, expect, test } from 'vitest'
import { ack, incoming, Peer } from '../support/session-peer.ts'

function stored(sequence: number, qos: 1 | 2, packetId = 0): OutboundMessage {
  const message = new OutboundMessage(`t/${sequence}`, new Uint8Array(3), qos, false, undefined, undefined, 0)
  message.sequence = sequence
  message.packetId = packetId
  message.stage = packetId === 0 ? Stage.queued : Stage.sent
  return message
}

describe.each([4, 5] as const)('a session of an earlier process, MQTT level %i', (version) => {
  function restored(): { peer: Peer; state: RestoredSession } {
    const publications = [stored(1, 2, 20), stored(2, 2, 7), stored(3, 1, 3), stored(4, 1)]
    const state: RestoredSession = {
      session: {
        clientId: 'c1',
        protocolVersion: version,
        sessionExpiryInterval: 3600,
        at: 0,
        connected: false,
      },
      lastSequence: 4,
      publications,
      released: [publications[1], publications[0]] as OutboundMessage[],
      received: [9],
    }
    const peer = new Peer(version, { maxInflight: 100 })
    peer.session.restore(state, peer.now)
    return { peer, state }
  }

  test('goes on where it stopped', () => {
    const { peer } = restored()
    expect(peer.session.mayResume).toBe(true)
    peer.begin({ cleanStart: true })
    expect(peer.sent()).toMatchObject([{ type: 'connect', cleanStart: false, clientId: 'c1' }])
    peer.says({ type: 'connack', sessionPresent: true, reasonCode: 0 })
    // The ids of the dead process are held; the next free one goes to what was never sent.
    expect(peer.sentTypes()).toEqual(['pubrel 7', 'pubrel 20', 'publish 3 dup', 'publish 1'])
    peer.says(incoming(2, 9, { dup: true }))
    expect(peer.messages).toEqual([])
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    peer.says(ack('pubcomp', 7), ack('pubcomp', 20), ack('puback', 3), ack('puback', 1), ack('pubrel', 9))
    expect(peer.session.hasUnfinishedWork).toBe(false)
    const next = peer.publish(1)
    expect(next.sequence).toBe(5)
  })

  test('is begun anew when the server has lost it', () => {
    const { peer, state } = restored()
    const resent = peer.resume(false)
    expect(resent.map((packet) => (packet.type === 'publish' ? [packet.topic, packet.dup] : []))).toEqual([
      ['t/3', false],
      ['t/4', false],
    ])
    expect(state.publications.map((message) => message.stage)).toEqual([3, 3, 1, 1])
    peer.says(incoming(2, 9))
    expect(peer.messages).toHaveLength(1)
  })
})

// CONNACK of MQTT 3.1 does not say whether there is a session.
test.each([
  [0xffff_ffff, ['publish 3 dup', 'publish 7 dup']],
  [0, ['publish 1']],
] as const)('MQTT 3.1: what was sent in a session of expiry %i', (sessionExpiryInterval, sent) => {
  const peer = new Peer(3)
  peer.session.restore(
    {
      session: { clientId: 'c1', protocolVersion: 3, sessionExpiryInterval, at: 0, connected: true },
      lastSequence: 2,
      publications: [stored(1, 1, 3), stored(2, 2, 7)],
      released: [],
      received: [],
    },
    peer.now,
  )
  peer.begin({ cleanStart: false })
  peer.sent()
  peer.says({ type: 'connack', sessionPresent: false, reasonCode: 0 })
  expect(peer.sentTypes()).toEqual(sent)
  expect(peer.sink.all('settled')).toHaveLength(sessionExpiryInterval === 0 ? 1 : 0)
})

test('an expired session is not asked for', () => {
  const peer = new Peer(5)
  peer.now = 10_000_000
  peer.session.restore(
    {
      session: { clientId: 'c1', protocolVersion: 5, sessionExpiryInterval: 60, at: 0, connected: false },
      lastSequence: 0,
      publications: [],
      released: [],
      received: [],
    },
    peer.now,
  )
  peer.begin({ cleanStart: true })
  expect(peer.sent()).toMatchObject([{ cleanStart: true }])
})

test('a session whose process died while connected is asked for, however long ago that began', () => {
  const peer = new Peer(5)
  peer.now = 10_000_000
  const session = {
    clientId: 'c1',
    protocolVersion: 5,
    sessionExpiryInterval: 60,
    at: 0,
    connected: true,
  } as const
  peer.session.restore({ session, lastSequence: 17, publications: [], released: [], received: [] }, peer.now)
  peer.begin({ cleanStart: true })
  expect(peer.sent()).toMatchObject([{ cleanStart: false }])
  // Numbers of messages that are over are not given to new ones: their ends are still in the store.
  expect(peer.publish(1).sequence).toBe(18)
})

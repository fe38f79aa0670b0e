import type { HeldMessage, InboundMessage, Journal, RestoredSession } from 'mqtt-await/session'
import { describe, expect, test } from 'vitest'
import { ReleaseFlow } from '../../src/session/release-flow.ts'
import { SimulatedJournal } from '../simulation/simulated-journal.ts'
import { ack, incoming, Peer } from '../support/session-peer.ts'

const ON_RELEASE = { inboundClass: ReleaseFlow }

describe.each([3, 4, 5] as const)('QoS 2 that is delivered at its PUBREL, MQTT level %i', (version) => {
  const start = (): Peer => new Peer(version, ON_RELEASE).online()

  test('PUBREC leaves at once, the message is delivered at PUBREL, and PUBCOMP waits for the application', () => {
    const peer = start()
    peer.says(incoming(2, 9))
    expect([peer.sentTypes(), peer.messages]).toEqual([['pubrec 9'], []])
    peer.says(ack('pubrel', 9))
    expect([peer.sentTypes(), peer.messages.length]).toEqual([[], 1])
    expect(peer.session.unacknowledged).toBe(1)
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubcomp 9'])
    expect(peer.session.unacknowledged).toBe(0)
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual([])
  })

  test('the identifier is free for a new message after PUBCOMP [MQTT-4.3.3-12]', () => {
    const peer = start()
    for (const round of [1, 2]) {
      peer.says(incoming(2, 9), ack('pubrel', 9))
      expect(peer.messages).toHaveLength(round)
      peer.acknowledge(peer.messages.at(-1))
      expect(peer.sentTypes()).toEqual(['pubrec 9', 'pubcomp 9'])
    }
  })

  test('a repeated PUBLISH takes the place of the first and gets another PUBREC [MQTT-4.3.3-10]', () => {
    const peer = start()
    peer.says(incoming(2, 9, { topic: 'first' }), incoming(2, 9, { dup: true, topic: 'second' }))
    expect(peer.sentTypes()).toEqual(['pubrec 9', 'pubrec 9'])
    expect(peer.session.unacknowledged).toBe(1)
    peer.says(ack('pubrel', 9), ack('pubrel', 9))
    expect(peer.messages.map(({ topic }) => topic)).toEqual(['second'])
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubcomp 9'])
  })

  test('PUBREL of an unknown identifier is answered at once', () => {
    const peer = start()
    peer.says(ack('pubrel', 9))
    expect([peer.sentTypes(), peer.messages]).toEqual([['pubcomp 9'], []])
  })

  test('PUBCOMPs leave as the application finishes, in whatever order', () => {
    const peer = start()
    peer.says(incoming(2, 7), incoming(2, 8), ack('pubrel', 7), ack('pubrel', 8))
    peer.sent()
    const [seven, eight] = peer.messages
    peer.acknowledge(eight, seven)
    expect(peer.sentTypes()).toEqual(['pubcomp 8', 'pubcomp 7'])
  })

  test('a message that was held is kept over a reconnect, and delivered at the PUBREL that is sent again', () => {
    const peer = start()
    peer.says(incoming(2, 9))
    peer.cut().resume()
    peer.says(ack('pubrel', 9))
    expect(peer.messages).toHaveLength(1)
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubcomp 9'])
  })

  test('a message that was held comes again when its PUBREC was lost', () => {
    const peer = start()
    peer.says(incoming(2, 9))
    peer.cut().resume()
    peer.says(incoming(2, 9, { dup: true }))
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    expect(peer.session.unacknowledged).toBe(1)
    peer.says(ack('pubrel', 9))
    expect(peer.messages).toHaveLength(1)
  })

  test('PUBREL that comes again after a reconnect: not delivered again, PUBCOMP when the application has finished', () => {
    const peer = start()
    peer.says(incoming(2, 9), ack('pubrel', 9))
    peer.cut().resume()
    peer.says(ack('pubrel', 9))
    expect([peer.sentTypes(), peer.messages.length]).toEqual([[], 1])
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubcomp 9'])
  })

  test('what was finished while offline, or before PUBREL came again, is paid by that', () => {
    for (const when of ['offline', 'online']) {
      const peer = start()
      peer.says(incoming(2, 9), ack('pubrel', 9))
      peer.cut()
      if (when === 'offline') peer.acknowledge(...peer.messages)
      peer.resume()
      if (when === 'online') peer.acknowledge(...peer.messages)
      expect(peer.sentTypes()).toEqual([])
      peer.says(ack('pubrel', 9))
      expect(peer.sentTypes()).toEqual(['pubcomp 9'])
      expect(peer.messages).toHaveLength(1)
    }
  })

  test('PUBLISH after PUBREL is a repeat with DUP, and a new message without', () => {
    const peer = start()
    peer.says(incoming(2, 9, { topic: 'old' }), ack('pubrel', 9))
    peer.cut().resume()
    peer.says(incoming(2, 9, { topic: 'old', dup: true }))
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    peer.says(ack('pubrel', 9))
    expect(peer.messages.map(({ topic }) => topic)).toEqual(['old'])
    peer.cut().resume()
    peer.says(incoming(2, 9, { topic: 'new' }), ack('pubrel', 9))
    expect(peer.messages.map(({ topic }) => topic)).toEqual(['old', 'new'])
    // The old one is nobody's any more.
    peer.acknowledge(peer.messages[0])
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    peer.acknowledge(peer.messages[1])
    expect(peer.sentTypes()).toEqual(['pubcomp 9'])
  })

  test('a message that did not reach the application is delivered when PUBREL comes again', () => {
    const peer = start()
    peer.says(incoming(1, 8), incoming(2, 9), ack('pubrel', 9))
    const [eight, nine] = peer.messages as [InboundMessage, InboundMessage]
    peer.cut()
    peer.session.takeBack(eight)
    peer.session.takeBack(nine)
    peer.resume()
    peer.says(incoming(1, 8, { dup: true }), ack('pubrel', 9))
    expect(peer.messages.slice(2).map(({ packetId }) => packetId)).toEqual([8, 9])
    peer.acknowledge(...peer.messages.slice(2))
    expect(peer.sentTypes()).toEqual(['puback 8', 'pubcomp 9'])
  })

  test('a message that the application failed on counts as finished, without PUBCOMP on this connection', () => {
    const peer = start()
    peer.says(incoming(2, 9), ack('pubrel', 9))
    peer.session.disown(peer.messages[0] as InboundMessage)
    expect(peer.sentTypes()).toEqual(['pubrec 9'])
    peer.cut().resume()
    peer.says(ack('pubrel', 9))
    expect([peer.sentTypes(), peer.messages.length]).toEqual([['pubcomp 9'], 1])
  })

  test('QoS 1 is as ever', () => {
    const peer = start()
    peer.says(incoming(1, 5), incoming(2, 6), incoming(1, 7))
    expect(peer.messages.map(({ packetId }) => packetId)).toEqual([5, 7])
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubrec 6', 'puback 5', 'puback 7'])
  })

  test('an identifier that a QoS 1 message still has: each is acknowledged', () => {
    const peer = start()
    peer.says(incoming(1, 5), incoming(2, 5))
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubrec 5', 'puback 5'])
    peer.says(ack('pubrel', 5))
    peer.acknowledge(peer.messages[1])
    expect(peer.sentTypes()).toEqual(['pubcomp 5'])
  })

  test('a held message does not keep the chunk that it came in', () => {
    const peer = start()
    peer.says(incoming(2, 9), ack('pubrel', 9))
    const { payload } = peer.messages[0] as InboundMessage
    expect([payload.buffer.byteLength, payload[0]]).toEqual([1, 1])
  })
})

describe.each([4, 5] as const)('a session that is gone, MQTT level %i', (version) => {
  test('takes with it what was held and what was released', () => {
    const peer = new Peer(version, ON_RELEASE).online()
    peer.says(incoming(2, 8), incoming(2, 9), ack('pubrel', 9))
    const [nine] = peer.messages
    peer.cut().resume(false)
    peer.acknowledge(nine)
    peer.says(ack('pubrel', 8))
    expect([peer.sentTypes(), peer.messages.length]).toEqual([['pubcomp 8'], 1])
    peer.says(incoming(2, 9), ack('pubrel', 9))
    expect(peer.messages).toHaveLength(2)
    peer.acknowledge(peer.messages[1])
    expect(peer.sentTypes()).toEqual(['pubrec 9', 'pubcomp 9'])
  })
})

describe('Receive Maximum', () => {
  const properties = { sessionExpiryInterval: 3600, receiveMaximum: 2 }

  test('counts from PUBLISH to PUBCOMP [MQTT-3.3.4-9]', () => {
    const peer = new Peer(5, ON_RELEASE).online({}, { properties })
    peer.says(incoming(2, 1), ack('pubrel', 1), incoming(2, 2), ack('pubrel', 2))
    expect(peer.session.unacknowledged).toBe(2)
    peer.acknowledge(peer.messages[0])
    peer.says(incoming(2, 3))
    expect(peer.failure).toBeUndefined()
    peer.says(incoming(2, 4))
    expect(peer.failure?.reasonCode).toBe(0x93)
  })

  test('leaves room for what a server sends again', () => {
    const peer = new Peer(5, ON_RELEASE).online({}, { properties })
    peer.says(incoming(2, 1), incoming(2, 2), ack('pubrel', 1))
    peer.cut().connect({ sessionPresent: true }, { cleanStart: false, properties })
    peer.says(ack('pubrel', 1), incoming(2, 2, { dup: true }), incoming(2, 3))
    expect(peer.session.phase).toBe('online')
  })
})

describe('with a journal', () => {
  /** A journal and a session that it was given to. */
  function begin(journal: Journal, state?: RestoredSession): Peer {
    const peer = new Peer(5, ON_RELEASE, journal)
    if (state !== undefined) peer.session.restore(state, peer.now)
    return peer
  }

  const properties = {
    contentType: 'text',
    userProperties: [['k', 'v']] as [string, string][],
    subscriptionIdentifiers: [7, 8],
  }

  test('another process delivers what this one had held, whole', () => {
    const journal = new SimulatedJournal()
    const first = begin(journal).online()
    first.says(incoming(2, 9, { topic: 'größe', retain: true, properties }), incoming(2, 10))
    journal.flush()
    const next = begin(journal, journal.restore())
    next.resume()
    next.says(ack('pubrel', 9), ack('pubrel', 10))
    const [message, plain] = next.messages as [InboundMessage, InboundMessage]
    expect(message).toMatchObject({
      topic: 'größe',
      qos: 2,
      packetId: 9,
      retain: true,
      dup: false,
      properties,
      subscriptionIdentifiers: [7, 8],
    })
    expect([...message.payload]).toEqual([1])
    expect([plain.retain, plain.properties]).toEqual([false, {}])
    next.acknowledge(...next.messages)
    expect(next.sentTypes()).toEqual(['pubcomp 9', 'pubcomp 10'])
  })

  test('what the application has finished with is not delivered by another process', () => {
    const journal = new SimulatedJournal()
    const first = begin(journal).online()
    first.says(incoming(2, 9), ack('pubrel', 9))
    first.acknowledge(...first.messages)
    journal.flush()
    const next = begin(journal, journal.restore())
    next.resume()
    next.says(ack('pubrel', 9))
    expect([next.sentTypes(), next.messages]).toEqual([['pubcomp 9'], []])
  })

  test('what it had and had not finished with is delivered again', () => {
    const journal = new SimulatedJournal()
    const first = begin(journal).online()
    first.says(incoming(2, 9), ack('pubrel', 9))
    expect(first.messages).toHaveLength(1)
    journal.flush()
    const next = begin(journal, journal.restore())
    next.resume()
    next.says(ack('pubrel', 9))
    expect(next.messages).toHaveLength(1)
  })

  test('a session that would deliver at PUBLISH goes on with what one of this kind has held', () => {
    const held: HeldMessage = {
      packetId: 9,
      topic: 't',
      payload: Uint8Array.of(1),
      retain: false,
      propertyBytes: new Uint8Array(0),
    }
    const peer = new Peer(5)
    peer.session.restore(
      {
        session: undefined,
        lastSequence: 0,
        publications: [],
        released: [],
        received: [5],
        inbound: (publishClass) => ReleaseFlow.holding([held, { ...held, packetId: 10 }], publishClass),
      },
      peer.now,
    )
    peer.resume()
    // Those that were delivered at PUBLISH are still known, too.
    peer.says(incoming(2, 5, { dup: true }), ack('pubrel', 5), ack('pubrel', 9))
    expect(peer.messages.map(({ packetId }) => packetId)).toEqual([9])
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubrec 5', 'pubcomp 5', 'pubcomp 9'])
    // Its PUBREC had not arrived.
    peer.says(incoming(2, 10, { dup: true }), ack('pubrel', 10))
    peer.acknowledge(...peer.messages)
    expect(peer.sentTypes()).toEqual(['pubrec 10', 'pubcomp 10'])
    expect(peer.messages).toHaveLength(2)
  })
})

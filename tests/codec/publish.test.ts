import {
  ByteWriter,
  checkPublish,
  encodePublish,
  OptionsError,
  PacketDecoder,
  type PublishContent,
  PublishPacket,
  publishSize,
} from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'

const content: PublishContent = {
  topic: 'a/b',
  payload: Uint8Array.of(1, 2, 3),
  qos: 1,
  retain: false,
  dup: false,
  packetId: 7,
  properties: { contentType: 'x', topicAlias: 9, messageExpiryInterval: 60, userProperties: [['k', 'v']] },
}

function written(...args: [alias?: number, omit?: boolean, expiry?: number]): PublishPacket {
  const writer = new ByteWriter()
  expect(encodePublish(writer, 5, content, ...args)).toBe(writer.length)
  return read(Buffer.concat(writer.take()))
}

function read(bytes: Uint8Array, version: 4 | 5 = 5): PublishPacket {
  const decoder = new PacketDecoder({ from: 'client', protocolVersion: version })
  decoder.push(bytes)
  const packet = decoder.next()
  if (packet?.type !== 'publish') throw new Error('no PUBLISH')
  return packet
}

describe('encodePublish', () => {
  test('writes the properties as they are', () => {
    const packet = written()
    expect(packet.topic).toBe('a/b')
    expect(packet.topicAlias).toBe(9)
    expect(packet.properties).toEqual(content.properties)
  })

  test('the alias and expiry of the call take the place of those in the properties', () => {
    const packet = written(3, true, 5)
    expect(packet.topic).toBe('')
    expect(packet.topicAlias).toBe(3)
    expect(packet.properties).toEqual({ ...content.properties, topicAlias: 3, messageExpiryInterval: 5 })
    expect(written(0, false, 0).properties.messageExpiryInterval).toBe(0)
  })

  test('in 3.x there are no properties to write', () => {
    const writer = new ByteWriter()
    encodePublish(writer, 4, content, 3, false, 5)
    expect(Buffer.concat(writer.take()).toString('hex')).toBe('320a0003612f620007010203')
  })
})

describe('checkPublish and publishSize', () => {
  test('do not need a packet id yet', () => {
    checkPublish(5, { ...content, packetId: 0 })
    expect(publishSize(5, { ...content, packetId: 0 })).toBe(publishSize(5, content))
  })

  test.each([0, 5, 100, 127, 128, 4096, 16_384, 3_000_000])('size of a payload of %i bytes', (size) => {
    const writer = new ByteWriter()
    for (const version of [3, 4, 5] as const) {
      const sized = { ...content, payload: new Uint8Array(size) }
      expect(publishSize(version, sized)).toBe(encodePublish(writer, version, sized))
    }
  })

  test('throw what encodePublish would throw', () => {
    for (const wrong of [{ topic: '#' }, { topic: '' }, { qos: 3 }, { properties: { topicAlias: 0 } }]) {
      const bad = { ...content, properties: {}, ...wrong } as PublishContent
      expect(() => checkPublish(5, bad)).toThrow(OptionsError)
      expect(() => publishSize(5, bad)).toThrow(OptionsError)
    }
  })
})

describe('PublishPacket', () => {
  test('properties are decoded once, and the same object each time', () => {
    const packet = written()
    expect(packet.properties).toBe(packet.properties)
  })

  test('without properties they are an empty object that cannot be changed', () => {
    for (const packet of [
      read(Buffer.from('3006000161006869', 'hex')),
      read(Buffer.from('30050001616869', 'hex'), 4),
    ]) {
      expect(packet.properties).toEqual({})
      expect(Object.isFrozen(packet.properties)).toBe(true)
      expect(packet.subscriptionIdentifiers).toBeUndefined()
    }
  })

  test('a subclass that adds fields is what the decoder makes', () => {
    class Received extends PublishPacket {
      seen = 0
    }
    const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4, publishClass: Received })
    decoder.push(Buffer.from('3005000161686930050001626869', 'hex'))
    const first = decoder.next()
    if (first?.type !== 'publish') throw new Error('no PUBLISH')
    expect(first).toBeInstanceOf(Received)
    first.seen++
    first.topic = 'set by whoever knows the aliases'
    expect(decoder.next()).toMatchObject({ topic: 'b', seen: 0 })
  })

  test('Subscription Identifiers are there in their order', () => {
    const decoder = new PacketDecoder({ from: 'server' })
    decoder.push(Buffer.from('300e0003612f62060b070b030b076869', 'hex'))
    expect(decoder.next()).toMatchObject({ subscriptionIdentifiers: [7, 3, 7], topic: 'a/b' })
  })

  test('several packets with lazy properties, read in any order', () => {
    const writer = new ByteWriter()
    for (let index = 0; index < 50; index++) {
      encodePublish(writer, 5, {
        ...content,
        packetId: index + 1,
        properties: { contentType: `type ${index}` },
      })
    }
    const decoder = new PacketDecoder({ from: 'client', protocolVersion: 5 })
    decoder.push(Buffer.concat(writer.take()))
    const packets: PublishPacket[] = []
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
      if (packet.type === 'publish') packets.push(packet)
    }
    for (const packet of packets.reverse())
      expect(packet.properties).toEqual({ contentType: `type ${packet.packetId - 1}` })
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TopicCache } from '../../src/codec/topic-cache.ts'
import { PacketDecoder } from '../../src/codec.ts'

function received(topic: string | Uint8Array): Uint8Array {
  const name = typeof topic === 'string' ? new TextEncoder().encode(topic) : topic
  const length = name.length + 2
  const header = length < 128 ? [0x30, length] : [0x30, (length & 127) | 128, length >> 7]
  return Uint8Array.of(...header, name.length >> 8, name.length & 255, ...name)
}

function topicsOf(packets: readonly Uint8Array[]): unknown[] {
  const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4 })
  return packets.map((packet) => {
    decoder.push(packet)
    const decoded = decoder.next()
    return decoded?.type === 'publish' ? decoded.topic : decoded
  })
}

test('whatever came before, a topic is what its bytes say', () => {
  const topic = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 80 })
    .filter((name) => !/[#+\0]/.test(name))
  fc.assert(
    fc.property(fc.array(topic, { minLength: 1, maxLength: 30 }), (names) => {
      const sent = [...names, ...names]
      expect(topicsOf(sent.map(received))).toEqual(sent)
    }),
  )
})

test('topics that differ in one byte stay apart, at every length and place', () => {
  for (let length = 1; length <= 70; length++) {
    const names = [
      'a'.repeat(length),
      ...Array.from({ length }, (_, at) => `${'a'.repeat(at)}b${'a'.repeat(length - at - 1)}`),
    ]
    expect(topicsOf([...names, ...names].map(received))).toEqual([...names, ...names])
  }
})

test('more topics than there are places displace each other, and are still right', () => {
  const cache = new TopicCache()
  const encoder = new TextEncoder()
  let found = 0
  const names = Array.from({ length: 20_000 }, (_, index) => `site/${index}/temperature`)
  for (const name of [...names, ...names.slice(-2000)]) {
    const bytes = encoder.encode(name)
    const view = new DataView(bytes.buffer)
    const topic = cache.find(view, 0, bytes.length)
    if (topic === undefined) cache.keep(view, 0, bytes.length, name)
    else {
      expect(topic).toBe(name)
      found++
    }
  }
  // Most of the last tenth, which half of the places would hold.
  expect(found).toBeGreaterThan(1600)
})

test('what is wrong is refused every time, and near what is known', () => {
  expect(topicsOf([received('sites/1/temperature')])).toEqual(['sites/1/temperature'])
  const wrong = ['sites/+/temperature', 'sites/1/temperatur#', 'sites/\0/temperature'].map((name) =>
    received(name),
  )
  const surrogate = received(Uint8Array.of(0x73, 0x69, 0x74, 0x65, 0xed, 0xa0, 0x80))
  for (const packet of [...wrong, surrogate, ...wrong, surrogate]) {
    expect(() => topicsOf([packet])).toThrow('Topic Name')
  }
})

import fc from 'fast-check'
import { ByteWriter, encode, encodePacket, type Packet, PacketDecoder } from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'
import { plain } from '../conformance/plain.ts'
import { anyPacket } from './arbitraries.ts'

const versions = [3, 4, 5] as const
const sides = ['client', 'server'] as const

describe.each(versions)('MQTT %i', (protocolVersion) => {
  describe.each(sides)('sent by a %s', (from) => {
    test('any packet comes back as it was, and is written again as the same bytes', () => {
      fc.assert(
        fc.property(anyPacket(protocolVersion, from), (packet) => {
          const bytes = encode(packet, { protocolVersion, from })
          const decoder = new PacketDecoder({ from, protocolVersion })
          decoder.push(bytes)
          const decoded = plain(decoder.next())
          expect(decoded).toStrictEqual(packet)
          expect(decoder.bufferedBytes).toBe(0)
          expect(encode(decoded as Packet, { protocolVersion, from })).toStrictEqual(bytes)
        }),
        { numRuns: 200 },
      )
    })

    test('a stream of packets does not depend on how it is cut', () => {
      const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 })
      fc.assert(
        fc.property(fc.array(anyPacket(protocolVersion, from), { maxLength: 12 }), cuts, (any, sizes) => {
          // CONNECT comes first or not at all.
          const packets = any.filter(({ type }, index) => type !== 'connect' || index === 0)
          const writer = new ByteWriter(from)
          for (const packet of packets)
            expect(encodePacket(writer, protocolVersion, packet)).toBeGreaterThan(0)
          const bytes = Buffer.concat(writer.take())
          const decoder = new PacketDecoder({ from, protocolVersion })
          const decoded: unknown[] = []
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1
            decoder.push(new Uint8Array(bytes.subarray(at, at + size)))
            at += size
            // Now and then several chunks wait.
            if (turn % 3 === 2) continue
            for (let packet = decoder.next(); packet !== undefined; packet = decoder.next())
              decoded.push(plain(packet))
          }
          for (let packet = decoder.next(); packet !== undefined; packet = decoder.next())
            decoded.push(plain(packet))
          expect(decoded).toStrictEqual(packets)
        }),
        { numRuns: 40 },
      )
    })
  })
})

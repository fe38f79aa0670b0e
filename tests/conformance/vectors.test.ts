import { encode, type Packet, PacketDecoder } from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'
import { plain } from './plain.ts'
import { readVectors, toHex, type Vector } from './vectors.ts'

const vectors = readVectors()
const small = vectors.filter((vector) => vector.bytes.length < 1024)

function sides(vector: Vector): ('client' | 'server')[] {
  return vector.direction === 'both'
    ? ['client', 'server']
    : [vector.direction === 'c2s' ? 'client' : 'server']
}

function decoder(vector: Vector, from: 'client' | 'server'): PacketDecoder {
  return new PacketDecoder({ from, protocolVersion: vector.version })
}

describe('vectors.tsv', () => {
  test.each(vectors.map((vector) => [vector.id, vector] as const))('%s decodes and encodes', (_, vector) => {
    for (const from of sides(vector)) {
      const stream = decoder(vector, from)
      stream.push(vector.bytes)
      const packet = plain(stream.next())
      if (vector.bytes.length < 100_000) expect(packet).toStrictEqual(vector.packet)
      else
        expect(toHex((packet as { payload: Uint8Array }).payload)).toBe(
          toHex((vector.packet as { payload: Uint8Array }).payload),
        )
      expect(stream.next()).toBeUndefined()
      expect(stream.bufferedBytes).toBe(0)
      const bytes = encode(packet as Packet, { protocolVersion: vector.version, from })
      if (vector.form === 'opt') {
        // Written in its shortest form, which decodes to the same.
        expect(bytes.length).toBeLessThanOrEqual(vector.bytes.length)
        const again = decoder(vector, from)
        again.push(bytes)
        expect(plain(again.next())).toStrictEqual(vector.packet)
      } else if (vector.bytes.length < 100_000) expect(toHex(bytes)).toBe(toHex(vector.bytes))
      else expect(Buffer.compare(bytes, vector.bytes)).toBe(0)
      if (vector.form === 'exact') {
        const fromTable = encode(vector.packet, { protocolVersion: vector.version, from })
        expect(Buffer.compare(fromTable, vector.bytes)).toBe(0)
      }
    }
  })

  test('the result does not depend on where the bytes are cut', () => {
    for (const vector of small) {
      for (let cut = 1; cut < vector.bytes.length; cut++) {
        const stream = decoder(vector, sides(vector)[0] ?? 'server')
        stream.push(vector.bytes.slice(0, cut))
        expect(stream.next()).toBeUndefined()
        stream.push(vector.bytes.slice(cut))
        expect(plain(stream.next())).toStrictEqual(vector.packet)
        expect(stream.bufferedBytes).toBe(0)
      }
    }
  })

  test('one byte at a time', () => {
    for (const vector of vectors.filter(({ bytes }) => bytes.length < 100_000)) {
      const stream = decoder(vector, sides(vector)[0] ?? 'server')
      for (let at = 0; at < vector.bytes.length; at++) {
        expect(stream.next()).toBeUndefined()
        stream.push(vector.bytes.slice(at, at + 1))
      }
      expect(plain(stream.next())).toStrictEqual(vector.packet)
    }
  })

  test.each([3, 4, 5] as const)(
    'all packets of version %i in one stream, in chunks of every size up to 64',
    (version) => {
      for (const from of ['client', 'server'] as const) {
        const stream = small.filter(
          (vector) =>
            vector.version === version && vector.packet.type !== 'connect' && sides(vector).includes(from),
        )
        const bytes = Buffer.concat(stream.map((vector) => vector.bytes))
        for (let size = 1; size <= 64; size++) {
          const packets: unknown[] = []
          const decoding = new PacketDecoder({ from, protocolVersion: version })
          for (let at = 0; at < bytes.length; at += size) {
            decoding.push(new Uint8Array(bytes.subarray(at, at + size)))
            for (let packet = decoding.next(); packet !== undefined; packet = decoding.next())
              packets.push(plain(packet))
          }
          expect(packets).toStrictEqual(stream.map((vector) => vector.packet))
        }
      }
    },
  )
})

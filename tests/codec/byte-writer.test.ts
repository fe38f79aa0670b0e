import { ByteWriter, encodeAck, encodePublish, encodeSubscribe, LARGEST_PACKET } from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'
import { giveBack } from '../../src/codec/chunk-pool.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const publish = (size: number, topic = 'a') => ({
  topic,
  payload: new Uint8Array(size).fill(120),
  qos: 0 as const,
  retain: false,
  dup: false,
  packetId: 0,
})

describe('ByteWriter', () => {
  test('is empty at first, and after take()', () => {
    const writer = new ByteWriter()
    expect(writer.isEmpty).toBe(true)
    expect(writer.length).toBe(0)
    expect(writer.take()).toEqual([])
    encodeAck(writer, 4, 'puback', 1)
    expect(writer.isEmpty).toBe(false)
    expect(writer.length).toBe(4)
    expect(Buffer.concat(writer.take()).toString('hex')).toBe('40020001')
    expect(writer.isEmpty).toBe(true)
    expect(writer.length).toBe(0)
  })

  test('what was handed over is never written again', () => {
    const writers = [new ByteWriter(), new ByteWriter(), new ByteWriter()]
    const taken: { readonly chunk: Uint8Array; readonly copy: Uint8Array }[] = []
    for (let turn = 0; turn < 3000; turn++) {
      const writer = writers[turn % 3] as ByteWriter
      encodePublish(writer, 5, publish((turn * 37) % 5000, `t/${turn}`))
      if (turn % 7 < 3) for (const chunk of writer.take()) taken.push({ chunk, copy: chunk.slice() })
    }
    for (const { chunk, copy } of taken) expect(Buffer.compare(chunk, copy)).toBe(0)
  })

  test('what is lent stays as it is until it has been given back, in whatever order, and is used again then', () => {
    const chance = new SeededRandom(7)
    const random = (): number => chance.next()
    const writers = [new ByteWriter(), new ByteWriter(), new ByteWriter()]
    const lent: { readonly parts: Uint8Array[]; readonly copy: Buffer }[] = []
    const memory = new Set<ArrayBufferLike>()
    const giveOne = (): void => {
      const [loan] = lent.splice(Math.floor(random() * lent.length), 1)
      if (loan === undefined) return
      expect(Buffer.compare(Buffer.concat(loan.parts), loan.copy)).toBe(0)
      giveBack(loan.parts)
      // Twice does no harm.
      giveBack(loan.parts)
    }
    let bytes = 0
    for (let turn = 0; turn < 20_000; turn++) {
      const writer = writers[Math.floor(random() * 3)] as ByteWriter
      bytes += encodePublish(writer, 5, publish(Math.floor(random() * 4000), `t/${turn}`))
      if (random() < 0.3) {
        const parts = writer.lend()
        for (const part of parts) memory.add(part.buffer)
        lent.push({ parts, copy: Buffer.concat(parts) })
      }
      if (lent.length > 20) giveOne()
    }
    while (lent.length > 0) giveOne()
    expect(bytes).toBeGreaterThan(30_000_000)
    // 30 MB through at most 2 MiB, but for what did not fit into a rest.
    expect(memory.size).toBeLessThan(64)
  })

  test('what was taken for good is not given back by mistake', () => {
    const writer = new ByteWriter()
    encodeAck(writer, 4, 'puback', 1)
    const parts = writer.take()
    giveBack(parts)
    giveBack([new Uint8Array(4)])
    for (let id = 2; id < 100; id++) encodeAck(writer, 4, 'puback', id)
    expect(Buffer.concat(parts).toString('hex')).toBe('40020001')
    writer.take()
  })

  test('payloads below 4 KiB are copied, larger ones referenced as a chunk of their own', () => {
    const writer = new ByteWriter()
    const small = publish(4095)
    const large = publish(4096)
    encodePublish(writer, 4, small)
    encodePublish(writer, 4, large)
    encodePublish(writer, 4, small)
    const chunks = writer.take()
    expect(chunks.length).toBe(3)
    expect(chunks[1]).toBe(large.payload)
    small.payload.fill(0)
    expect(chunks[0]?.at(-1 - 6)).toBe(120)
  })

  test('many small packets become few chunks, in order', () => {
    const writer = new ByteWriter()
    for (let id = 1; id <= 50_000; id++) encodeAck(writer, 4, 'puback', id)
    expect(writer.length).toBe(200_000)
    const chunks = writer.take()
    expect(chunks.length).toBeLessThan(8)
    const bytes = Buffer.concat(chunks)
    for (let id = 1; id <= 50_000; id++) expect(bytes.readUInt16BE(id * 4 - 2)).toBe(id)
  })

  test('a packet larger than a chunk stays whole', () => {
    const writer = new ByteWriter()
    const filters = Array.from({ length: 20 }, (_, index) => ({
      filter: `${index}/`.padEnd(30_000, 'é'),
      qos: 0 as const,
    }))
    encodeAck(writer, 5, 'puback', 1)
    const size = encodeSubscribe(writer, 5, { type: 'subscribe', packetId: 1, filters })
    expect(size).toBe(writer.length - 4)
    expect(Buffer.concat(writer.take()).subarray(4, 9).toString('hex')).toMatch(/^82[0-9a-f]{8}$/)
  })

  test('refuses with 0 what exceeds maximumPacketSize, to the byte [MQTT-3.1.2-24]', () => {
    const writer = new ByteWriter()
    writer.maximumPacketSize = 10
    expect(encodePublish(writer, 4, publish(6))).toBe(0)
    expect(writer.isEmpty).toBe(true)
    expect(encodePublish(writer, 4, publish(5))).toBe(10)
    writer.maximumPacketSize = 5000
    expect(encodePublish(writer, 4, publish(5000))).toBe(0)
    expect(writer.length).toBe(10)
  })

  test('the largest packet that MQTT has is the limit', () => {
    const writer = new ByteWriter()
    const payload = new Uint8Array(268_435_455 - 3)
    expect(encodePublish(writer, 4, { ...publish(0), payload })).toBe(LARGEST_PACKET)
    writer.take()
    writer.maximumPacketSize = Number.POSITIVE_INFINITY
    expect(encodePublish(writer, 4, { ...publish(0), payload, topic: 'ab' })).toBe(0)
  })
})

import { StoreError } from 'mqtt-await/store'
import { describe, expect, test } from 'vitest'
import { checksum } from '../../src/session/checksum.ts'
import {
  BlockWriter,
  decodeHeld,
  encodeHeld,
  type PublicationFields,
  type RecordVisitor,
  readBlock,
  readPublication,
} from '../../src/session/stored-record.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function publication(fields: Partial<PublicationFields> = {}): PublicationFields {
  return {
    topic: 'a/b',
    payload: text('hello'),
    qos: 1,
    retain: false,
    properties: undefined,
    expiry: undefined,
    ...fields,
  }
}

/** Every record as a line of data. */
function read(block: Uint8Array): { records: unknown[]; damage: ReturnType<typeof readBlock> } {
  const records: unknown[] = []
  const visitor: RecordVisitor = {
    onPublication: (place) => records.push(readPublication(block, place)),
    onSent: (...args) => records.push(['sent', ...args]),
    onExpiryInterval: (...args) => records.push(['interval', ...args]),
    onReleased: (...args) => records.push(['released', ...args]),
    onSettled: (...args) => records.push(['settled', ...args]),
    onReceived: (...args) => records.push(['received', ...args]),
    onCompleted: (...args) => records.push(['completed', ...args]),
    onReceivedSet: (...args) => records.push(['receivedSet', ...args]),
    onHeld: (id, held) => records.push(['held', id, decodeHeld(new Uint8Array(held))]),
    onSession: (...args) => records.push(['session', ...args]),
    onSessionLost: () => records.push(['sessionLost']),
    onOwner: (...args) => records.push(['owner', ...args]),
  }
  const damage = readBlock(block, visitor)
  return { records, damage }
}

describe('checksum', () => {
  // The reference values of xxHash32.
  test.each([
    ['', 0, 0x02cc5d05],
    ['', 0x9e3779b1, 0x36b78ae7],
    ['a', 0, 0x550d7456],
    ['abc', 0, 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0, 0xe2293b2f],
  ])('of %j with seed %d', (value, seed, expected) => {
    const bytes = text(value)
    expect(checksum(new DataView(bytes.buffer), 0, bytes.length, seed)).toBe(expected)
  })
})

describe('a block', () => {
  test('gives back every kind of record, in order', () => {
    const writer = new BlockWriter(new Uint8Array(256))
    const session = {
      clientId: 'gerät-7',
      protocolVersion: 5,
      sessionExpiryInterval: 0xffff_ffff,
      at: 1234.5,
      connected: true,
    } as const
    writer.owner({ clientId: '', protocolVersion: 0 })
    writer.session(session)
    writer.publication(publication(), 7, 0, 0, false)
    writer.sent(7, 65_535)
    writer.expiryInterval(7, 0xffff_ffff)
    writer.released(7, 3)
    writer.settled(1, 6)
    writer.received(9)
    writer.completed(9)
    writer.receivedSet(new Set([1, 2, 65_535]))
    const held = {
      packetId: 300,
      topic: 'größe',
      payload: text('x'),
      retain: true,
      propertyBytes: text('pp'),
    }
    writer.held(encodeHeld(held))
    writer.sessionLost()
    const { records, damage } = read(writer.finish())
    expect(damage).toBeUndefined()
    expect(records).toEqual([
      ['owner', { clientId: '', protocolVersion: 0 }],
      ['session', session],
      { ...publication(), sequence: 7, packetId: 0, releaseOrder: 0 },
      ['sent', 7, 65_535],
      ['interval', 7, 0xffff_ffff],
      ['released', 7, 3],
      ['settled', 1, 6],
      ['received', 9],
      ['completed', 9],
      ['receivedSet', [1, 2, 65_535]],
      ['held', 300, held],
      ['sessionLost'],
    ])
  })

  test('keeps everything about a publication', () => {
    const full = publication({
      topic: 'größe/温度/'.repeat(20),
      payload: Uint8Array.from({ length: 100_000 }, (_, n) => n & 0xff),
      qos: 2,
      retain: true,
      expiry: { dropAt: 1e12 + 0.25, endsAt: Number.POSITIVE_INFINITY, interval: 77 },
      properties: {
        payloadFormatIndicator: 1,
        messageExpiryInterval: 0xffff_ffff,
        contentType: 'text/plain',
        responseTopic: 'antwort/ä',
        correlationData: Uint8Array.of(0, 255),
        userProperties: [
          ['a', '1'],
          ['a', ''],
          ['', 'ü'],
        ],
      },
    })
    const writer = new BlockWriter(new Uint8Array(256))
    const sequence = 2 ** 40 + 5
    writer.publication(full, sequence, 17, 2 ** 33, true)
    writer.publication(publication({ topic: '', payload: new Uint8Array() }), sequence + 1, 0, 0, false)
    expect(read(writer.finish()).records).toEqual([
      { ...full, sequence, packetId: 17, releaseOrder: 2 ** 33 },
      {
        ...publication({ topic: '', payload: new Uint8Array() }),
        sequence: sequence + 1,
        packetId: 0,
        releaseOrder: 0,
      },
    ])
  })
})

describe('damage', () => {
  function block(): Uint8Array {
    const writer = new BlockWriter(new Uint8Array(256))
    for (let n = 1; n <= 5; n++)
      writer.publication(publication({ payload: text(`payload ${n}`) }), n, n, 0, false)
    writer.settled(1, 1)
    return writer.finish()
  }
  const sequences = (records: unknown[]): unknown[] =>
    records.map((record) => (Array.isArray(record) ? record[0] : (record as { sequence: number }).sequence))

  test('one flipped bit anywhere costs one record at most, and is always found', () => {
    const good = block()
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = good.slice()
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const { records, damage } = read(bad)
      expect(damage?.stretches, `bit ${bit}`).toBe(1)
      expect(records.length, `bit ${bit}`).toBeGreaterThanOrEqual(bit < 64 ? 6 : 5)
      // What the repaired block says is what could be read of the damaged one.
      const again = read(damage?.repaired ?? new Uint8Array())
      expect(again.damage).toBeUndefined()
      expect(again.records).toEqual(records)
    }
  })

  test('a torn block gives the records before the tear', () => {
    const good = block()
    const whole = sequences(read(good).records)
    for (let length = 0; length < good.length; length++) {
      const { records, damage } = read(good.slice(0, length))
      expect(sequences(records)).toEqual(whole.slice(0, records.length))
      // A tear between two frames loses whole records, which nothing can see: that is what order is for.
      if (damage === undefined) expect(records.length).toBeLessThan(whole.length)
    }
  })

  test('zeros and noise are no records', () => {
    expect(read(new Uint8Array(1000)).records).toEqual([])
    const noise = Uint8Array.from({ length: 5000 }, (_, n) => Math.imul(n + 1, 0x9e3779b1) >>> 24)
    expect(read(noise).records).toEqual([])
    expect(read(noise).damage?.stretches).toBeGreaterThan(0)
  })

  test('a newer format is refused with what to do, also when the rest is unreadable', () => {
    const newer = block()
    newer[4] = 2
    const view = new DataView(newer.buffer, newer.byteOffset)
    const check = checksum(view, 0, 5) & 0xff_ffff
    newer.set([check >> 16, (check >> 8) & 0xff, check & 0xff], 5)
    expect(() => read(newer)).toThrow(StoreError)
    expect(() => read(newer)).toThrow(/newer release .* upgrade/)
  })
})

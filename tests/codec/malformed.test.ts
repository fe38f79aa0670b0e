import { PacketDecoder, ProtocolError, type ProtocolVersion } from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'
import { fromHex, readTable } from '../conformance/vectors.ts'

/** Rows whose bytes are right by themselves: what is wrong with them only a session can know. */
const NEED_A_SESSION = new Set([
  // Something else in place of CONNACK, or a second one.
  ...['B5-059', 'B5-061', 'B5-062', 'B5-063', 'B5-065', 'B5-066', 'B5-067', 'B5-069', 'B5-070', 'B5-071'],
  ...['B3-050', 'B3-051', 'B3-052', 'B3-054', 'B3-055', 'B3-056', 'B3-058', 'B3-060', 'B3-062', 'B3-063'],
  // An answer of the wrong kind, or with the wrong number of codes.
  ...['B5-129', 'B5-130', 'B5-131', 'B5-137', 'B5-142', 'B5-143', 'B5-402'],
  ...['B3-119', 'B3-120', 'B3-122', 'B3-123', 'B3-127', 'B3-128', 'B3-134'],
  // The 3.1.1 form of a refusal, which a decoder for 5.0 understands so that it can be reported as what it is.
  'B5-162',
  // What was asked for in CONNECT, and what was granted.
  ...['B5-166', 'B5-243', 'B5-244', 'B5-247', 'B5-251', 'B5-262', 'B5-263', 'B5-264', 'B5-266'],
  // Topic Aliases, Subscription Identifiers and Receive Maximum in force; traffic after DISCONNECT.
  ...['B5-318', 'B5-319', 'B5-320', 'B5-323', 'B5-328', 'B5-338', 'B5-339', 'B5-340', 'B5-424'],
])

/** Where the decoder names another statement than the table, for the reason given. */
const OTHER_STATEMENT: Readonly<Record<string, string>> = {
  // The packet's own rule about flags, and what 3.1.1 says of a type that it does not have.
  'B5-049': 'MQTT-3.15.1-1',
  'B3-040': 'MQTT-4.8.0-1',
  // A packet that a server never sends, at any time.
  'B5-055': '4.13.1',
  'B5-057': '4.13.1',
  'B5-058': '4.13.1',
  'B3-046': 'MQTT-4.8.0-1',
  'B3-047': 'MQTT-4.8.0-1',
  'B3-048': 'MQTT-4.8.0-1',
  'B3-059': 'MQTT-4.8.0-1',
  // The value is what is cut; the length before it is possible.
  'B5-183': '2.2.2',
  // The rule that holds for packets of all types.
  'B5-343': 'MQTT-3.1.2-24',
  'B5-344': 'MQTT-3.1.2-24',
}

const VERSIONS: Readonly<Record<string, ProtocolVersion>> = { '3.1': 3, '3.1.1': 4, '5.0': 5 }

const rows = readTable('malformed.tsv').map((row) => ({
  id: row['id'] ?? '',
  version: VERSIONS[row['protocol'] ?? ''] ?? 5,
  maximumPacketSize: row['setup']?.endsWith('mps50') ? 50 : undefined,
  bytes: bytesOf(row['hex'] ?? ''),
  why: row['why'] ?? '',
  statement: row['statement'] ?? '',
  expect: row['expect'] ?? '',
}))

function bytesOf(hex: string): Uint8Array {
  const digits = hex
    .replaceAll('{id}', '0001')
    .replaceAll('{id+1}', '0002')
    .replace(/ *FIN$/, '')
  // Two rows end in half a byte.
  return fromHex(digits.length % 2 === 0 || digits.includes('{') ? digits : `${digits}0`)
}

function failureOf(row: (typeof rows)[number], pieces: readonly Uint8Array[]): unknown {
  const { version, maximumPacketSize } = row
  const decoder = new PacketDecoder({ from: 'server', protocolVersion: version, maximumPacketSize })
  try {
    for (const piece of pieces) {
      decoder.push(piece)
      while (decoder.next() !== undefined);
    }
    return undefined
  } catch (error) {
    expect(() => decoder.next()).toThrow(error as Error)
    return error
  }
}

describe('malformed.tsv', () => {
  for (const row of rows) {
    const wrong = /^(?:0x|close)/.test(row.expect) && !NEED_A_SESSION.has(row.id)
    test(`${row.id} ${row.why}${wrong ? '' : ': not for the decoder to refuse'}`, () => {
      const error = failureOf(row, [row.bytes])
      const bytewise = failureOf(
        row,
        Array.from(row.bytes, (byte) => Uint8Array.of(byte)),
      )
      if (!wrong) {
        expect(error).toBeUndefined()
        expect(bytewise).toBeUndefined()
        return
      }
      if (!(error instanceof ProtocolError)) throw new Error(`not a ProtocolError: ${error}`)
      if (row.expect !== 'close') expect(`0x${error.reasonCode?.toString(16)}`).toBe(row.expect)
      expect(error.packet).toMatch(/^(?:[A-Z]+|Packet)$/)
      expect(error.field).toMatch(/^[A-Z]/)
      expect(error.offset).toBeGreaterThanOrEqual(0)
      expect(error.offset).toBeLessThanOrEqual(row.bytes.length)
      const statements = row.statement.replace(' (unnumbered)', '').split(' ')
      // The table may name a subsection where the decoder names the section.
      const named = statements.map((one) => (one.startsWith(`${error.statement}.`) ? error.statement : one))
      expect([...named, OTHER_STATEMENT[row.id]]).toContain(error.statement)
      expect(error.message).toContain(`${error.statement}]`)
      const { packet, field, offset, statement, reasonCode } = error
      expect(bytewise).toMatchObject({ packet, field, offset, statement, reasonCode })
    })
  }
})

import { readFileSync } from 'node:fs'
import type { Packet, ProtocolVersion } from 'mqtt-await/codec'

export interface Vector {
  readonly id: string
  readonly version: ProtocolVersion
  readonly direction: 'c2s' | 's2c' | 'both'
  readonly form: 'exact' | 'order' | 'opt'
  readonly bytes: Uint8Array
  readonly packet: Packet
}

const VERSIONS: Readonly<Record<string, ProtocolVersion>> = { '3.1': 3, '3.1.1': 4, '5.0': 5 }
/** 3.x return codes in MQTT 5 numbering. */
const RETURN_CODES = [0, 0x84, 0x85, 0x88, 0x86, 0x87]
const FLAGS = [
  'requestResponseInformation',
  'requestProblemInformation',
  'retainAvailable',
  'wildcardSubscriptionAvailable',
  'subscriptionIdentifiersAvailable',
  'sharedSubscriptionAvailable',
]
const BINARY = ['payload', 'password', 'correlationData', 'authenticationData']

/** Rows of a table of this folder, by column name. */
export function readTable(name: string): Record<string, string>[] {
  const text = readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8')
  const [head = '', ...lines] = text.trimEnd().split('\n')
  const columns = head.split('\t')
  return lines.map((line) => {
    const cells = line.split('\t')
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? '']))
  })
}

/** `{00*3}` = 000000. */
export function expandHex(hex: string): string {
  return hex.replace(/\{([0-9a-f]{2})\*(\d+)\}/g, (_, byte: string, count: string) =>
    byte.repeat(Number(count)),
  )
}

/** The same in a text: `{61*3}` = aaa. */
function expandText(text: string): string {
  return text.replace(/\{([0-9a-f]{2})\*(\d+)\}/g, (_, byte: string, count: string) =>
    String.fromCharCode(Number.parseInt(byte, 16)).repeat(Number(count)),
  )
}

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(expandHex(hex), 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** Every valid packet of vectors.tsv, in this library's shape. */
export function readVectors(): Vector[] {
  return readTable('vectors.tsv').map((row) => {
    const version = VERSIONS[row['protocol'] ?? ''] ?? 5
    return {
      id: row['id'] ?? '',
      version,
      direction: row['direction'] as Vector['direction'],
      form: row['form'] as Vector['form'],
      bytes: fromHex(row['hex'] ?? ''),
      packet: toPacket(JSON.parse(row['json'] ?? ''), version) as unknown as Packet,
    }
  })
}

function toPacket(json: Record<string, unknown>, version: ProtocolVersion): Record<string, unknown> {
  const packet: Record<string, unknown> = {}
  const type = json['type']
  for (const [name, value] of Object.entries(json)) {
    if (name === 'clean') packet['cleanStart'] = value
    else if (name === 'returnCode') packet['reasonCode'] = RETURN_CODES[value as number]
    else if (name === 'returnCodes') packet['reasonCodes'] = value
    else if (name === 'will') packet['will'] = toPacket(value as Record<string, unknown>, version)
    else if (name === 'properties') {
      if (Object.keys(value as object).length > 0)
        packet['properties'] = toPacket(value as Record<string, unknown>, version)
    } else if (FLAGS.includes(name)) packet[name] = value === 1
    else if (BINARY.includes(name)) packet[name] = fromHex(value as string)
    else if (name === 'topic') packet[name] = expandText(value as string)
    else packet[name] = value
  }
  if (type === 'connect') packet['protocolVersion'] = version
  if (type === 'publish') packet['packetId'] ??= 0
  if (['puback', 'pubrec', 'pubrel', 'pubcomp', 'disconnect'].includes(type as string))
    packet['reasonCode'] ??= 0
  if (type === 'unsuback') packet['reasonCodes'] ??= []
  return packet
}

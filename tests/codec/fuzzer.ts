import fc from 'fast-check'
import {
  encode,
  OptionsError,
  type Packet,
  PacketDecoder,
  ProtocolError,
  type ProtocolVersion,
} from 'mqtt-await/codec'
import { plain } from '../conformance/plain.ts'
import { fromHex, readTable, readVectors } from '../conformance/vectors.ts'
import { anyPacket } from './arbitraries.ts'

/**
 * Random bytes that look like MQTT, from a seed: packets of every type, right and wrong ones, mutated with knowledge of
 * where lengths, identifiers and strings are, cut, spliced and strung together.
 *
 * For each input: nothing but a ProtocolError is thrown; the decoder comes to an end; it holds no more bytes than it was
 * given; the outcome does not depend on how the bytes were cut; and what it accepts can be written again and means the same.
 */

interface Stream {
  readonly version: ProtocolVersion
  readonly from: 'client' | 'server'
  readonly bytes: Uint8Array
}

interface Outcome {
  readonly packets: readonly Packet[]
  /** After each packet: a CONNECT decides. */
  readonly versions: readonly ProtocolVersion[]
  readonly error: string | undefined
}

export interface FuzzResult {
  readonly inputs: number
  readonly bytes: number
  readonly packets: number
  /** Inputs that were refused. */
  readonly refused: number
  /** Kinds of faults met, as `PACKET Field statement`. */
  readonly faults: ReadonlySet<string>
}

const VERSIONS: Readonly<Record<string, ProtocolVersion>> = { '3.1': 3, '3.1.1': 4, '5.0': 5 }

/** Bytes that mean something somewhere: boundaries, property identifiers, UTF-8 leads. */
const INTERESTING = [
  ...[
    0x00, 0x01, 0x02, 0x7f, 0x80, 0xff, 0xfe, 0xc0, 0xc1, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x23, 0x2b,
    0x24, 0x2f,
  ],
  ...[
    0x03, 0x08, 0x09, 0x0b, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1c, 0x1f, 0x21, 0x22,
    0x25, 0x26,
  ],
]

/** Bytes of a packet to start from: what matters is in the first few, and short ones make more inputs. */
const LONGEST = 500

/** mulberry32: small, seeded, good enough to choose with. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function corpus(seed: number): Stream[] {
  const streams: Stream[] = []
  for (const { version, direction, bytes } of readVectors()) {
    if (bytes.length > LONGEST) continue
    if (direction !== 'c2s') streams.push({ version, from: 'server', bytes })
    if (direction !== 's2c') streams.push({ version, from: 'client', bytes })
  }
  for (const row of readTable('malformed.tsv')) {
    const hex = (row['hex'] ?? '').replaceAll('{id}', '0001').replace(/ *FIN$/, '')
    if (hex.includes('+1') || hex.length % 2 !== 0) continue
    streams.push({ version: VERSIONS[row['protocol'] ?? ''] ?? 5, from: 'server', bytes: fromHex(hex) })
  }
  for (const version of [3, 4, 5] as const) {
    for (const from of ['client', 'server'] as const) {
      for (const packet of fc.sample(anyPacket(version, from), { numRuns: 150, seed })) {
        const bytes = encode(packet, { protocolVersion: version, from })
        if (bytes.length <= LONGEST) streams.push({ version, from, bytes })
      }
    }
  }
  return streams
}

class Mutator {
  readonly #random: () => number
  readonly #corpus: readonly Stream[]

  constructor(random: () => number, streams: readonly Stream[]) {
    this.#random = random
    this.#corpus = streams
  }

  input(): Stream {
    const base = this.#pick(this.#corpus)
    let bytes = Array.from(base.bytes)
    for (let count = this.#below(4); count > 0; count--) bytes = this.#mutate(bytes)
    if (this.#random() < 0.5) bytes = this.#withRightLength(bytes)
    for (let count = this.#below(3); count > 0; count--)
      bytes.push(...this.#pick(this.#corpus).bytes.subarray(0, 400))
    if (this.#random() < 0.1) bytes = bytes.slice(0, this.#below(bytes.length + 1))
    return { ...base, bytes: Uint8Array.from(bytes) }
  }

  /** Cuts the bytes at random places. */
  pieces(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = []
    for (let at = 0; at < bytes.length; ) {
      const size = this.#random() < 0.5 ? 1 : 1 + this.#below(40)
      pieces.push(bytes.slice(at, at + size))
      at += size
    }
    return pieces
  }

  #mutate(bytes: number[]): number[] {
    if (bytes.length === 0) return [this.#pick(INTERESTING)]
    const at = this.#below(bytes.length)
    const span = 1 + this.#below(8)
    switch (this.#below(8)) {
      case 0:
        return bytes.with(at, (bytes[at] ?? 0) ^ (1 << this.#below(8)))
      case 1:
        return bytes.with(at, this.#pick(INTERESTING))
      case 2:
        return bytes.toSpliced(at, 0, this.#pick(INTERESTING))
      case 3:
        return bytes.toSpliced(at, span)
      case 4:
        // Twice the same: a property, a filter, a code.
        return bytes.toSpliced(at, 0, ...bytes.slice(at, at + span))
      case 5:
        return bytes.with(at, ((bytes[at] ?? 0) + (this.#random() < 0.5 ? 1 : 255)) & 255)
      case 6: {
        const other = this.#pick(this.#corpus).bytes
        return bytes.toSpliced(at, span, ...other.subarray(this.#below(other.length)).subarray(0, span * 4))
      }
      default:
        return bytes.slice(0, at)
    }
  }

  /** The Remaining Length that fits what follows, so that the mutation is found by what it is in. */
  #withRightLength(bytes: readonly number[]): number[] {
    let body = 1
    while (body < 5 && (bytes[body] ?? 0) > 127) body++
    const rest = bytes.slice(body + 1)
    const length: number[] = []
    let value = rest.length
    do {
      length.push((value & 127) | (value > 127 ? 128 : 0))
      value >>= 7
    } while (value > 0)
    return [bytes[0] ?? 0, ...length, ...rest]
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }
}

function run(stream: Stream, pieces: readonly Uint8Array[], faults: Set<string>): Outcome {
  const decoder = new PacketDecoder({ from: stream.from, protocolVersion: stream.version })
  const packets: Packet[] = []
  const versions: ProtocolVersion[] = []
  let received = 0
  try {
    for (const piece of pieces) {
      decoder.push(piece)
      received += piece.length
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        packets.push(plain(packet) as Packet)
        versions.push(decoder.protocolVersion ?? stream.version)
        if (packets.length * 2 > received) throw new Error('more packets than the bytes can hold')
      }
      if (decoder.bufferedBytes > received) throw new Error('more bytes held than received')
    }
    return { packets, versions, error: undefined }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const { packet, field, offset, statement, reasonCode } = error
    faults.add(`${packet} ${field} ${statement}`)
    return { packets, versions, error: JSON.stringify([packet, field, offset, statement, reasonCode]) }
  }
}

/** What was accepted is what its sender may send, and means the same when it is sent on. */
function checkAccepted(packet: Packet, version: ProtocolVersion, from: 'client' | 'server'): void {
  let bytes: Uint8Array
  try {
    bytes = encode(packet, { protocolVersion: version, from })
  } catch (error) {
    // A server must answer these with a return code, so that it has to be able to read them.
    if (error instanceof OptionsError && packet.type === 'connect' && error.path === 'clientId') return
    throw error
  }
  const decoder = new PacketDecoder({ from, protocolVersion: version })
  decoder.push(bytes)
  const again = plain(decoder.next())
  // Only 3.1 has DUP here, and nobody needs to send it.
  const expected = 'dup' in packet && packet.type !== 'publish' ? without(packet, 'dup') : packet
  if (JSON.stringify(again) !== JSON.stringify(expected)) {
    throw new Error(`written again it became ${JSON.stringify(again)}`)
  }
}

function without(packet: Packet, name: string): unknown {
  return Object.fromEntries(Object.entries(packet).filter(([key]) => key !== name))
}

/**
 * Runs until `more` says no. A failure names the seed and the number of the input, which repeat it, and the bytes.
 *
 * @param more - told how many inputs have been run
 */
export function fuzz(seed: number, more: (inputs: number) => boolean): FuzzResult {
  const mutator = new Mutator(seededRandom(seed), corpus(seed))
  const faults = new Set<string>()
  let inputs = 0
  let bytes = 0
  let packets = 0
  let refused = 0
  while (more(inputs)) {
    const stream = mutator.input()
    const pieces = mutator.pieces(stream.bytes)
    inputs++
    bytes += stream.bytes.length
    try {
      const whole = run(stream, [stream.bytes], faults)
      const cut = run(stream, pieces, faults)
      if (JSON.stringify(whole) !== JSON.stringify(cut))
        throw new Error(`cut it became ${JSON.stringify(cut)}`)
      whole.packets.forEach((packet, index) => {
        checkAccepted(packet, whole.versions[index] ?? stream.version, stream.from)
      })
      packets += whole.packets.length
      if (whole.error !== undefined) refused++
    } catch (error) {
      const hex = Buffer.from(stream.bytes).toString('hex')
      throw new Error(`seed ${seed}, input ${inputs}, MQTT ${stream.version} from ${stream.from}: ${hex}`, {
        cause: error,
      })
    }
  }
  return { inputs, bytes, packets, refused, faults }
}

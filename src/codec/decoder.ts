import { ProtocolError } from '../errors.ts'
import { ByteReader } from './byte-reader.ts'
import { LARGEST_PACKET } from './byte-writer.ts'
import { type Allocate, concat, NO_BYTES } from './bytes.ts'
import { LAYOUTS } from './layouts.ts'
import type { Packet, ProtocolVersion, PublishFields } from './packet.ts'
import {
  AUTH,
  CONNECT,
  FROM_CLIENT,
  FROM_SERVER,
  FROM_SERVER_IN_3,
  PACKET_TYPES,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  requiredFlags,
} from './packet-type.ts'
import { decodePublish, type PublishClass, PublishPacket } from './publish.ts'
import { decodeAck } from './publish-acks.ts'

/** What a decoder returns: as `Packet`, with PUBLISH as an instance of the decoder's class. */
export type DecodedPacket<P extends PublishPacket = PublishPacket> = Exclude<Packet, PublishFields> | P

export interface DecoderOptions<P extends PublishPacket = PublishPacket> {
  /** Who sends the bytes: some packets, codes and properties belong to one side only. */
  readonly from: 'server' | 'client'
  /** @default 5 when the bytes come from a server; the one of the first packet, which must be CONNECT, when from a client */
  readonly protocolVersion?: ProtocolVersion | undefined
  /** Bytes, fixed header included: larger packets are refused as soon as their header is there. @default no limit but MQTT's */
  readonly maximumPacketSize?: number | undefined
  /** A subclass of `PublishPacket` that adds fields. @default PublishPacket */
  readonly publishClass?: PublishClass<P> | undefined
  /** Gives memory for a packet that came in pieces, of so many bytes. It is written over at once. @default `new Uint8Array` */
  readonly allocate?: Allocate | undefined
}

/**
 * Turns received bytes into packets, however they are cut.
 *
 *     decoder.push(chunk)
 *     for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) ...
 *
 * Chunks are kept, not copied: they must not be changed afterwards. Time is linear in the bytes, and no more memory is set aside
 * than has been received, whatever a header announces.
 */
export class PacketDecoder<P extends PublishPacket = PublishPacket> {
  /** Bytes, fixed header included; may be changed between packets. [MQTT-3.1.2-24] */
  maximumPacketSize: number
  readonly #from: 'server' | 'client'
  readonly #publishClass: PublishClass<P>
  readonly #allocate: Allocate | undefined
  /** While there is something to read. */
  #reader: ByteReader | undefined = undefined
  /** Before and after that; 0 = not known yet. */
  #version: ProtocolVersion | 0
  #chunk: Uint8Array = NO_BYTES
  #position = 0
  /** Chunks not begun. */
  #queue: Uint8Array[] | undefined = undefined
  /** The first of them; `shift` would be quadratic. */
  #queueHead = 0
  /** Of a packet that spans chunks. */
  #pieces: Uint8Array[] | undefined = undefined
  /** Bytes of it that have not come yet. */
  #missing = 0
  #bufferedBytes = 0
  #failure: unknown
  /** A packet has been decoded: it is too late for CONNECT. */
  #begun = false

  constructor(options: DecoderOptions<P>) {
    const { from, protocolVersion = from === 'server' ? 5 : 0, maximumPacketSize = LARGEST_PACKET } = options
    this.#from = from
    this.#version = protocolVersion
    this.maximumPacketSize = maximumPacketSize
    this.#allocate = options.allocate
    // Without the option P is PublishPacket itself.
    this.#publishClass = options.publishClass ?? (PublishPacket as unknown as PublishClass<P>)
  }

  /** From the options or the CONNECT; undefined while there was none. */
  get protocolVersion(): ProtocolVersion | undefined {
    return (this.#reader?.version ?? this.#version) || undefined
  }

  /** Bytes of an unfinished packet, or not decoded yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Takes received bytes; `next` returns what is complete. */
  push(chunk: Uint8Array): void {
    this.#bufferedBytes += chunk.length
    if (this.#queue === undefined) this.#queue = [chunk]
    else this.#queue.push(chunk)
  }

  /**
   * The next complete packet; undefined = more bytes are needed.
   *
   * @throws ProtocolError when the bytes are not MQTT: with the reason code to answer with, and the packet, field, byte and statement.
   *   The stream can not be read on then: the same error is thrown again.
   */
  next(): DecodedPacket<P> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return this.#next()
    } catch (error) {
      this.#failure = error
      this.#queue = undefined
      this.#pieces = undefined
      throw error
    }
  }

  #next(): DecodedPacket<P> | undefined {
    this.#reader ??= new ByteReader(this.#version, this.#from)
    const reader = this.#reader
    for (;;) {
      const chunk = this.#chunk
      const start = this.#position
      const available = chunk.length - start
      if (available === 0) {
        const next = this.#takeWaiting()
        // An idle decoder holds neither chunk nor reader.
        this.#use(reader, next ?? NO_BYTES)
        if (next === undefined) {
          this.#version = reader.version
          this.#reader = undefined
          return undefined
        }
      } else if (this.#missing > 0) {
        const end = start + Math.min(this.#missing, available)
        this.#keep(end - start === chunk.length ? chunk : chunk.subarray(start, end))
        this.#position = end
        this.#missing -= end - start
        if (this.#missing > 0) continue
        const bytes = concat(this.#pieces ?? [], this.#allocate)
        this.#pieces = undefined
        reader.use(bytes)
        // It may not be the reader that has read the header.
        reader.type = (bytes[0] ?? 0) >> 4
        try {
          return this.#decode(reader, bytes, 0, bytes.length)
        } finally {
          reader.use(chunk)
        }
      } else {
        const size = this.#frameSize(reader, chunk, start)
        if (size === 0) {
          // Not even the header is whole: the few bytes of it are put before what follows.
          const next = this.#takeWaiting()
          const rest = chunk.slice(start)
          this.#use(reader, next === undefined ? rest : concat([rest, next]))
          if (next === undefined) return undefined
        } else if (size <= available) {
          this.#position = start + size
          return this.#decode(reader, chunk, start, start + size)
        } else {
          this.#keep(chunk.subarray(start))
          this.#position = chunk.length
          this.#missing = size - available
        }
      }
    }
  }

  #use(reader: ByteReader, chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#position = 0
    reader.use(chunk)
  }

  #takeWaiting(): Uint8Array | undefined {
    const chunk = this.#queue?.[this.#queueHead]
    if (chunk === undefined) return undefined
    this.#queueHead++
    if (this.#queueHead === this.#queue?.length) {
      this.#queue = undefined
      this.#queueHead = 0
    }
    return chunk
  }

  /**
   * Keeps a piece of an unfinished packet. Small ones are joined, each with one no larger than itself, so that neither a byte at
   * a time costs a view for each byte, nor is any byte copied more than a few times.
   */
  #keep(piece: Uint8Array): void {
    this.#pieces ??= []
    const pieces = this.#pieces
    let whole = piece
    for (let last = pieces.at(-1); last !== undefined && whole.length < SMALL; last = pieces.at(-1)) {
      if (last.length > whole.length) break
      pieces.pop()
      whole = concat([last, whole])
    }
    pieces.push(whole)
  }

  /** Bytes of the packet that begins here, from its fixed header; 0 = not all of the header is there. */
  #frameSize(reader: ByteReader, bytes: Uint8Array, start: number): number {
    this.#checkFirst(reader, start, bytes[start] ?? 0)
    const path = 'remainingLength'
    let length = 0
    for (let at = start + 1, shift = 0; at < bytes.length; at++, shift += 7) {
      const byte = bytes[at] ?? 0
      length |= (byte & 127) << shift
      // MQTT 3.1.1 does not ask for the shortest form of a length.
      if (byte > 127 ? shift === 21 : byte === 0 && shift > 0 && reader.version === 5) {
        reader.at++
        throw reader.fault(0x81, path, '1.5.5-1', 'at most four bytes, in the shortest form')
      }
      if (byte > 127) continue
      const size = at + 1 - start + length
      let most = this.maximumPacketSize
      if (size > LARGEST_ANSWER && reader.type !== PUBLISH && reader.from === 'server') {
        most = Math.min(most, LARGEST_ANSWER)
      }
      if (size <= most) return size
      reader.at++
      throw reader.fault(0x95, path, '3.1.2-24', `a packet of at most ${most} bytes`, size)
    }
    return 0
  }

  /** Packet type, direction and flags. [MQTT 5.0 §2.1] */
  #checkFirst(reader: ByteReader, start: number, first: number): void {
    const { version, from } = reader
    const type = first >> 4
    const flags = first & 15
    reader.start = reader.at = start
    reader.type = type
    if (type === PUBLISH) {
      if ((flags & 6) === 6) throw reader.fault(0x81, 'qos', '3.3.1-4', '0, 1 or 2', 3)
      if ((flags & 14) === 8) throw reader.fault(0x81, 'dup', '3.3.1-2', 'false at QoS 0', true)
    } else {
      const required = requiredFlags(type)
      if (type === 0 || (type === AUTH && version < 5)) {
        throw reader.fault(0x81, 'packetType', '2.1.2', 'one that there is', type)
      }
      // MQTT 3.1 repeats PUBREL, SUBSCRIBE and UNSUBSCRIBE with DUP.
      if (flags !== required && !(version === 3 && required === 2 && flags === 10)) {
        const statement = OWN_FLAGS.includes(type) ? `3.${type}.1-1` : '2.1.3-1'
        throw reader.fault(0x81, 'flags', statement, `${required}`, flags)
      }
    }
    const mayCome = from === 'client' ? FROM_CLIENT : version === 5 ? FROM_SERVER : FROM_SERVER_IN_3
    if (((mayCome >> type) & 1) === 0) {
      throw reader.fault(0x82, 'packetType', '4.13.1', `one from a ${from}`, type)
    }
    if (type === CONNECT ? this.#begun : version === 0) {
      throw reader.fault(
        0x82,
        'packetType',
        this.#begun ? '3.1.0-2' : '3.1.0-1',
        'CONNECT first, and once',
        type,
      )
    }
  }

  #decode(reader: ByteReader, bytes: Uint8Array, start: number, end: number): DecodedPacket<P> {
    this.#bufferedBytes -= end - start
    this.#begun = true
    reader.start = start
    reader.end = end
    // Past the fixed header: its length has one to four bytes.
    let position = start + 1
    while ((bytes[position++] ?? 0) > 127);
    reader.position = position
    const first = bytes[start] ?? 0
    const type = first >> 4
    if (type === PUBLISH) return decodePublish(reader, first & 15, this.#publishClass)
    const packet =
      type >= PUBACK && type <= PUBCOMP
        ? decodeAck(reader, first)
        : LAYOUTS[PACKET_TYPES[type] as keyof typeof LAYOUTS](reader, {})
    if (reader.position < end) {
      const statement = OWN_LENGTH.includes(type) ? `3.${type}` : '4.13.1'
      reader.at = reader.position
      throw reader.fault(0x81, 'remainingLength', statement, 'no more bytes')
    }
    return packet
  }
}

/**
 * Of what a server sends, only messages are larger. The rest is decoded at once, and what it is decoded to takes many times the
 * memory of the bytes: a server that means ill is not given that much.
 */
const LARGEST_ANSWER = 1_048_576

/** Larger pieces are not copied before the whole packet is there. */
const SMALL = 1024

/** Packets whose flags have a statement of their own: PUBREL, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH. */
const OWN_FLAGS = [6, 8, 10, 14, 15]

/** Packets that are as long as their section says: CONNACK (of 3.x), PINGREQ, PINGRESP. */
const OWN_LENGTH = [2, 12, 13]

export interface DecodeOptions {
  /** Who sends the bytes. @default 'server' */
  readonly from?: 'server' | 'client'
  /** @default 5; for a CONNECT its own */
  readonly protocolVersion?: ProtocolVersion
  /** Bytes, fixed header included. @default no limit but MQTT's */
  readonly maximumPacketSize?: number
}

/**
 * Exactly one packet from its bytes.
 *
 * @throws ProtocolError when the bytes are not MQTT, not a whole packet, or more than one
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): DecodedPacket {
  const decoder = new PacketDecoder({ from: 'server', protocolVersion: 5, ...options })
  decoder.push(bytes)
  const packet = decoder.next()
  if (packet === undefined || decoder.bufferedBytes > 0) {
    throw new ProtocolError(`expected exactly one packet, got ${packet === undefined ? 'less' : 'more'}`, {
      reasonCode: 0x81,
      field: 'Remaining Length',
      offset: bytes.length - decoder.bufferedBytes,
    })
  }
  return packet
}

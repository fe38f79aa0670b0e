import { ProtocolError } from '../errors.ts'
import { decodeAuth } from './auth.ts'
import { ByteReader } from './byte-reader.ts'
import { LARGEST_PACKET } from './byte-writer.ts'
import { decodeConnack } from './connack.ts'
import { decodeConnect } from './connect.ts'
import { decodeDisconnect } from './disconnect.ts'
import { FrameBuffer } from './frame-buffer.ts'
import type { Packet, ProtocolVersion, PublishFields } from './packet.ts'
import { mayCome, PacketType, requiredFlags } from './packet-type.ts'
import { decodePublish, type PublishClass, PublishPacket } from './publish.ts'
import { decodeAck } from './publish-acks.ts'
import { decodeSuback } from './suback.ts'
import { decodeSubscribe } from './subscribe.ts'
import { decodeUnsuback } from './unsuback.ts'
import { decodeUnsubscribe } from './unsubscribe.ts'

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
  readonly #publishClass: PublishClass<P>
  readonly #reader: ByteReader
  /** Chunks not begun. */
  readonly #queue: Uint8Array[] = []
  /** The first of them; `shift` would be quadratic. */
  #queueHead = 0
  #chunk: Uint8Array = NONE
  #position = 0
  /** A packet that spans chunks. */
  readonly #frame = new FrameBuffer()
  #failure: unknown
  /** A packet has been decoded: it is too late for CONNECT. */
  #begun = false

  constructor(options: DecoderOptions<P>) {
    this.#reader = new ByteReader(options.protocolVersion ?? (options.from === 'server' ? 5 : 0))
    this.#reader.from = options.from
    this.maximumPacketSize = options.maximumPacketSize ?? LARGEST_PACKET
    // Without the option P is PublishPacket itself.
    this.#publishClass = options.publishClass ?? (PublishPacket as unknown as PublishClass<P>)
  }

  /** From the options or the CONNECT; undefined while there was none. */
  get protocolVersion(): ProtocolVersion | undefined {
    const { version } = this.#reader
    return version === 0 ? undefined : version
  }

  /** Bytes of an unfinished packet, or not decoded yet. */
  get bufferedBytes(): number {
    let bytes = this.#frame.length + this.#chunk.length - this.#position
    for (let index = this.#queueHead; index < this.#queue.length; index++) {
      bytes += this.#queue[index]?.length ?? 0
    }
    return bytes
  }

  /** Takes received bytes; `next` returns what is complete. */
  push(chunk: Uint8Array): void {
    if (this.#position === this.#chunk.length && this.#queue.length === 0) {
      this.#chunk = chunk
      this.#position = 0
      this.#reader.use(chunk)
    } else this.#queue.push(chunk)
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
      this.#queue.length = this.#queueHead = 0
      throw error
    }
  }

  #next(): DecodedPacket<P> | undefined {
    for (;;) {
      const chunk = this.#chunk
      const start = this.#position
      const available = chunk.length - start
      if (available === 0) {
        const next = this.#takeWaiting()
        // An idle decoder holds no chunk.
        this.#chunk = next ?? NONE
        this.#position = 0
        this.#reader.use(this.#chunk)
        if (next === undefined) return undefined
        continue
      }
      if (this.#frame.length === 0) {
        const size = this.#frameSize(chunk, start, chunk.length)
        if (size > 0 && size <= available) {
          this.#position = start + size
          return this.#decode(chunk, start, start + size)
        }
        this.#frame.append(chunk, start, chunk.length, size)
        this.#position = chunk.length
        continue
      }
      this.#position = this.#continueFrame(chunk, start)
      if (this.#frame.isComplete) {
        const bytes = this.#frame.take()
        this.#reader.use(bytes)
        try {
          return this.#decode(bytes, 0, bytes.length)
        } finally {
          this.#reader.use(chunk)
        }
      }
    }
  }

  #takeWaiting(): Uint8Array | undefined {
    const chunk = this.#queue[this.#queueHead]
    if (chunk !== undefined) this.#queueHead++
    if (this.#queueHead === this.#queue.length) this.#queue.length = this.#queueHead = 0
    return chunk
  }

  /** Adds to the frame what belongs to it, byte by byte until its size is known; returns where the rest begins. */
  #continueFrame(chunk: Uint8Array, start: number): number {
    const frame = this.#frame
    let at = start
    while (frame.size === 0) {
      if (at === chunk.length) return at
      frame.append(chunk, at, at + 1, 0)
      at++
      const header = frame.header
      frame.size = this.#frameSize(header, 0, header.length)
    }
    const end = Math.min(chunk.length, at + frame.size - frame.length)
    frame.append(chunk, at, end, frame.size)
    return end
  }

  /** Bytes of the packet that begins here, from its fixed header; 0 = not all of the header is there. */
  #frameSize(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start] ?? 0
    this.#checkFirst(start, first)
    let length = 0
    for (let at = start + 1, shift = 0; at < end; at++, shift += 7) {
      const byte = bytes[at] ?? 0
      length |= (byte & 127) << shift
      if (byte < 128) {
        // MQTT 3.1.1 does not ask for the shortest form of a length.
        if (byte === 0 && shift > 0 && this.#reader.version === 5) {
          throw this.#headerFault(0x81, 'Remaining Length', '1.5.5-1', 'is not in its shortest form', 1)
        }
        const size = at + 1 - start + length
        if (size > this.maximumPacketSize) {
          throw this.#headerFault(
            0x95,
            'Remaining Length',
            '3.1.2-24',
            `makes ${size} bytes, more than ${this.maximumPacketSize},`,
            1,
          )
        }
        return size
      }
      if (shift === 21)
        throw this.#headerFault(0x81, 'Remaining Length', '1.5.5-1', 'has more than four bytes', 1)
    }
    return 0
  }

  /** Packet type, direction and flags. [MQTT 5.0 §2.1] */
  #checkFirst(start: number, first: number): void {
    const reader = this.#reader
    const type = first >> 4
    const flags = first & 15
    reader.start = reader.position = start
    reader.type = type
    if (type === PacketType.publish) {
      if ((flags & 6) === 6) throw this.#headerFault(0x81, 'QoS', '3.3.1-4', 'is 3', 0)
      if ((flags & 14) === 8) throw this.#headerFault(0x81, 'DUP', '3.3.1-2', 'is set at QoS 0', 0)
    } else {
      if (type === 0 || (type === PacketType.auth && reader.version < 5)) {
        throw this.#headerFault(
          0x81,
          'Packet Type',
          reader.version === 5 ? '2.1.2' : '4.8.0-1',
          `${type} does not exist`,
          0,
        )
      }
      const required = requiredFlags(type)
      // MQTT 3.1 repeats PUBREL, SUBSCRIBE and UNSUBSCRIBE with DUP.
      if (flags !== required && !(reader.version === 3 && required === 2 && flags === 10)) {
        throw this.#headerFault(
          0x81,
          'Flags',
          OWN_FLAGS.includes(type) ? `3.${type}.1-1` : '2.1.3-1',
          'are reserved and wrong',
          0,
        )
      }
    }
    if (
      !mayCome(reader.from, type) ||
      (type === PacketType.disconnect && reader.from === 'server' && reader.version !== 5)
    ) {
      throw this.#headerFault(
        0x82,
        'Packet Type',
        reader.version === 5 ? '4.13.1' : '4.8.0-1',
        `may not come from a ${reader.from}`,
        0,
      )
    }
    if (type === PacketType.connect ? this.#begun : reader.version === 0) {
      throw this.#headerFault(
        0x82,
        'Packet Type',
        this.#begun ? '3.1.0-2' : '3.1.0-1',
        this.#begun ? 'comes after the first packet' : 'is not CONNECT',
        0,
      )
    }
  }

  #headerFault(code: number, field: string, statement: string, what: string, offset: number): Error {
    const reader = this.#reader
    return reader.fault(code, field, statement, what, reader.start + offset)
  }

  #decode(bytes: Uint8Array, start: number, end: number): DecodedPacket<P> {
    const reader = this.#reader
    reader.start = start
    reader.end = end
    this.#begun = true
    // Past the fixed header: its length has one to four bytes.
    let position = start + 1
    while ((bytes[position++] ?? 0) > 127);
    reader.position = position
    const first = bytes[start] ?? 0
    switch (first >> 4) {
      case PacketType.publish:
        return decodePublish(reader, first, this.#publishClass)
      case PacketType.puback:
      case PacketType.pubrec:
      case PacketType.pubrel:
      case PacketType.pubcomp:
        return decodeAck(reader, first)
      case PacketType.connect:
        return decodeConnect(reader)
      case PacketType.connack:
        return decodeConnack(reader)
      case PacketType.subscribe:
        return decodeSubscribe(reader)
      case PacketType.suback:
        return decodeSuback(reader)
      case PacketType.unsubscribe:
        return decodeUnsubscribe(reader)
      case PacketType.unsuback:
        return decodeUnsuback(reader)
      case PacketType.disconnect:
        return decodeDisconnect(reader)
      case PacketType.auth:
        return decodeAuth(reader)
      default:
        reader.finish(first >> 4 === PacketType.pingreq ? '3.12' : '3.13')
        return { type: first >> 4 === PacketType.pingreq ? 'pingreq' : 'pingresp' }
    }
  }
}

const NONE: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/** Packets whose flags have a statement of their own: PUBREL, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH. */
const OWN_FLAGS = [6, 8, 10, 14, 15]

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

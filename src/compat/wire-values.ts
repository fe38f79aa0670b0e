/** The functions with which Paho's `properties` module reads and writes single values. Big endian throughout. */
import { MalformedPacket, ValueError } from './errors.ts'

const LARGEST_VARIABLE_BYTE_INTEGER = 268_435_455
const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Variable byte integers. [MQTT 5.0 §1.5.5] */
// biome-ignore lint/complexity/noStaticOnlyClass: programs know it as a class
export class VariableByteIntegers {
  /** Throws `ValueError` outside 0 to 268435455. */
  static encode(x: number): Uint8Array {
    if (!Number.isInteger(x) || x < 0 || x > LARGEST_VARIABLE_BYTE_INTEGER) {
      throw new ValueError(`not in the range 0 to ${LARGEST_VARIABLE_BYTE_INTEGER}: ${x}`)
    }
    const bytes: number[] = []
    let rest = x
    do {
      const digit = rest % 128
      rest = Math.floor(rest / 128)
      bytes.push(rest > 0 ? digit | 0x80 : digit)
    } while (rest > 0)
    return Uint8Array.from(bytes)
  }

  /** Throws `MalformedPacket` when it does not end within four bytes or within the buffer. */
  static decode(buffer: Uint8Array): [value: number, used: number] {
    let value = 0
    for (let at = 0; at < 4; at++) {
      const byte = buffer[at]
      if (byte === undefined) throw new MalformedPacket('a variable byte integer is cut short')
      value += (byte & 0x7f) * 128 ** at
      if (byte < 0x80) return [value, at + 1]
    }
    throw new MalformedPacket('a variable byte integer has more than four bytes')
  }
}

/** Throws `ValueError` outside 0 to 65535. */
export function writeInt16(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff) throw new ValueError(`not a two byte integer: ${n}`)
  return Uint8Array.of(n >> 8, n)
}

/** Throws `MalformedPacket` when the buffer is too short, like all that read. */
export function readInt16(buf: Uint8Array): number {
  return view(buf, 2).getUint16(0)
}

/** Throws `ValueError` outside 0 to 4294967295. */
export function writeInt32(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) throw new ValueError(`not a four byte integer: ${n}`)
  return Uint8Array.of(n >>> 24, n >> 16, n >> 8, n)
}

export function readInt32(buf: Uint8Array): number {
  return view(buf, 4).getUint32(0)
}

/** Two bytes of length, then the bytes of the text. Throws `ValueError` for lone surrogates and above 65535 bytes. */
export function writeUTF(data: string | Uint8Array): Uint8Array {
  if (typeof data === 'string') {
    if (/\p{Surrogate}/u.test(data)) throw new ValueError('a lone surrogate has no UTF-8')
    return writeBytes(utf8.encode(data))
  }
  return writeBytes(data)
}

/**
 * @param maxlen - bytes of the buffer that may be used
 * @throws MalformedPacket when `maxlen` is too short, for invalid UTF-8, and for U+0000 and U+FEFF
 */
export function readUTF(buffer: Uint8Array, maxlen: number): [string, number] {
  const [bytes, used] = readBytes(buffer.subarray(0, Math.max(maxlen, 0)))
  let text: string
  try {
    text = strictUtf8.decode(bytes)
  } catch {
    throw new MalformedPacket('not UTF-8')
  }
  if (text.includes('\u0000') || text.includes('\ufeff'))
    throw new MalformedPacket('U+0000 or U+FEFF in a string')
  return [text, used]
}

/** Two bytes of length, then the bytes. Throws `TypeError` for what is not a `Uint8Array`. */
export function writeBytes(buf: Uint8Array): Uint8Array {
  if (!(buf instanceof Uint8Array)) throw new TypeError('expected a Uint8Array')
  const written = new Uint8Array(buf.length + 2)
  written.set(writeInt16(buf.length))
  written.set(buf, 2)
  return written
}

export function readBytes(buf: Uint8Array): [Uint8Array, number] {
  const end = readInt16(buf) + 2
  if (end > buf.length) throw new MalformedPacket(`${end} bytes expected, ${buf.length} there`)
  return [buf.slice(2, end), end]
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function view(buf: Uint8Array, length: number): DataView {
  if (buf.length < length) throw new MalformedPacket(`${length} bytes expected, ${buf.length} there`)
  return new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
}

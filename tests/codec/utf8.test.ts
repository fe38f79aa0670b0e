import { decode, encode, ProtocolError } from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'

/** A PUBLISH of MQTT 5 whose Content Type is `text`: a string with no further rules. */
function throughTheCodec(text: string): string | undefined {
  const bytes = encode({
    type: 'publish',
    topic: 'a',
    payload: new Uint8Array(0),
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    properties: { contentType: text },
  })
  const packet = decode(bytes)
  return packet.type === 'publish' ? packet.properties.contentType : undefined
}

/** Well-formed UTF-8 without U+0000, by table 3-7 of the Unicode standard. */
function isRight(bytes: readonly number[]): boolean {
  for (let at = 0; at < bytes.length; ) {
    const [lead = 0, second = 0] = bytes.slice(at)
    if (lead >= 0x01 && lead <= 0x7f) {
      at++
      continue
    }
    const length =
      lead >= 0xc2 && lead <= 0xdf
        ? 2
        : lead >= 0xe0 && lead <= 0xef
          ? 3
          : lead >= 0xf0 && lead <= 0xf4
            ? 4
            : 0
    const tail = bytes.slice(at + 1, at + length)
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (length === 0 || tail.length !== length - 1 || second < low || second > high) return false
    if (tail.slice(1).some((byte) => byte < 0x80 || byte > 0xbf)) return false
    at += length
  }
  return true
}

function isAccepted(string: readonly number[]): boolean {
  const properties = [0x03, string.length >> 8, string.length & 255, ...string]
  const body = [0, 1, 0x61, properties.length, ...properties]
  try {
    decode(Uint8Array.of(0x30, body.length, ...body))
    return true
  } catch (error) {
    if (error instanceof ProtocolError && error.reasonCode === 0x81) return false
    throw error
  }
}

describe('UTF-8 [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]', () => {
  test('every character there is, but U+0000, comes back', () => {
    for (let first = 0; first < 0x110000; first += 0x2000) {
      let text = ''
      for (let point = Math.max(first, 1); point < first + 0x2000; point++) {
        if (point < 0xd800 || point > 0xdfff) text += String.fromCodePoint(point)
      }
      // One at a time goes another way than many.
      for (const part of [text, text.slice(0, 12)]) {
        if (throughTheCodec(part) !== part) throw new Error(`from U+${first.toString(16)}`)
      }
    }
  })

  test('a byte order mark is an ordinary character, wherever it stands', () => {
    for (const text of ['\ufeff', '\ufeffa', 'a\ufeff', `\ufeff${'a'.repeat(100)}`])
      expect(throughTheCodec(text)).toBe(text)
  })

  test('strings of one and two bytes: all of them, right or refused', () => {
    for (let first = 0; first < 256; first++) {
      if (isAccepted([first]) !== isRight([first])) throw new Error(first.toString(16))
      for (let second = 0; second < 256; second++) {
        const bytes = [first, second]
        if (isAccepted(bytes) !== isRight(bytes))
          throw new Error(bytes.map((byte) => byte.toString(16)).join(' '))
      }
    }
  })

  test('three and four bytes: every lead with every boundary after it', () => {
    const edges = [0x00, 0x01, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xed, 0xf4, 0xff]
    for (let lead = 0xbf; lead < 256; lead++) {
      for (const second of edges) {
        for (const third of edges) {
          const bytes = [lead, second, third]
          if (isAccepted(bytes) !== isRight(bytes))
            throw new Error(bytes.map((byte) => byte.toString(16)).join(' '))
          for (const fourth of [0x41, 0x80, 0xbf, 0xc0]) {
            const four = [...bytes, fourth]
            if (isAccepted(four) !== isRight(four))
              throw new Error(four.map((byte) => byte.toString(16)).join(' '))
          }
        }
      }
    }
  })

  test('around the length from which strings are made in another way', () => {
    for (const length of [0, 1, 63, 64, 65, 66, 128, 65_535]) {
      for (const end of ['', 'é', '€']) {
        const text = 'x'.repeat(Math.max(0, length - Buffer.byteLength(end))) + end
        expect(throughTheCodec(text)).toBe(text)
      }
    }
  })
})

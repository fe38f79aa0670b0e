import fc from 'fast-check'
import { expect, test } from 'vitest'
import { payloadBytes } from '../../src/client/payload.ts'
import { textBytes } from '../../src/client/text-bytes.ts'
import { textBytes as textBytesOfBrowsers } from '../../src/client/text-bytes-browser.ts'

test('a string is UTF-8 everywhere, lone surrogates become U+FFFD', () => {
  expect([...textBytes('\ud800')]).toEqual([0xef, 0xbf, 0xbd])
  fc.assert(
    fc.property(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }), (text) => {
      expect([...textBytes(text)]).toEqual([...textBytesOfBrowsers(text)])
    }),
  )
})

test('strings that are waiting to be sent keep their bytes, however many come after them', () => {
  const texts = Array.from({ length: 10_000 }, (_, index) => `${index}:${'x'.repeat(index % 5000)}`)
  const payloads = texts.map((text) => payloadBytes(text))
  for (const [index, payload] of payloads.entries()) {
    if (new TextDecoder().decode(payload) !== texts[index]) throw new Error(`payload ${index} has changed`)
  }
})

import { expect, test } from 'vitest'
import { OptionsError } from '../../src/errors.ts'
import { checkTopicName, isTopicName } from '../../src/topic/topic-name.ts'

test.each(['a', '/', 'a/b', ' ', '$SYS/x', 'ÿ/😀', '\u0001', 'a//b'])('%j may be published to', (topic) => {
  expect(isTopicName(topic)).toBe(true)
  expect(() => checkTopicName(topic)).not.toThrow()
})

test.each([
  ['', 'MQTT-4.7.3-1'],
  ['a/+', 'MQTT-4.7.0-1'],
  ['#', 'MQTT-4.7.0-1'],
  ['a#b', 'MQTT-4.7.0-1'],
  ['a\0b', 'MQTT-4.7.3-2'],
  ['a\ud800', 'MQTT-1.5.4-1'],
  ['\udc00\ud800', 'MQTT-1.5.4-1'],
  ['a'.repeat(65_536), 'MQTT-4.7.3-3'],
])('%.20j is refused by name: %s', (topic, statement) => {
  expect(() => checkTopicName(topic, 'will.topic')).toThrow(OptionsError)
  expect(() => checkTopicName(topic, 'will.topic')).toThrow(statement)
  expect(() => checkTopicName(topic, 'will.topic')).toThrow(/^will\.topic: /)
})

test('counts bytes, not characters [MQTT-4.7.3-3]', () => {
  expect(isTopicName('a'.repeat(65_535))).toBe(true)
  expect(isTopicName('é'.repeat(32_767))).toBe(true)
  expect(isTopicName('é'.repeat(32_768))).toBe(false)
  expect(isTopicName('€'.repeat(21_845))).toBe(true)
  expect(isTopicName('€'.repeat(21_846))).toBe(false)
  expect(isTopicName(`${'😀'.repeat(16_383)}abc`)).toBe(true)
  expect(isTopicName('😀'.repeat(16_384))).toBe(false)
})

test('refuses what is no string', () => {
  expect(() => checkTopicName(7 as unknown as string)).toThrow(/number/)
  expect(() => checkTopicName(undefined as unknown as string)).toThrow(OptionsError)
})

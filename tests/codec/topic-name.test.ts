import { expect, test } from 'vitest'
import { checkTopicName } from '../../src/codec/check-topic.ts'
import { OptionsError } from '../../src/errors.ts'

test.each(['a', '/', 'a/b', ' ', '$SYS/x', 'ÿ/😀', '\u0001', 'a//b'])('%j may be published to', (topic) => {
  expect(() => checkTopicName(topic)).not.toThrow()
})

test.each([
  ['', 'MQTT-4.7.3-1'],
  ['a/+', 'MQTT-4.7.0-1'],
  ['#', 'MQTT-4.7.0-1'],
  ['a#b', 'MQTT-4.7.0-1'],
  ['a\0b', 'MQTT-1.5.4-2'],
  ['a\ud800', 'MQTT-1.5.4-1'],
  ['\udc00\ud800', 'MQTT-1.5.4-1'],
  ['a'.repeat(65_536), 'at most 65,535 bytes, got 65536'],
])('%.20j is refused by name: %s', (topic, statement) => {
  expect(() => checkTopicName(topic, 'will.topic')).toThrow(OptionsError)
  expect(() => checkTopicName(topic, 'will.topic')).toThrow(statement)
  expect(() => checkTopicName(topic, 'will.topic')).toThrow(/^will\.topic: /)
})

test('counts bytes, not characters [MQTT-4.7.3-3]', () => {
  expect(() => checkTopicName('a'.repeat(65_535))).not.toThrow()
  expect(() => checkTopicName('é'.repeat(32_767))).not.toThrow()
  expect(() => checkTopicName('é'.repeat(32_768))).toThrow('65,535')
  expect(() => checkTopicName('€'.repeat(21_845))).not.toThrow()
  expect(() => checkTopicName('€'.repeat(21_846))).toThrow('65,535')
  expect(() => checkTopicName(`${'😀'.repeat(16_383)}abc`)).not.toThrow()
  expect(() => checkTopicName('😀'.repeat(16_384))).toThrow('65,535')
})

test('refuses what is no string', () => {
  expect(() => checkTopicName(7 as unknown as string)).toThrow('expected a string, got 7')
  expect(() => checkTopicName(undefined as unknown as string)).toThrow(OptionsError)
})

import { expect, test } from 'vitest'
import { checkTopicFilter } from '../../src/codec/check-topic.ts'
import { OptionsError } from '../../src/errors.ts'

test.each([
  '#',
  'a/#',
  '+',
  '+/a',
  'a/+/b',
  '/',
  '+/+',
  '/#',
  '$SYS/#',
  '$share/g/#',
  '$share/g//x',
  '$shared/x',
  '$share2',
  '$share',
])('%j may be subscribed to', (filter) => {
  expect(() => checkTopicFilter(filter)).not.toThrow()
})

test.each([
  ['', 'MQTT-4.7.3-1'],
  ['a#', 'MQTT-4.7.1-1'],
  ['#a', 'MQTT-4.7.1-1'],
  ['a/#/b', 'MQTT-4.7.1-1'],
  ['##', 'MQTT-4.7.1-1'],
  ['a+', 'MQTT-4.7.1-2'],
  ['+a', 'MQTT-4.7.1-2'],
  ['a/b+', 'MQTT-4.7.1-2'],
  ['a/+b', 'MQTT-4.7.1-2'],
  ['++', 'MQTT-4.7.1-2'],
  ['a/\0', 'MQTT-1.5.4-2'],
  ['\udfff', 'MQTT-1.5.4-1'],
  ['a'.repeat(65_536), 'at most 65,535 bytes, got 65536'],
  ['$share/', 'MQTT-4.8.2-1'],
  ['$share//a', 'MQTT-4.8.2-1'],
  ['$share/g', 'MQTT-4.8.2-2'],
  ['$share/g/', 'MQTT-4.8.2-2'],
  ['$share/g+/a', 'MQTT-4.8.2-2'],
  ['$share/#/a', 'MQTT-4.8.2-2'],
  ['$share/g/a#', 'MQTT-4.7.1-1'],
])('%.20j is refused by name: %s', (filter, statement) => {
  expect(() => checkTopicFilter(filter, 'filters[1]')).toThrow(OptionsError)
  expect(() => checkTopicFilter(filter, 'filters[1]')).toThrow(statement)
  expect(() => checkTopicFilter(filter, 'filters[1]')).toThrow(/^filters\[1\]: /)
})

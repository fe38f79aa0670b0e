import { expect, test } from 'vitest'
import { OptionsError } from '../../src/errors.ts'
import { checkTopicFilter, isTopicFilter, parseTopicFilter } from '../../src/topic/topic-filter.ts'

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
])('%j may be subscribed to', (filter) => {
  expect(isTopicFilter(filter)).toBe(true)
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
  ['a/\0', 'MQTT-4.7.3-2'],
  ['\udfff', 'MQTT-1.5.4-1'],
  ['a'.repeat(65_536), 'MQTT-4.7.3-3'],
  ['$share', 'MQTT-4.8.2-1'],
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

test('takes a shared filter apart', () => {
  expect(parseTopicFilter('$share/workers/jobs/+')).toEqual({
    filter: '$share/workers/jobs/+',
    share: 'workers',
    pattern: 'jobs/+',
    hasWildcard: true,
  })
  expect(parseTopicFilter('$share/g/$share/g')).toMatchObject({ share: 'g', pattern: '$share/g' })
  expect(parseTopicFilter('jobs/1')).toEqual({
    filter: 'jobs/1',
    share: undefined,
    pattern: 'jobs/1',
    hasWildcard: false,
  })
})

import { describe, expect, test } from 'vitest'
import { parseArguments, UsageError } from '../../src/cli/args.ts'

describe('the command line', () => {
  test('sub', () => {
    expect(
      parseArguments(['sub', '-q', '1', '-n', '3', '--mqtt-version', '3.1.1', 'a/#', 'b']),
    ).toMatchObject({
      command: 'sub',
      filters: ['a/#', 'b'],
      settings: { qos: 1, count: 3, 'mqtt-version': 4 },
    })
  })

  test('pub', () => {
    const parsed = parseArguments([
      'pub',
      'a',
      'text',
      '-r',
      '--user-property',
      'k=v=w',
      '--user-property',
      'k=2',
      '--expiry',
      '0',
    ])
    expect(parsed).toMatchObject({
      command: 'pub',
      topic: 'a',
      message: 'text',
      settings: {
        retain: true,
        'user-property': [
          ['k', 'v=w'],
          ['k', '2'],
        ],
        expiry: 0,
      },
    })
  })

  test('help and version', () => {
    expect(parseArguments([])).toEqual({ command: 'help' })
    expect(parseArguments(['sub', '-h'])).toEqual({ command: 'help' })
    expect(parseArguments(['--version'])).toEqual({ command: 'version' })
  })

  test.each([
    [['sub'], 'FILTER'],
    [['pub'], 'TOPIC'],
    [['pub', 'a'], 'one of MESSAGE'],
    [['pub', 'a', 'b', '-l'], 'one of MESSAGE'],
    [['pub', 'a', 'b', 'c'], 'quote'],
    [['fetch', 'a'], 'unknown command: fetch'],
    [['sub', 'a', '-q', '3'], '--qos: expected 0, 1 or 2'],
    [['sub', 'a', '-n', '0'], '--count: expected a whole number of at least 1'],
    [['sub', 'a', '-n', 'x'], '--count'],
    [['sub', 'a', '-t', 'soon'], '--timeout: expected a number of seconds'],
    [['sub', 'a', '-t', '2592000'], '--timeout: expected at most 2147483 seconds'],
    [['sub', 'a', '-r'], '--retain is not for sub'],
    [['pub', 'a', 'b', '--json'], '--json is not for pub'],
    [['pub', 'a', 'b', '--user-property', 'k'], 'NAME=VALUE'],
    [['sub', 'a', '--unknown'], "'--unknown'"],
  ])('%j is refused: %s', (argv, message) => {
    expect(() => parseArguments(argv)).toThrow(UsageError)
    expect(() => parseArguments(argv)).toThrow(message)
  })
})

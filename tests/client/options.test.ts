import { inspect } from 'node:util'
import {
  Client,
  type ClientOptions,
  CONNACK_CLASSES,
  classOf,
  DISCONNECT_CLASSES,
  OptionsError,
} from 'mqtt-await'
import { describe, expect, test } from 'vitest'
import { backoffDelay } from '../../src/client/backoff.ts'
import { overrideOptions } from '../../src/client/connect-options.ts'
import { constructorOptions, resolveOptions } from '../../src/client/options.ts'

function refusal(options: object): OptionsError {
  try {
    new Client('mqtt://localhost', options as ClientOptions)
  } catch (error) {
    if (error instanceof OptionsError) return error
    throw error
  }
  throw new Error('was accepted')
}

describe('options', () => {
  test.each([
    [{ keepAlive: '60' }, 'keepAlive', 'an integer from 0 to 65535', '"60"'],
    [{ keepAlive: 70_000 }, 'keepAlive', 'an integer from 0 to 65535', '70000'],
    [{ protocolVersion: 6 }, 'protocolVersion', '5 or 4 or 3 or "auto"', '6'],
    [{ will: { topic: 'a', qos: 3 } }, 'will.qos', '0 or 1 or 2', '3'],
    [{ reconnect: { minDelayMs: -1 } }, 'reconnect.minDelayMs', 'milliseconds, 0 or more', '-1'],
    [
      { reconnect: 5 },
      'reconnect',
      'false, "manual", an object, or a function (attempt, cause) => delay',
      '5',
    ],
    [
      { queue: { overflow: 'explode' } },
      'queue.overflow',
      '"reject" or "drop-oldest" or "drop-newest"',
      '"explode"',
    ],
    [{ servers: [] }, 'servers', 'at least one URL', 'an array'],
    [{ receiveMaximum: 0 }, 'receiveMaximum', 'an integer from 1 to 65535', '0'],
    [{ log: 'yes' }, 'log', 'a function', '"yes"'],
  ])('%j is refused with path, expectation and what was given', (options, path, expected, received) => {
    expect(refusal(options)).toMatchObject({ code: 'ERR_MQTT_OPTIONS', path, expected, received })
  })

  test.each([
    [{ keepalive: 5 }, /keepAlive/],
    [{ clean: true }, /cleanStart/],
    [{ user: 'x' }, /username/],
    [{ reconnect: { min: 1 } }, /reconnect\.min/],
    [{ will: { topic: 'a', message: 'x' } }, /will\.message/],
    [{ tls: { cart: 'x' } }, /tls\.cart/],
  ])('the unknown key of %j is refused', (options, message) => {
    expect(refusal(options).message).toMatch(message)
  })

  test('no secret is repeated', () => {
    expect(inspect(refusal({ password: 12345 }))).not.toContain('12345')
    expect(inspect(refusal({ websocket: { headers: { authorization: 98765 } } }))).not.toContain('98765')
    for (const url of ['mqtt://user:gehe/im@host', `mqtt://user:${'geheim'.repeat(20)}@host`])
      expect(inspect(refusal({ servers: url }))).not.toContain('gehe')
    let error: unknown
    try {
      new Client('nonsense://user:geheim@host')
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(OptionsError)
    expect(inspect(error)).not.toContain('geheim')
    const client = new Client('mqtt://user:geheim@host?token=geheim', {
      password: 'geheim2',
      username: 'wer',
    })
    expect(inspect(client, { showHidden: true, depth: 5 })).not.toMatch(/geheim|wer/)
    expect(JSON.stringify(client)).not.toMatch(/geheim|wer/)
    expect(String(inspect({ client }))).toContain('mqtt://host:1883')
  })

  test('defaults', () => {
    const options = resolveOptions(constructorOptions('mqtt://host'))
    expect(options).toMatchObject({
      protocolVersion: 5,
      cleanStart: true,
      keepAlive: 60,
      connectTimeoutMs: 10_000,
      ackTimeoutMs: 0,
      reconnect: {
        minDelayMs: 500,
        maxDelayMs: 30_000,
        jitter: 'full',
        initial: false,
        stableAfterMs: 5_000,
      },
      queue: { overflow: 'reject', qos0: 'queue' },
      redirects: true,
      onSessionLost: 'reject',
    })
    expect(options.servers[0]?.description).toBe('mqtt://host:1883')
  })

  test('a session that outlives the connection is taken up by default', () => {
    expect(resolveOptions({ url: 'mqtt://h', sessionExpiryInterval: 60 }).cleanStart).toBe(false)
    expect(resolveOptions({ url: 'mqtt://h', sessionExpiryInterval: 60, cleanStart: true }).cleanStart).toBe(
      true,
    )
  })

  test('a server, or a transport, is needed', () => {
    expect(() => new Client({})).toThrow(OptionsError)
    expect(() => new Client({ url: 'mqtt://h', will: { topic: 'a/#' } })).toThrow(/will\.topic/)
    expect(() => new Client('mqtt://h', { protocolVersion: 4, password: 'x' })).toThrow(/MQTT-3.1.2-22/)
  })

  test('what the hook returns is laid over the options', () => {
    const given = { url: 'ws://a', username: 'u', websocket: { headers: { a: '1', b: '2' } } }
    expect(overrideOptions(given, { websocket: { headers: { b: '3' } } })).toEqual({
      url: 'ws://a',
      username: 'u',
      websocket: { headers: { a: '1', b: '3' } },
    })
    expect(overrideOptions(given, { servers: ['ws://b'] })).not.toHaveProperty('url')
  })
})

describe('backoff', () => {
  const options = {
    minDelayMs: 100,
    maxDelayMs: 1_000,
    jitter: 'full',
    maxAttempts: 20,
    initial: false,
    stableAfterMs: 0,
  } as const

  test('is spread over the whole of a growing and capped range', () => {
    expect([1, 2, 3, 4, 5, 20].map((pause) => backoffDelay(options, pause, () => 1))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
    expect(backoffDelay(options, 3, () => 0)).toBe(0)
    expect(backoffDelay({ ...options, maxAttempts: Infinity, maxDelayMs: 5 }, 5_000, () => 1)).toBe(5)
  })
})

describe('classes of reason codes', () => {
  test('every code of CONNACK and DISCONNECT has its line or is retried', () => {
    for (const code of [0x81, 0x82, 0x84, 0x85, 0x8a, 0x8c]) expect(classOf('connack', code)).toBe('fatal')
    for (const code of [0x86, 0x87]) expect(classOf('connack', code)).toBe('refresh')
    for (const code of [0x80, 0x88, 0x89, 0x97, 0x9f]) expect(classOf('connack', code)).toBe('retry')
    expect(classOf('disconnect', 0x8e)).toBe('fatal')
    for (const code of [0x00, 0x8b, 0x8d, 0x93, 0xa0]) expect(classOf('disconnect', code)).toBe('retry')
    expect(classOf('disconnect', 0x8e, { disconnect: { 142: 'retry' } })).toBe('retry')
    expect(Object.isFrozen(CONNACK_CLASSES) && Object.isFrozen(DISCONNECT_CLASSES)).toBe(true)
  })
})

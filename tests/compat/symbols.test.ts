import { readFileSync } from 'node:fs'
import * as compat from 'mqtt-await/compat'
import * as publishEntry from 'mqtt-await/compat/publish'
import * as subscribeEntry from 'mqtt-await/compat/subscribe'
import { describe, expect, test, vi } from 'vitest'

/**
 * Every symbol that Paho documents, with what kind of thing it is: one line each in symbols.tsv. Types are checked by the
 * compiler in symbol-types.ts.
 */
const rows = readFileSync(new URL('symbols.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t') as [symbol: string, kind: string])

const main = compat as unknown as Record<string, unknown>
const typeNames = readFileSync(new URL('symbol-types.ts', import.meta.url), 'utf8')

/** An instance to look for properties on. */
function instance(name: string): object {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  switch (name) {
    case 'Client':
      return new compat.Client()
    case 'ReasonCode':
      return new compat.ReasonCode(compat.PacketTypes.CONNACK)
    case 'Properties':
      return new compat.Properties(compat.PacketTypes.CONNACK)
    case 'ConnectFlags':
      return new compat.ConnectFlags(true)
    case 'DisconnectFlags':
      return new compat.DisconnectFlags(true)
    case 'MQTTMessageInfo':
      return new compat.MQTTMessageInfo(1)
    default:
      return new (main[name] as new () => object)()
  }
}

function check(symbol: string, kind: string): void {
  const [owner, member] = symbol.split('.') as [string, string | undefined]
  const holder = main[owner] as Record<string, unknown>
  switch (kind) {
    case 'entry point':
      expect(['mqtt-await/compat', 'mqtt-await/compat/publish', 'mqtt-await/compat/subscribe']).toContain(
        symbol,
      )
      return
    case 'type':
      expect(typeNames).toMatch(new RegExp(`\\b${symbol.replace('.', '\\.')}\\b`))
      return
    case 'class':
    case 'error':
    case 'function':
      expect(typeof (member === undefined ? holder : holder[member])).toBe('function')
      if (kind === 'error' && member === undefined) {
        const error = new (holder as unknown as new (message: string) => Error)('why')
        expect(error).toBeInstanceOf(Error)
        expect(error.name).toBe(symbol)
      }
      return
    case 'namespace':
    case 'enum':
    case 'table':
      expect(typeof holder).toBe('object')
      if (kind === 'enum') expect(Object.isFrozen(holder)).toBe(true)
      return
    case 'constant':
    case 'enum member':
    case 'static constant':
      expect(member === undefined ? holder : holder[member]).toBeDefined()
      return
    case 'static method':
      expect(typeof holder[member as string]).toBe('function')
      return
    case 'method':
      expect(typeof (holder['prototype'] as Record<string, unknown>)[member as string]).toBe('function')
      return
    case 'callback':
      expect((instance(owner) as Record<string, unknown>)[member as string]).toBeNull()
      return
    case 'property':
      expect((member as string) in instance(owner)).toBe(true)
      return
    case 'attribute':
      expect((member as string) in instance(owner)).toBe(true)
      expect((instance(owner) as Record<string, unknown>)[member as string]).toBeUndefined()
      return
    default:
      throw new Error(`no check for ${kind}`)
  }
}

describe('every documented symbol', () => {
  test.each(rows)('%s (%s)', check)
})

describe('constants', () => {
  const enums = [
    'MQTTErrorCode',
    'MQTTProtocolVersion',
    'MessageType',
    'LogLevel',
    'ConnackCode',
    'PahoClientMode',
  ] as const

  test.each(enums)('the members of %s are exported by themselves', (name) => {
    for (const [member, value] of Object.entries(main[name] as object)) expect(main[member]).toBe(value)
  })

  test('those of MessageState in lower case', () => {
    for (const [member, value] of Object.entries(compat.MessageState))
      expect(main[member.toLowerCase()]).toBe(value)
  })

  test('values', () => {
    expect(compat.__version__).toBe('2.1.0')
    expect(compat.MQTT_CLEAN_START_FIRST_ONLY).toBe(3)
    expect(compat.CallbackAPIVersion).toEqual({ VERSION1: 1, VERSION2: 2 })
    expect(Object.values(compat.MQTTErrorCode)).toEqual(Array.from({ length: 18 }, (_, n) => n - 1))
    expect(Object.values(compat.MessageType)).toEqual(Array.from({ length: 15 }, (_, n) => (n + 1) * 16))
    expect(compat.LOGGING_LEVEL).toEqual({ 1: 'info', 2: 'info', 4: 'warn', 8: 'error', 16: 'debug' })
    expect({ ...compat.socks }).toEqual({ SOCKS4: 1, SOCKS5: 2, HTTP: 3 })
    expect({ ...compat.ssl }).toEqual({
      CERT_NONE: 0,
      CERT_OPTIONAL: 1,
      CERT_REQUIRED: 2,
      PROTOCOL_TLS: 2,
      PROTOCOL_TLS_CLIENT: 16,
      PROTOCOL_TLSv1: 3,
      PROTOCOL_TLSv1_1: 4,
      PROTOCOL_TLSv1_2: 5,
    })
    expect(compat.PacketTypes.indexes).toEqual(Array.from({ length: 15 }, (_, n) => n + 1))
    expect(compat.PacketTypes.Names).toHaveLength(16)
  })

  test('the helpers are the same functions everywhere', () => {
    expect(compat.publish.single).toBe(publishEntry.single)
    expect(compat.publish.multiple).toBe(publishEntry.multiple)
    expect(compat.subscribe.simple).toBe(subscribeEntry.simple)
    expect(compat.subscribe.callback).toBe(subscribeEntry.callback)
    expect(Object.keys(publishEntry).sort()).toEqual(['multiple', 'single'])
    expect(Object.keys(subscribeEntry).sort()).toEqual(['callback', 'simple'])
  })
})

test('a new client has the defaults of Paho', () => {
  const client = new compat.Client(compat.CallbackAPIVersion.VERSION2)
  const {
    host,
    port,
    keepalive,
    transport,
    protocol,
    connect_timeout,
    username,
    password,
    suppress_exceptions,
  } = client
  expect([host, port, keepalive, transport, protocol, connect_timeout]).toEqual(['', 1883, 60, 'tcp', 4, 5])
  expect([username, password, suppress_exceptions, client.logger, client.will_topic]).toEqual([
    null,
    null,
    false,
    null,
    '',
  ])
  expect([client.max_inflight_messages, client.max_queued_messages, client.callback_api_version]).toEqual([
    20, 0, 2,
  ])
  expect(client.will_payload).toEqual(new Uint8Array(0))
})

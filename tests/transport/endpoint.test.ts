import { expect, test } from 'vitest'
import { OptionsError } from '../../src/errors.ts'
import { parseEndpoint, parseServerReference, webSocketUrl } from '../../src/transport/endpoint.ts'

test.each([
  ['mqtt://localhost', { kind: 'tcp', host: 'localhost', port: 1883, description: 'mqtt://localhost:1883' }],
  ['tcp://localhost:1884/', { kind: 'tcp', port: 1884, description: 'mqtt://localhost:1884' }],
  ['MQTT://Host', { kind: 'tcp', host: 'Host' }],
  ['mqtts://h', { kind: 'tls', port: 8883, description: 'mqtts://h:8883' }],
  ['ssl://h', { kind: 'tls', port: 8883 }],
  ['tls://h:1', { kind: 'tls', port: 1 }],
  ['mqtt://[::1]:1883', { host: '::1', port: 1883, description: 'mqtt://[::1]:1883' }],
  ['ws://h', { kind: 'ws', port: 80, path: '/', query: '', description: 'ws://h:80' }],
  [
    'ws://h:80/mqtt?token=s3cret',
    { port: 80, path: '/mqtt', query: '?token=s3cret', description: 'ws://h:80/mqtt' },
  ],
  ['wss://h/a%20b', { kind: 'wss', port: 443, path: '/a%20b', description: 'wss://h:443/a%20b' }],
  ['mqtt://us%40er:p%3A%2Fw@h', { username: 'us@er', password: 'p:/w', description: 'mqtt://h:1883' }],
  ['mqtt://:only@h', { username: undefined, password: 'only' }],
  ['mqtt://h', { username: undefined, password: undefined, srv: false }],
  [
    'unix:/run/mosquitto.sock',
    { kind: 'unix', path: '/run/mosquitto.sock', description: 'unix:/run/mosquitto.sock' },
  ],
  ['unix:///run/a%20b.sock', { kind: 'unix', path: '/run/a b.sock' }],
  ['mqtt+unix:///run/x', { kind: 'unix', path: '/run/x' }],
  ['unix:relative.sock', { path: 'relative.sock' }],
  [
    'unix://user:pass@/run/x',
    { path: '/run/x', username: 'user', password: 'pass', description: 'unix:/run/x' },
  ],
  [
    'mqtt+srv://example.org',
    { kind: 'tcp', host: 'example.org', srv: true, description: 'mqtt+srv://example.org' },
  ],
  ['mqtts+srv://u:p@example.org', { kind: 'tls', srv: true, username: 'u' }],
] as const)('%s', (url, expected) => {
  expect(parseEndpoint(url)).toMatchObject(expected)
})

test('takes a URL object', () => {
  expect(parseEndpoint(new URL('ws://user:pass@host/mqtt'))).toMatchObject({
    username: 'user',
    port: 80,
    path: '/mqtt',
  })
})

test.each([
  ['localhost', 'no scheme'],
  ['localhost:1883', 'unknown scheme "localhost:"'],
  ['http://h', 'unknown scheme "http:"'],
  ['mqtt:h', 'lacks "//"'],
  ['mqtt://', 'no valid URL|no host'],
  ['mqtt://h:99999', 'no valid URL'],
  ['mqtt://h:0', 'port 0'],
  ['mqtt://user:s3cret@', 'no valid URL|no host'],
  ['mqtt://user:s3cret%@h', 'percent-encoded'],
  ['mqtt://user:s3c/s3cret@h', 'password is written %2F'],
  ['mqtt://user:12/s3cret@h', 'password is written %2F'],
  ['//user:s3cret@h', 'no scheme'],
  ['mqtt//user:s3cret@h', 'no scheme'],
  ['user:s3cret@h', 'unknown scheme'],
  ['us3cret@h', 'no scheme'],
  ['mqtts://user:p@w/s3cret@h:1', 'password is written %2F'],
  ['http://user:s3cret@h?x=s3cret', 'unknown scheme'],
  ['unix://run/x.sock', 'unix:///path'],
  ['unix:', 'no path'],
  ['mqtt+srv://h:1883', 'DNS'],
  ['constructor://h', 'unknown scheme'],
])('%s is refused: %s', (url, words) => {
  expect(() => parseEndpoint(url, 'servers[1]')).toThrow(OptionsError)
  expect(() => parseEndpoint(url, 'servers[1]')).toThrow(new RegExp(words))
  expect(() => parseEndpoint(url, 'servers[1]')).toThrow(/^servers\[1\]: /)
  expect(() => parseEndpoint(url)).not.toThrow(/s3cret/)
})

test('refuses what is no URL at all', () => {
  expect(() => parseEndpoint(7 as unknown as string)).toThrow(OptionsError)
})

test('a WebSocket URL carries no credentials', () => {
  expect(webSocketUrl(parseEndpoint('wss://u:p@[::1]/mqtt?t=1'))).toBe('wss://[::1]:443/mqtt?t=1')
})

test('a server reference keeps what it does not name', () => {
  const from = parseEndpoint('mqtts://u:p@first:9000')
  expect(parseServerReference('second', from)).toMatchObject({
    kind: 'tls',
    host: 'second',
    port: 8883,
    username: 'u',
  })
  expect(parseServerReference('second:77 third', from)).toMatchObject({
    host: 'second',
    port: 77,
    password: 'p',
  })
  expect(parseServerReference('2001:db8::1', from)).toMatchObject({ host: '2001:db8::1', port: 8883 })
  expect(parseServerReference('[2001:db8::1]:7', from)).toMatchObject({ host: '2001:db8::1', port: 7 })
  expect(parseServerReference('mqtts://x:y@second', from)).toMatchObject({ username: 'x', password: 'y' })
  // What was encrypted stays so.
  expect(() => parseServerReference('mqtt://second', from)).toThrow(OptionsError)
  expect(() => parseServerReference('ws://second', from)).toThrow(OptionsError)
  expect(parseServerReference('wss://second', from)).toMatchObject({ kind: 'wss', path: '/', username: 'u' })
  expect(parseServerReference('other', parseEndpoint('ws://h/mqtt'))).toMatchObject({
    kind: 'ws',
    path: '/mqtt',
  })
  expect(() => parseServerReference('', from)).toThrow(OptionsError)
  // Only who is on this machine may lead to what is on it.
  expect(() => parseServerReference('unix:///run/docker.sock', from)).toThrow(OptionsError)
  const local = parseEndpoint('unix:/run/first.sock')
  expect(parseServerReference('unix:///run/second.sock', local)).toMatchObject({ path: '/run/second.sock' })
  expect(parseServerReference('/run/second.sock', local)).toMatchObject({ path: '/run/second.sock' })
})

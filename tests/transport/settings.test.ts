import { expect, test } from 'vitest'
import { OptionsError } from '../../src/errors.ts'
import { checkOption, objectOf } from '../../src/option-rules.ts'
import { transportRules } from '../../src/transport/open.ts'
import type { TransportOptions } from '../../src/transport/settings.ts'

const pem = '-----BEGIN CERTIFICATE-----'

const checkTransportOptions = (options: TransportOptions): void =>
  checkOption(objectOf(transportRules), options, '')

test('takes what is documented, and absent values', () => {
  checkTransportOptions({
    socket: {
      localAddress: '127.0.0.1',
      localPort: 0,
      family: 4,
      noDelay: false,
      keepAlive: true,
      lookup: () => {},
    },
    tls: {
      ca: [pem, Buffer.from(pem)],
      cert: pem,
      key: pem,
      pfx: undefined,
      passphrase: '',
      servername: 'x',
      ALPNProtocols: ['mqtt'],
      rejectUnauthorized: false,
      psk: { identity: 'i', key: new Uint8Array(4) },
      ciphers: 'PSK',
      minVersion: 'TLSv1.2',
      checkServerIdentity: () => undefined,
    },
    websocket: { headers: { a: 'b' }, protocols: ['mqtt'], implementation: class {} },
  })
  checkTransportOptions({})
})

test.each([
  [{ tls: { rejectUnauthorised: false } }, 'tls.rejectUnauthorised', /unknown option/],
  [{ tls: { passphrase: 7 } }, 'tls.passphrase', /a string/],
  [{ tls: { psk: { identity: 's3cret' } } }, 'tls.psk', /identity: string/],
  [{ tls: 's3cret' }, 'tls', /an object/],
  [{ tls: { ca: '/etc/s3cret.pem' } }, 'tls.ca', /not the name of its file/],
  [{ tls: { ca: [pem, new Uint8Array([0x30])] } }, 'tls.ca', /PEM/],
  [{ tls: { cert: pem, key: './s3cret.key' } }, 'tls.key', /not the name of its file/],
  [{ socket: { family: 5 } }, 'socket.family', /0 or 4 or 6/],
  [{ socket: { constructor: 1 } }, 'socket.constructor', /unknown option/],
  [{ websocket: { headers: { a: 1 } } }, 'websocket.headers', /strings/],
  [
    { websocket: { protocols: [] as string[], implementation: 's3cret' } },
    'websocket.implementation',
    /constructor/,
  ],
])('%j is refused at %s', (options, path, words) => {
  const check = (): void => checkTransportOptions(options as unknown as TransportOptions)
  expect(check).toThrow(OptionsError)
  expect(check).toThrow(words)
  expect(check).not.toThrow(/s3cret/)
  try {
    check()
  } catch (error) {
    expect(error).toMatchObject({ path })
  }
})

import {
  callback,
  flag,
  integer,
  isBytes,
  isObject,
  isText,
  objectOf,
  oneOf,
  type Rule,
  type Rules,
  text,
  url,
} from '../option-rules.ts'
import type { SocketOptions, TlsOptions } from './settings.ts'
import { websocketRule } from './websocket-rule.ts'

/** Node passes over what is not PEM without a word, the name of a file for instance. */
const isPem = (value: unknown): boolean => {
  const text = isBytes(value) ? new TextDecoder('latin1').decode(value) : value
  return isText(text) && text.includes('-----BEGIN ')
}
const pem: Rule = [
  'PEM (the text "-----BEGIN ...", not the name of its file), or a list of it',
  (value) => (Array.isArray(value) ? value : [value]).every(isPem),
]
const tlsVersion = oneOf('TLSv1.2', 'TLSv1.3')

/** Options of connections on Node, Bun and Deno. */
export const transportRules: Rules = {
  socket: objectOf({
    localAddress: text,
    localPort: integer(0, 65_535),
    family: oneOf(0, 4, 6),
    noDelay: flag,
    keepAlive: flag,
    lookup: callback,
  } satisfies Record<keyof SocketOptions, Rule>),
  tls: objectOf({
    ca: pem,
    cert: pem,
    key: ['PEM (the text "-----BEGIN ...", not the name of its file)', isPem],
    pfx: ['a Uint8Array', isBytes],
    passphrase: text,
    servername: text,
    ALPNProtocols: ['a list of strings', (value) => Array.isArray(value) && value.every(isText)],
    rejectUnauthorized: flag,
    secureContext: ['a secure context', isObject],
    psk: [
      '{ identity: string, key: Uint8Array }',
      (value) => {
        if (!isObject(value)) return false
        const { identity, key } = value as Readonly<Record<string, unknown>>
        return isText(identity) && isBytes(key)
      },
    ],
    ciphers: text,
    minVersion: tlsVersion,
    maxVersion: tlsVersion,
    checkServerIdentity: callback,
  } satisfies Record<keyof TlsOptions, Rule>),
  websocket: websocketRule,
  proxy: url,
}

import { OptionsError } from '../errors.ts'

/** How sockets are made. Node, Bun and Deno. */
export interface SocketOptions {
  /** Local address to connect from. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** 4 or 6 restricts address lookup to that family. @default 0 — both, the runtime's happy eyeballs decide */
  readonly family?: 0 | 4 | 6 | undefined
  /** Send at once instead of waiting for more (TCP_NODELAY). The client writes once per turn anyway. @default true */
  readonly noDelay?: boolean | undefined
  /** TCP keep-alive probes; MQTT has its own keep-alive. @default false */
  readonly keepAlive?: boolean | undefined
  /** Replaces DNS lookup, with the signature of `dns.lookup`. */
  readonly lookup?:
    | ((
        hostname: string,
        options: { readonly family?: number | string; readonly all?: boolean },
        callback: (error: Error | null, address: never, family?: number) => void,
      ) => void)
    | undefined
}

/** PEM text or DER bytes, one or several. */
export type Certificates = string | Uint8Array | readonly (string | Uint8Array)[]

/** How TLS is done. Names are those of `tls.connect` in Node, whose documentation applies. */
export interface TlsOptions {
  /** Authorities to trust instead of the built-in ones. */
  readonly ca?: Certificates | undefined
  /** The client's certificate, with what chains it to its authority. */
  readonly cert?: Certificates | undefined
  /** Private key of `cert`. */
  readonly key?: string | Uint8Array | undefined
  /** PKCS#12 bundle instead of `cert` and `key`. */
  readonly pfx?: Uint8Array | undefined
  /** Decrypts `key` or `pfx`. */
  readonly passphrase?: string | undefined
  /** Name sent in SNI and looked for in the server's certificate. @default the host of the URL */
  readonly servername?: string | undefined
  /** Protocols to offer in ALPN. Over WebSocket always `http/1.1`. @default none */
  readonly ALPNProtocols?: readonly string[] | undefined
  /** `false` accepts any certificate: never in production. @default true */
  readonly rejectUnauthorized?: boolean | undefined
  /** What Node's `tls.createSecureContext` made, instead of everything it is made of. */
  readonly secureContext?: object | undefined
  /** Pre-shared key instead of certificates. */
  readonly psk?: { readonly identity: string; readonly key: Uint8Array } | undefined
  /** @default the runtime's; with `psk`, the PSK suites of TLS 1.2 */
  readonly ciphers?: string | undefined
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Replaces the check of the server's name against its certificate. Returns what is wrong, or nothing. */
  readonly checkServerIdentity?: ((hostname: string, certificate: object) => Error | undefined) | undefined
}

/** A constructor with the face of the WebSocket of browsers. Called with headers (third argument) only when there are some. */
export type WebSocketConstructor = new (
  url: string,
  protocols: string[],
  options?: { readonly headers: Readonly<Record<string, string>> },
) => object

export interface WebSocketOptions {
  /** Headers of the upgrade request. Browsers can not send any. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Subprotocols to offer. @default 'mqtt', for MQTT 3.1 'mqttv3.1' */
  readonly protocols?: string | readonly string[] | undefined
  /** @default the package `ws` on Node, the global WebSocket elsewhere */
  readonly implementation?: WebSocketConstructor | undefined
}

export interface TransportOptions {
  readonly socket?: SocketOptions | undefined
  readonly tls?: TlsOptions | undefined
  readonly websocket?: WebSocketOptions | undefined
  /** `http:`, `https:` (CONNECT), `socks4:`, `socks4a:`, `socks5:`, `socks5h:`; user and password are read from it. */
  readonly proxy?: string | URL | undefined
  /** Chooses the WebSocket subprotocol. @default 5 */
  readonly protocolVersion?: 3 | 4 | 5 | undefined
  /** Bytes; bounds what one WebSocket message may hold. @default 268,435,460 */
  readonly maximumPacketSize?: number | undefined
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isFlag = (value: unknown): boolean => typeof value === 'boolean'
const isFunction = (value: unknown): boolean => typeof value === 'function'
const isBytes = (value: unknown): boolean => value instanceof Uint8Array
const isTextOrBytes = (value: unknown): boolean => isText(value) || isBytes(value)
const isCertificates = (value: unknown): boolean =>
  Array.isArray(value) ? value.every(isTextOrBytes) : isTextOrBytes(value)
const isTlsVersion = (value: unknown): boolean => value === 'TLSv1.2' || value === 'TLSv1.3'
const isPort = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535
const isTextList = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

type Rule = readonly [check: (value: unknown) => boolean, expected: string]

const text: Rule = [isText, 'a string that is not empty']
const flag: Rule = [isFlag, 'a boolean']
const callback: Rule = [isFunction, 'a function']
const pem: Rule = [isCertificates, 'PEM text or bytes, or a list of them']
const tlsVersion: Rule = [isTlsVersion, '"TLSv1.2" or "TLSv1.3"']

const rules: Readonly<Record<'socket' | 'tls' | 'websocket', Readonly<Record<string, Rule>>>> = {
  socket: {
    localAddress: text,
    localPort: [isPort, 'a port number'],
    family: [(value) => value === 0 || value === 4 || value === 6, '0, 4 or 6'],
    noDelay: flag,
    keepAlive: flag,
    lookup: callback,
  } satisfies Record<keyof SocketOptions, Rule>,
  tls: {
    ca: pem,
    cert: pem,
    key: [isTextOrBytes, 'PEM text or bytes'],
    pfx: [isBytes, 'bytes'],
    passphrase: [(value) => typeof value === 'string', 'a string'],
    servername: [(value) => typeof value === 'string', 'a string'],
    ALPNProtocols: [isTextList, 'a list of strings'],
    rejectUnauthorized: flag,
    secureContext: [(value) => typeof value === 'object' && value !== null, 'a secure context'],
    psk: [
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        isText((value as { identity?: unknown }).identity) &&
        isBytes((value as { key?: unknown }).key),
      '{ identity: string, key: Uint8Array }',
    ],
    ciphers: text,
    minVersion: tlsVersion,
    maxVersion: tlsVersion,
    checkServerIdentity: callback,
  } satisfies Record<keyof TlsOptions, Rule>,
  websocket: {
    headers: [
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        Object.values(value).every((one) => typeof one === 'string'),
      'a record of strings',
    ],
    protocols: [(value) => isText(value) || isTextList(value), 'a string or a list of strings'],
    implementation: [isFunction, 'a WebSocket constructor'],
  } satisfies Record<keyof WebSocketOptions, Rule>,
}

/**
 * Checks the options of sockets, TLS and WebSocket. Values are never repeated in errors: they may be secrets.
 *
 * @throws OptionsError for unknown keys and wrong types
 */
export function checkTransportOptions(options: TransportOptions): void {
  for (const group of ['socket', 'tls', 'websocket'] as const) {
    const given: unknown = options[group]
    if (given === undefined) continue
    if (typeof given !== 'object' || given === null) throw wrong(group, 'an object', given)
    for (const [key, value] of Object.entries(given)) {
      const path = `${group}.${key}`
      const rule = Object.hasOwn(rules[group], key) ? rules[group][key] : undefined
      if (rule === undefined) {
        const expected = `one of ${Object.keys(rules[group]).join(', ')}`
        throw new OptionsError(`${path}: unknown option; expected ${expected}`, {
          path,
          expected,
          received: key,
        })
      }
      if (value !== undefined && !rule[0](value)) throw wrong(path, rule[1], value)
    }
  }
}

function wrong(path: string, expected: string, value: unknown): OptionsError {
  const received = value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
  return new OptionsError(`${path}: expected ${expected}, got ${received}`, { path, expected, received })
}

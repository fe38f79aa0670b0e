import { unixEndpoint } from './unix-endpoint.ts'
import { credentials, decode, endpointError } from './url-parts.ts'

/** How bytes travel: `tcp`, `tls`, WebSocket without and with TLS, a Unix domain socket. */
export type EndpointKind = 'tcp' | 'tls' | 'ws' | 'wss' | 'unix'

/** Where a server is, read from a URL. */
export interface Endpoint {
  readonly kind: EndpointKind
  /** Without brackets for IPv6; empty for a Unix socket. */
  readonly host: string
  readonly port: number
  /** Unix: the socket's path. WebSocket: the path of the URL, at least `/`. */
  readonly path: string
  /** Of the URL, with its `?`; may hold secrets. Empty when there is none. */
  readonly query: string
  readonly username: string | undefined
  readonly password: string | undefined
  /** Host and port are to be asked for in DNS (SRV records). */
  readonly srv: boolean
  /** For messages: `mqtt://host:1883`, without credentials and query. */
  readonly description: string
}

interface Scheme {
  readonly kind: EndpointKind
  readonly port: number
  /** One name per kind in descriptions. */
  readonly name: string
  readonly srv?: true
}

const tcp: Scheme = { kind: 'tcp', port: 1883, name: 'mqtt' }
const tls: Scheme = { kind: 'tls', port: 8883, name: 'mqtts' }
const unix: Scheme = { kind: 'unix', port: 0, name: 'unix' }

const schemes: Readonly<Record<string, Scheme>> = {
  mqtt: tcp,
  tcp,
  mqtts: tls,
  ssl: tls,
  tls,
  ws: { kind: 'ws', port: 80, name: 'ws' },
  wss: { kind: 'wss', port: 443, name: 'wss' },
  unix,
  'mqtt+unix': unix,
  'mqtt+srv': { kind: 'tcp', port: 0, name: 'mqtt+srv', srv: true },
  'mqtts+srv': { kind: 'tls', port: 0, name: 'mqtts+srv', srv: true },
}

/**
 * Reads a URL: `mqtt:` and `tcp:` (port 1883), `mqtts:`, `ssl:` and `tls:` (8883), `ws:` (80), `wss:` (443),
 * `unix:/path` and `mqtt+unix:///path`, `mqtt+srv:` and `mqtts+srv:` (DNS decides). User, password, path and query are
 * taken from it, percent-decoded but for WebSocket's path and query.
 *
 * @param path where it was given, for the error
 * @throws OptionsError whose message repeats neither credentials nor query
 */
export function parseEndpoint(url: string | URL, path = 'url'): Endpoint {
  return parseServer(url, path)[0]
}

/** As `parseEndpoint`, in a list. */
export function parseServer(url: string | URL, path = 'url'): readonly [Endpoint] {
  const text = typeof url === 'string' ? url.trim() : url instanceof URL ? url.href : undefined
  if (text === undefined) throw endpointError(path, `is a ${typeof url}`, `a ${typeof url}`)
  if (text === latest?.text) return latest.server
  const name = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  if (name === undefined) throw endpointError(path, 'has no scheme', text)
  const scheme = Object.hasOwn(schemes, name) ? schemes[name] : undefined
  // "localhost:1883" reads as a scheme of its own.
  if (scheme === undefined) throw endpointError(path, `has the unknown scheme "${name}:"`, text)
  const server = [
    scheme.kind === 'unix' ? unixEndpoint(text, path) : networkEndpoint(text, scheme, path),
  ] as const
  if (!/[@?]/.test(text)) latest = { text, server }
  return server
}

/** The URL that was read last, unless it may hold secrets: thousands of clients of one server have its endpoint once. */
let latest: { readonly text: string; readonly server: readonly [Endpoint] } | undefined

/**
 * The endpoint that a Server Reference (of a CONNACK or DISCONNECT with 0x9C or 0x9D) names: `host`, `host:port` or a
 * URL; what it leaves open is as in the endpoint that gave it. Several references, separated by spaces, give the first. MQTT 5.0 §4.11
 *
 * @throws OptionsError when it can not be understood, or would lead out of encryption, or from elsewhere to this machine
 */
export function parseServerReference(reference: string, from: Endpoint): Endpoint {
  const first = reference.trim().split(/\s+/)[0] ?? ''
  const name = from.kind === 'tcp' ? 'mqtt' : from.kind === 'tls' ? 'mqtts' : from.kind
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(first)
  if (from.kind === 'unix') return parseEndpoint(isUrl ? first : `unix:${first}`, 'serverReference')
  // A bare IPv6 address has colons that are no port.
  const host = !first.startsWith('[') && first.split(':').length > 2 ? `[${first}]` : first
  const found = parseEndpoint(isUrl ? first : `${name}://${host}`, 'serverReference')
  // No server may talk us out of encryption, and what is on this machine is no business of one elsewhere.
  if (found.kind === 'unix' || (isEncrypted(from) && !isEncrypted(found)))
    throw endpointError('serverReference', 'is not to be followed', first)
  return {
    ...found,
    ...(isUrl || found.kind !== from.kind ? {} : { path: from.path, query: from.query }),
    username: found.username ?? from.username,
    password: found.password ?? from.password,
  }
}

function isEncrypted({ kind }: Endpoint): boolean {
  return kind === 'tls' || kind === 'wss'
}

/** The same endpoint at another host and port, as SRV records give them. */
export function endpointAt(endpoint: Endpoint, host: string, port: number): Endpoint {
  const name = endpoint.kind === 'tcp' ? 'mqtt' : 'mqtts'
  return { ...endpoint, host, port, srv: false, description: `${name}://${bracketed(host)}:${port}` }
}

/** The URL for a WebSocket constructor: without credentials, which go into CONNECT. */
export function webSocketUrl(endpoint: Endpoint): string {
  return `${endpoint.kind}://${bracketed(endpoint.host)}:${endpoint.port}${endpoint.path}${endpoint.query}`
}

function networkEndpoint(text: string, scheme: Scheme, path: string): Endpoint {
  if (!/^[^:]+:\/\//.test(text)) throw endpointError(path, 'lacks "//" after its scheme', text)
  const isWeb = scheme.kind === 'ws' || scheme.kind === 'wss'
  let url: URL | undefined
  try {
    // WHATWG parses the schemes it knows in its own way (default ports vanish, backslashes turn): use one it does not know.
    url = new URL(text.replace(/^[^:]+:/, 'mqtt:'))
  } catch {}
  const host = url && unbracketed(decode(url.hostname, path, text))
  // "mqtt://user:1/2@host" is a URL whose host is "user".
  if (!url || !host || /[\s/@?#\\]/.test(host) || (!isWeb && url.pathname.includes('@'))) {
    const fault = 'is no valid URL (after "//" a host is expected; "/" in a password is written %2F)'
    throw endpointError(path, fault, text)
  }
  const port = url.port === '' ? scheme.port : Number(url.port)
  if (scheme.srv && url.port !== '') throw endpointError(path, 'has a port, but DNS is to give it', text)
  if (!scheme.srv && port === 0) throw endpointError(path, 'has port 0', text)
  const webPath = url.pathname === '' ? '/' : url.pathname
  const place = scheme.srv ? host : `${bracketed(host)}:${port}${isWeb && webPath !== '/' ? webPath : ''}`
  return Object.freeze({
    kind: scheme.kind,
    host,
    port,
    path: isWeb ? webPath : '',
    query: url.search,
    ...credentials(url.username, url.password, path, text),
    srv: scheme.srv === true,
    description: `${scheme.name}://${place}`,
  })
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

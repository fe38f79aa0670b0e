import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import process from 'node:process'
import { MqttError } from '../errors.ts'
import type { Endpoint, EndpointKind } from '../transport/endpoint.ts'
import { openTransport } from '../transport/open.ts'
import type { TransportOptions } from '../transport/settings.ts'
import type { TransportFactory } from '../transport/transport.ts'
import { MQTTProtocolVersion } from './enums.ts'
import { WebsocketConnectionError } from './errors.ts'
import type { HTTPHeader, ProxySettings, Settings } from './settings.ts'
import { HTTP, SOCKS4, SOCKS5 } from './socks.ts'

/** URL schemes of the core for the kinds of proxy; the proxy looks names up. */
const PROXY_SCHEMES: Readonly<Record<number, string>> = {
  [SOCKS4]: 'socks4a',
  [SOCKS5]: 'socks5h',
  [HTTP]: 'http',
}

/** Codes with which a WebSocket handshake fails once there is a connection: no HTTP, cut off, or no answer in time. */
const HANDSHAKE_CODES = /^(?:HPE_|WS_|ECONNRESET$|ETIMEDOUT$)/

/** Headers that the handshake itself is made of. */
const HANDSHAKE = new Set([
  'upgrade',
  'connection',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
])

/** How to open a connection as the program has set it, within the times that Paho allows. */
export function transportFactory(settings: Settings): TransportFactory {
  const { transport, host, port, keepalive, connectTimeout } = settings
  const secure = settings.tls.isConfigured
  const kind: EndpointKind =
    transport === 'unix'
      ? 'unix'
      : transport === 'websockets'
        ? secure
          ? 'wss'
          : 'ws'
        : secure
          ? 'tls'
          : 'tcp'
  // The handshakes of TLS and WebSocket have a keepalive each.
  const handshakes = Number(secure) + Number(transport === 'websockets')
  const seconds = connectTimeout + handshakes * (keepalive > 0 ? keepalive : connectTimeout)
  return async ({ signal, handler }) => {
    const timeout = new AbortController()
    const timer = setTimeout(
      () => timeout.abort(timedOut(host, port)),
      Math.min(seconds * 1000, 2_147_483_647),
    )
    try {
      const proxy = transport === 'unix' ? undefined : (settings.proxy ?? environmentProxy(host))
      const resolved = proxy !== undefined && proxy.proxy_rdns === false && isIP(host) === 0
      const target = resolved ? (await lookup(host)).address : host
      const endpoint: Endpoint = {
        kind,
        host: kind === 'unix' ? '' : target,
        port: kind === 'unix' ? 0 : port,
        ...pathAndQuery(settings),
        username: undefined,
        password: undefined,
        srv: false,
        description: kind === 'unix' ? `unix:${host}` : `${host}:${port}`,
      }
      const options = transportOptions(settings, proxy)
      const open = openTransport(
        endpoint,
        resolved ? { ...options, tls: { servername: host, ...options.tls } } : options,
      )
      return await open({ signal: AbortSignal.any([signal, timeout.signal]), handler })
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What a failed attempt is to reject with: Node's own error, or a `WebsocketConnectionError`. */
export function networkError(error: unknown, settings: Settings): unknown {
  let cause = error
  while (cause instanceof MqttError && cause.cause !== undefined) cause = cause.cause
  const { code } = cause as { code?: unknown }
  const isNetworks = typeof code === 'string' && !(cause instanceof MqttError) && !HANDSHAKE_CODES.test(code)
  if (settings.transport !== 'websockets' || isNetworks) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  return new WebsocketConnectionError(`WebSocket handshake error${handshakeFault(text)}`, { cause: error })
}

/** What `ws` says, in the words of Paho. */
function handshakeFault(text: string): string {
  if (/Sec-WebSocket-Accept/i.test(text)) return ', invalid secret key'
  if (/Invalid Upgrade header|Unexpected server response: 101/i.test(text)) return ', connection not upgraded'
  return ''
}

function transportOptions(settings: Settings, proxy: ProxySettings | undefined): TransportOptions {
  const { bindAddress, bindPort } = settings
  const tls = settings.tls.options
  return {
    socket: {
      ...(bindAddress === '' ? {} : { localAddress: bindAddress }),
      ...(bindPort === 0 ? {} : { localPort: bindPort }),
    },
    ...(tls === undefined ? {} : { tls }),
    ...(settings.transport === 'websockets' ? { websocket: websocketOptions(settings) } : {}),
    ...(proxy === undefined ? {} : { proxy: proxyUrl(proxy) }),
    protocolVersion: settings.protocol === MQTTProtocolVersion.MQTTv31 ? 4 : settings.protocol,
  }
}

function pathAndQuery(settings: Settings): { path: string; query: string } {
  if (settings.transport === 'unix') return { path: settings.host, query: '' }
  const [path = '/', ...query] = settings.websocketPath.split('?')
  return { path, query: query.length === 0 ? '' : `?${query.join('?')}` }
}

function websocketOptions(settings: Settings): NonNullable<TransportOptions['websocket']> {
  const { websocketHeaders, host, port } = settings
  const secure = settings.tls.isConfigured
  const authority = port === (secure ? 443 : 80) ? host : `${host}:${port}`
  const standard: HTTPHeader = {
    Host: authority,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    Origin: `${secure ? 'https' : 'http'}://${authority}`,
    'Sec-WebSocket-Key': '',
    'Sec-Websocket-Version': '13',
    'Sec-Websocket-Protocol': 'mqtt',
  }
  const all =
    typeof websocketHeaders === 'function'
      ? websocketHeaders({ ...standard })
      : { ...standard, ...websocketHeaders }
  const protocol = Object.entries(all).find(([name]) => name.toLowerCase() === 'sec-websocket-protocol')?.[1]
  return {
    headers: Object.fromEntries(Object.entries(all).filter(([name]) => !HANDSHAKE.has(name.toLowerCase()))),
    protocols: protocol === undefined ? [] : protocol.split(/\s*,\s*/),
  }
}

function proxyUrl(proxy: ProxySettings): string {
  const { proxy_type, proxy_addr, proxy_username = '', proxy_password = '' } = proxy
  const port = proxy.proxy_port ?? (proxy_type === HTTP ? 8080 : 1080)
  const user = encodeURIComponent(proxy_username)
  const credentials =
    user === '' && proxy_password === '' ? '' : `${user}:${encodeURIComponent(proxy_password)}@`
  const host = isIP(proxy_addr) === 6 ? `[${proxy_addr}]` : proxy_addr
  return `${PROXY_SCHEMES[proxy_type]}://${credentials}${host}:${port}`
}

/** `mqtt_proxy` of the environment, unless `no_proxy` names the host. */
function environmentProxy(host: string): ProxySettings | undefined {
  const { mqtt_proxy, no_proxy = '' } = process.env
  if (mqtt_proxy === undefined || mqtt_proxy === '') return undefined
  const exempt = no_proxy.split(',').map((name) => name.trim().replace(/^\./, ''))
  if (exempt.some((name) => name === '*' || (name !== '' && (host === name || host.endsWith(`.${name}`)))))
    return undefined
  const url = new URL(mqtt_proxy)
  if (url.protocol !== 'http:' && url.protocol !== 'socks:') return undefined
  return {
    proxy_type: url.protocol === 'http:' ? HTTP : SOCKS5,
    proxy_addr: url.hostname,
    ...(url.port === '' ? {} : { proxy_port: Number(url.port) }),
    ...(url.username === '' ? {} : { proxy_username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { proxy_password: decodeURIComponent(url.password) }),
  }
}

function timedOut(host: string, port: number): Error {
  const error: NodeJS.ErrnoException = new Error(`connect ETIMEDOUT ${host}:${port}`)
  error.code = 'ETIMEDOUT'
  return error
}

import { request } from 'node:http'
import type { Socket } from 'node:net'
import { ConnectError, MqttError, OptionsError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { onAbort, reasonOf } from './opening.ts'
import type { TransportOptions } from './settings.ts'
import { connectTcp } from './tcp.ts'
import { redactUrl } from './url-parts.ts'

const PROXY_PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'socks4:': 1080,
  'socks4a:': 1080,
  'socks5:': 1080,
  'socks5h:': 1080,
  'socks:': 1080,
}

/** A proxy, read from its URL. */
export interface ProxyAddress {
  readonly protocol: string
  readonly host: string
  readonly port: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** Without credentials. */
  readonly description: string
}

/** @throws OptionsError whose message does not repeat the credentials */
export function parseProxy(proxy: string | URL): ProxyAddress {
  const text = String(proxy)
  const expected = 'a URL with http:, https:, socks4:, socks4a:, socks5: or socks5h:'
  const wrong = (): OptionsError => {
    const received = redactUrl(text)
    return new OptionsError(`proxy: expected ${expected}, but got ${received}`, {
      path: 'proxy',
      expected,
      received,
    })
  }
  try {
    const url = new URL(text)
    const port = PROXY_PORTS[url.protocol]
    const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
    if (port === undefined || host === '') throw wrong()
    return {
      protocol: url.protocol,
      host,
      port: url.port === '' ? port : Number(url.port),
      username: url.username === '' ? undefined : decodeURIComponent(url.username),
      password: url.password === '' ? undefined : decodeURIComponent(url.password),
      description: `${url.protocol}//${url.hostname}:${url.port === '' ? port : url.port}`,
    }
  } catch {
    throw wrong()
  }
}

/** A socket that leads to the endpoint through a proxy. Names are resolved by the proxy. */
export async function connectThroughProxy(
  endpoint: Pick<Endpoint, 'host' | 'port'>,
  proxy: string | URL,
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const address = parseProxy(proxy)
  if (address.protocol.startsWith('socks')) await (await import('./socks.ts')).loadSocks()
  signal.throwIfAborted()
  let socket: Socket
  try {
    socket = await connectTcp({ kind: 'tcp', path: '', ...address }, options.socket ?? {}, signal)
  } catch (error) {
    if (signal.aborted) throw error
    throw new ConnectError(
      `Could not connect to the proxy ${address.description}: ${(error as Error).message}`,
      {
        cause: error,
      },
    )
  }
  try {
    if (address.protocol === 'http:') return await httpTunnel(socket, endpoint, address, signal)
    if (address.protocol === 'https:') {
      const { secureSocket } = await import('./tls.ts')
      // The proxy's name, not the server's, and no certificate of the user's to a third party; but the same trust.
      const { ca, rejectUnauthorized } = options.tls ?? {}
      const secured = await secureSocket(
        socket,
        { kind: 'wss', ...address },
        { ca, rejectUnauthorized },
        signal,
      )
      return await httpTunnel(secured, endpoint, address, signal)
    }
    const { socksTunnel } = await import('./socks.ts')
    return await socksTunnel(socket, endpoint, address, signal)
  } catch (error) {
    socket.destroy()
    if (signal.aborted || error instanceof MqttError) throw error
    throw new ConnectError(`The proxy ${address.description} failed: ${reasonOf(error)}`, { cause: error })
  }
}

/** Asks an HTTP proxy for a tunnel on a socket that is connected to it. */
function httpTunnel(
  socket: Socket,
  endpoint: Pick<Endpoint, 'host' | 'port'>,
  proxy: ProxyAddress,
  signal: AbortSignal,
): Promise<Socket> {
  const target = `${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`
  const headers: Record<string, string> = { host: target }
  if (proxy.username !== undefined || proxy.password !== undefined) {
    const secret = Buffer.from(`${proxy.username ?? ''}:${proxy.password ?? ''}`).toString('base64')
    headers['proxy-authorization'] = `Basic ${secret}`
  }
  return new Promise((resolve, reject) => {
    const call = request({ method: 'CONNECT', path: target, headers, createConnection: () => socket })
    const unlisten = onAbort(signal, () => call.destroy())
    const fail = (error: unknown): void => {
      unlisten()
      call.destroy()
      reject(signal.aborted ? signal.reason : error)
    }
    const refuse = (status: number | undefined): void => {
      const wants = status === 407 ? ' (it wants a user and password: http://user:password@host)' : ''
      fail(
        new ConnectError(
          `The proxy ${proxy.description} refused a tunnel to ${target} with ${status}${wants}`,
        ),
      )
    }
    call.once('connect', (response, tunnel, head) => {
      const status = response.statusCode ?? 0
      if (status < 200 || status > 299) {
        refuse(status)
        return
      }
      unlisten()
      if (head.length > 0) tunnel.unshift(head)
      resolve(tunnel as Socket)
    })
    call.once('response', (response) => refuse(response.statusCode))
    call.once('error', fail)
    call.once('close', () => fail(new ConnectError(`The proxy ${proxy.description} closed the connection`)))
    call.end()
  })
}

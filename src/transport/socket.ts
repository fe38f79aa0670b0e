import type { Socket } from 'node:net'
import type { Endpoint } from './endpoint.ts'
import type { TransportOptions } from './settings.ts'
import { SocketTransport } from './socket-transport.ts'
import { connectTcp } from './tcp.ts'
import type { OpenContext, Transport } from './transport.ts'

/** TCP, TLS and Unix sockets, directly or through a proxy. */
export function openSocket(
  endpoint: Endpoint,
  options: TransportOptions,
  { signal, handler }: OpenContext,
): Promise<Transport> {
  return connectSocket(endpoint, options, signal).then(
    (socket) => new SocketTransport(socket, endpoint.description, handler),
  )
}

/** The connected socket, secured when the endpoint asks for it. Also what WebSockets run on. */
export function connectSocket(
  endpoint: Endpoint,
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const { proxy } = options
  const socket =
    proxy === undefined || endpoint.kind === 'unix'
      ? connectTcp(endpoint, options.socket ?? {}, signal)
      : connectProxied(endpoint, proxy, options, signal)
  return endpoint.kind === 'tls' || endpoint.kind === 'wss'
    ? secured(socket, endpoint, options, signal)
    : socket
}

async function connectProxied(
  endpoint: Endpoint,
  proxy: string | URL,
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const { connectThroughProxy } = await import('./proxy.ts')
  return connectThroughProxy(endpoint, proxy, options, signal)
}

async function secured(
  socket: Promise<Socket>,
  endpoint: Endpoint,
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const plain = await socket
  const { secureSocket } = await import('./tls.ts')
  return secureSocket(plain, endpoint, options.tls ?? {}, signal)
}

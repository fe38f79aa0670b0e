import type { Socket } from 'node:net'
import type { Endpoint } from './endpoint.ts'
import type { TransportOptions } from './settings.ts'
import { SocketTransport } from './socket-transport.ts'
import { connectTcp } from './tcp.ts'
import type { OpenContext, Transport } from './transport.ts'

/** TCP, TLS and Unix sockets, directly or through a proxy. */
export async function openSocket(
  endpoint: Endpoint,
  options: TransportOptions,
  context: OpenContext,
): Promise<Transport> {
  const socket = await connectSocket(endpoint, options, context.signal)
  return new SocketTransport(socket, endpoint.description, context.handler)
}

/** The connected socket, secured when the endpoint asks for it. Also what WebSockets run on. */
export async function connectSocket(
  endpoint: Endpoint,
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = await connectPlain(endpoint, options, signal)
  if (endpoint.kind !== 'tls' && endpoint.kind !== 'wss') return socket
  const { secureSocket } = await import('./tls.ts')
  return secureSocket(socket, endpoint, options.tls ?? {}, signal)
}

async function connectPlain(
  endpoint: Endpoint,
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket> {
  if (options.proxy === undefined || endpoint.kind === 'unix')
    return connectTcp(endpoint, options.socket ?? {}, signal)
  const { connectThroughProxy } = await import('./proxy.ts')
  return connectThroughProxy(endpoint, options.proxy, options, signal)
}

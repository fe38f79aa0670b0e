import { connect, type Socket, type TcpSocketConnectOpts } from 'node:net'
import { wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import type { SocketOptions } from './settings.ts'

/**
 * Connects to a host, or to a Unix socket when the endpoint is one. Rejects with the network's own error; throws the reason of a
 * signal that has been aborted.
 */
export function connectTcp(
  endpoint: Pick<Endpoint, 'kind' | 'host' | 'port' | 'path'>,
  options: SocketOptions,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted()
  if (endpoint.kind === 'unix') checkSocketPath(endpoint.path)
  const socket =
    endpoint.kind === 'unix' ? connect({ path: endpoint.path }) : connect(target(endpoint, options))
  return socketEvent(socket, 'connect', signal)
}

function target(
  { host, port }: Pick<Endpoint, 'host' | 'port'>,
  options: SocketOptions,
): TcpSocketConnectOpts {
  const { noDelay = true, keepAlive = false, family = 0, localAddress, localPort, lookup } = options
  const target: TcpSocketConnectOpts = { host, port, noDelay, keepAlive, family }
  if (localAddress !== undefined) target.localAddress = localAddress
  if (localPort !== undefined) target.localPort = localPort
  if (lookup !== undefined) target.lookup = lookup as NonNullable<TcpSocketConnectOpts['lookup']>
  return target
}

/** Node cuts a longer path, and would connect to whatever is there. */
function checkSocketPath(path: string): void {
  const limit = { linux: 107, darwin: 103 }[process.platform as string]
  const length = Buffer.byteLength(path)
  if (limit === undefined || length <= limit) return
  throw wrongOption(
    'url',
    `the path of a socket of ${limit} bytes at most, the system's limit`,
    `${length} bytes`,
  )
}

/**
 * Waits for the event that makes a socket usable. Whatever else comes first (an error, its end, the signal) destroys
 * the socket and rejects. Errors are silent from then on: `errorOf` tells the first.
 */
export function socketEvent(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      signal.removeEventListener('abort', aborted)
      socket.off(event, ready)
      socket.off('close', closed)
    }
    const ready = (): void => {
      over()
      resolve(socket)
    }
    const closed = (): void => {
      over()
      reject(closedError(socket))
    }
    const aborted = (): void => {
      over()
      socket.destroy()
      reject(signal.reason)
    }
    socket.on('error', keepError)
    socket.on(event, ready)
    socket.on('close', closed)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted)
  })
}

/** Why a socket that is closed never became usable. */
export function closedError(socket: Socket): Error {
  const message = 'the connection was closed before it was ready'
  return errorOf(socket) ?? Object.assign(new Error(message), { code: 'ECONNRESET' })
}

/** The first error of a socket that `socketEvent` has waited for. `errored` alone lacks the alerts of TLS. */
export function errorOf(socket: Socket): Error | undefined {
  return (socket as FailedSocket)[FIRST_ERROR] ?? socket.errored ?? undefined
}

const FIRST_ERROR: unique symbol = Symbol('first error')

type FailedSocket = Socket & { [FIRST_ERROR]?: Error }

/** Not a closure of the waiting, which would keep its signal for as long as the socket lives. */
function keepError(this: FailedSocket, error: Error): void {
  this[FIRST_ERROR] ??= error
}

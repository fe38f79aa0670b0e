import { connect, type Socket, type TcpSocketConnectOpts } from 'node:net'
import { wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { onAbort } from './opening.ts'
import type { SocketOptions } from './settings.ts'

/** Connects to a host, or to a Unix socket when the endpoint is one. Rejects with the network's own error. */
export async function connectTcp(
  endpoint: Pick<Endpoint, 'kind' | 'host' | 'port' | 'path'>,
  options: SocketOptions,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted()
  if (endpoint.kind === 'unix') checkSocketPath(endpoint.path)
  const socket =
    endpoint.kind === 'unix'
      ? connect({ path: endpoint.path })
      : connect({
          host: endpoint.host,
          port: endpoint.port,
          noDelay: options.noDelay ?? true,
          keepAlive: options.keepAlive ?? false,
          family: options.family ?? 0,
          ...(options.localAddress !== undefined && { localAddress: options.localAddress }),
          ...(options.localPort !== undefined && { localPort: options.localPort }),
          ...(options.lookup !== undefined && {
            lookup: options.lookup as NonNullable<TcpSocketConnectOpts['lookup']>,
          }),
        })
  await socketEvent(socket, 'connect', signal)
  return socket
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
 * the socket and rejects. Afterwards errors are silent until someone listens: `socket.errored` keeps them.
 */
export function socketEvent(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let unlisten = (): void => {}
    const settle = (outcome: () => void): void => {
      unlisten()
      socket.off(event, ready)
      socket.off('close', closed)
      outcome()
    }
    const ready = (): void => settle(resolve)
    const closed = (): void => {
      settle(() => reject(closedError(socket)))
    }
    socket.on('error', ignore)
    socket.once(event, ready)
    socket.once('close', closed)
    unlisten = onAbort(signal, () => {
      socket.destroy()
      settle(() => reject(signal.reason))
    })
  })
}

/** Why a socket that is closed never became usable. */
export function closedError(socket: Socket): Error {
  const message = 'the connection was closed before it was ready'
  return socket.errored ?? Object.assign(new Error(message), { code: 'ECONNRESET' })
}

/** Not a closure of the waiting, which would keep its signal for as long as the socket lives. */
function ignore(): void {}

import type { Socket } from 'node:net'
import { ConnectError, OptionsError, wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { onAbort, reasonOf } from './opening.ts'
import type { ProxyAddress } from './proxy.ts'

/** The client has its own deadline for the whole of connecting; that of the package is put out of the way. */
const NEVER_MS = 2_147_483_647

/** Asks a SOCKS proxy for a tunnel on a socket that is connected to it. */
export async function socksTunnel(
  socket: Socket,
  endpoint: Pick<Endpoint, 'host' | 'port'>,
  proxy: ProxyAddress,
  signal: AbortSignal,
): Promise<Socket> {
  const { SocksClient } = await loadSocks()
  signal.throwIfAborted()
  checkLengths({ user: proxy.username, password: proxy.password, host: endpoint.host })
  const unlisten = onAbort(signal, () => socket.destroy())
  try {
    await SocksClient.createConnection({
      command: 'connect',
      destination: { host: endpoint.host, port: endpoint.port },
      existing_socket: socket,
      timeout: NEVER_MS,
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: proxy.protocol.startsWith('socks4') ? 4 : 5,
        ...(proxy.username !== undefined && { userId: proxy.username }),
        ...(proxy.password !== undefined && { password: proxy.password }),
      },
    })
    return socket
  } catch (error) {
    if (signal.aborted) throw signal.reason
    // The package's error carries its options, password included: only its words are passed on.
    throw new ConnectError(
      `The proxy ${proxy.description} gave no way to ${endpoint.host}: ${reasonOf(error)}`,
    )
  } finally {
    unlisten()
  }
}

/** SOCKS counts in one byte; the package would throw where nobody catches it. RFC 1928, 1929 */
function checkLengths(texts: Readonly<Record<string, string | undefined>>): void {
  for (const [name, text = ''] of Object.entries(texts)) {
    const length = Buffer.byteLength(text)
    if (length > 255)
      throw wrongOption('proxy', `a ${name} of 255 bytes at most, which SOCKS can carry`, `${length}`)
  }
}

/** The optional package. To be asked for before anything is opened, so that it is missed at once. */
export async function loadSocks(): Promise<typeof import('socks')> {
  try {
    return await import('socks')
  } catch (error) {
    throw new OptionsError(
      'proxy: SOCKS proxies need the package "socks", which is not installed: npm install socks',
      { path: 'proxy', expected: 'the package "socks"', cause: error },
    )
  }
}

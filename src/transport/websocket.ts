import { ConnectError, wrongOption } from '../errors.ts'
import { type Endpoint, webSocketUrl } from './endpoint.ts'
import { onAbort } from './opening.ts'
import type { TransportOptions, WebSocketConstructor, WebSocketOptions } from './settings.ts'
import type { OpenContext, Transport } from './transport.ts'
import { type WebSocketFace, WebSocketTransport } from './websocket-transport.ts'

/** Opens a WebSocket with a constructor that has the face of the browser's. */
export async function openWebSocket(
  endpoint: Endpoint,
  options: TransportOptions,
  implementation: WebSocketConstructor,
  context: OpenContext,
): Promise<Transport> {
  context.signal.throwIfAborted()
  const { headers } = options.websocket ?? {}
  const protocols = subprotocols(options.websocket, options.protocolVersion)
  const url = webSocketUrl(endpoint)
  const socket = (
    headers === undefined
      ? new implementation(url, protocols)
      : new implementation(url, protocols, { headers })
  ) as WebSocketFace
  // A browser would otherwise hand over blobs, which can only be read asynchronously.
  socket.binaryType = 'arraybuffer'
  return webSocketOpened(socket, context.signal, endpoint.description, () => {
    return new WebSocketTransport(socket, endpoint.description, context.handler)
  })
}

/** MQTT 5.0 §6 [MQTT-6.0.0-3]: "mqtt"; MQTT 3.1 used a name of its own. */
export function subprotocols(
  options: WebSocketOptions | undefined,
  version: 3 | 4 | 5 | undefined,
): string[] {
  const { protocols = version === 3 ? 'mqttv3.1' : 'mqtt' } = options ?? {}
  return typeof protocols === 'string' ? [protocols] : [...protocols]
}

/**
 * Waits until a WebSocket is open and makes the transport in the very event, so that no message slips by. An error,
 * a close or the signal rejects and leaves nothing open.
 */
export function webSocketOpened(
  socket: WebSocketFace,
  signal: AbortSignal,
  description: string,
  make: () => Transport,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    let failure: unknown
    let unlisten = (): void => {}
    const settle = (outcome: () => void): void => {
      unlisten()
      socket.removeEventListener('open', opened)
      socket.removeEventListener('close', closed)
      socket.removeEventListener('error', failed)
      outcome()
    }
    const opened = (): void => settle(() => resolve(make()))
    const failed = (event: { readonly error?: unknown; readonly message?: string }): void => {
      failure = event.error ?? (event.message ? new Error(event.message) : undefined)
    }
    // Follows every error. Browsers tell no script why: not even whether the server was there.
    const closed = (event: { readonly code?: number; readonly reason?: string }): void => {
      const words = failure === undefined ? closeWords(event) : (failure as Error).message
      settle(() =>
        reject(new ConnectError(`Could not connect to ${description}: ${words}`, { cause: failure })),
      )
    }
    socket.addEventListener('open', opened)
    socket.addEventListener('close', closed)
    socket.addEventListener('error', failed)
    unlisten = onAbort(signal, () => {
      // `ws` reports an aborted handshake as an error, which would be thrown if nobody listened.
      socket.addEventListener('error', () => {})
      settle(() => reject(signal.reason))
      socket.close()
    })
  })
}

function closeWords({ code, reason }: { readonly code?: number; readonly reason?: string }): string {
  return `the WebSocket was not opened (code ${code ?? 'none'}${reason ? `: ${reason}` : ''})`
}

/** Browsers set the headers of a WebSocket themselves. */
export function refuseHeaders(options: WebSocketOptions | undefined): void {
  if (options?.headers === undefined || Object.keys(options.headers).length === 0) return
  throw wrongOption('websocket.headers', 'no headers: the WebSocket of browsers can not send them')
}

import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { ConnectError, wrongOption } from '../errors.ts'
import { type Endpoint, webSocketUrl } from './endpoint.ts'
import { reasonOf } from './opening.ts'
import type { TransportOptions } from './settings.ts'
import { connectSocket } from './socket.ts'
import type { OpenContext, Transport } from './transport.ts'
import { subprotocols, webSocketOpened } from './websocket.ts'
import { type WebSocketFace, WebSocketTransport } from './websocket-transport.ts'

/** The largest packet that MQTT can express: a fixed header and 268,435,455 bytes. */
const LARGEST_PACKET = 268_435_460
/** A message may hold several packets, so it may be longer than any of them. */
const LEAST_MESSAGE_BOUND = 16 * 1024 * 1024

/** Opens a WebSocket with the package `ws`, over a socket of our own: TLS, proxies and socket options work as for TCP. */
export async function openNodeWebSocket(
  endpoint: Endpoint,
  options: TransportOptions,
  { signal, handler }: OpenContext,
): Promise<Transport> {
  const socket = await connectSocket(endpoint, options, signal)
  try {
    const websocket = upgrade(endpoint, options, socket)
    const face = websocket as unknown as WebSocketFace
    return await webSocketOpened(face, signal, endpoint.description, () => {
      return new WebSocketTransport(face, endpoint.description, handler, {
        cork: () => socket.cork(),
        uncork: () => socket.uncork(),
        pause: () => websocket.pause(),
        resume: () => websocket.resume(),
        terminate: () => websocket.terminate(),
        socket,
      })
    })
  } catch (error) {
    socket.destroy()
    throw signal.aborted ? error : explain(error, endpoint)
  }
}

function upgrade(endpoint: Endpoint, options: TransportOptions, socket: Socket): WebSocket {
  const protocols = subprotocols(options.websocket, options.protocolVersion)
  try {
    const websocket = new WebSocket(webSocketUrl(endpoint), protocols, {
      createConnection: () => socket,
      headers: { ...options.websocket?.headers },
      // MQTT payloads are small or compressed already, and each connection would hold a window of memory.
      perMessageDeflate: false,
      maxPayload: Math.max(options.maximumPacketSize ?? LARGEST_PACKET, LEAST_MESSAGE_BOUND),
    })
    websocket.binaryType = 'nodebuffer'
    return websocket
  } catch (error) {
    // What can not stand in a request: Node and `ws` name it without its value.
    throw wrongOption(
      'websocket',
      'headers and protocols that HTTP allows',
      undefined,
      `${reasonOf(error)}; `,
    )
  }
}

const hints: Readonly<Record<string, string>> = {
  401: 'it wants credentials, in `websocket.headers` or the query of the URL',
  403: 'are the credentials right, in `websocket.headers` or the query of the URL?',
  404: 'is the path of the URL right? Many servers speak MQTT at /mqtt',
}

/** `ws` tells the status alone. */
function explain(error: unknown, endpoint: Endpoint): unknown {
  const status = /^Unexpected server response: (\d+)$/.exec(reasonOf((error as Error).cause))?.[1]
  if (status === undefined) return error
  const hint = hints[status] ?? 'does it speak WebSocket?'
  return new ConnectError(
    `Could not connect to ${endpoint.description}: the server answered the WebSocket upgrade with ${status}; ${hint}`,
    { cause: (error as Error).cause },
  )
}

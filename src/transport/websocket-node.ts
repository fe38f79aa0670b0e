import { WebSocket } from 'ws'
import { type Endpoint, webSocketUrl } from './endpoint.ts'
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
  const websocket = new WebSocket(
    webSocketUrl(endpoint),
    subprotocols(options.websocket, options.protocolVersion),
    {
      createConnection: () => socket,
      headers: { ...options.websocket?.headers },
      // MQTT payloads are small or compressed already, and each connection would hold a window of memory.
      perMessageDeflate: false,
      maxPayload: Math.max(options.maximumPacketSize ?? LARGEST_PACKET, LEAST_MESSAGE_BOUND),
    },
  )
  websocket.binaryType = 'nodebuffer'
  const face = websocket as unknown as WebSocketFace
  try {
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
    throw error
  }
}

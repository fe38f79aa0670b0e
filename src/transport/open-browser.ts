import { OptionsError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { connectError } from './opening.ts'
import type { TransportOptions, WebSocketConstructor } from './settings.ts'
import type { TransportFactory } from './transport.ts'
import { openWebSocket, refuseHeaders } from './websocket.ts'

/** How to connect to an endpoint in a browser: over WebSocket only. Takes the place of open.ts there. */
export function openTransport(endpoint: Endpoint, options: TransportOptions = {}): TransportFactory {
  return async (context) => {
    try {
      if (endpoint.kind !== 'ws' && endpoint.kind !== 'wss') {
        const expected = 'a ws: or wss: URL: browsers have no other way to a server'
        const received = endpoint.description
        throw new OptionsError(`url: expected ${expected}, got ${received}`, {
          path: 'url',
          expected,
          received,
        })
      }
      for (const name of ['tls', 'socket', 'proxy'] as const) {
        if (options[name] === undefined) continue
        const expected = "nothing: in a browser that is the browser's business"
        throw new OptionsError(`${name}: expected ${expected}`, { path: name, expected })
      }
      const given = options.websocket?.implementation
      if (given === undefined) refuseHeaders(options.websocket)
      return await openWebSocket(endpoint, options, given ?? (WebSocket as WebSocketConstructor), context)
    } catch (error) {
      throw connectError(endpoint.description, error, context.signal)
    }
  }
}

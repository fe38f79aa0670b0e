import { wrongOption } from '../errors.ts'
import type { Rule, Rules } from '../option-rules.ts'
import type { Endpoint } from './endpoint.ts'
import { connectError } from './opening.ts'
import type { TransportOptions, WebSocketConstructor } from './settings.ts'
import type { TransportFactory } from './transport.ts'
import { openWebSocket, refuseHeaders } from './websocket.ts'
import { websocketRule } from './websocket-rule.ts'

const nothing: Rule = ["nothing: in a browser that is the browser's business", () => false]

/** Options of connections in a browser. */
export const transportRules: Rules = {
  socket: nothing,
  tls: nothing,
  websocket: websocketRule,
  proxy: nothing,
}

/** Pages can not. That the URL is none for them is told when it is opened. */
export const ASKS_DNS: number = 0

export function resolveService(endpoint: Endpoint, _signal: AbortSignal): Endpoint[] {
  return [endpoint]
}

/** How to connect to an endpoint in a browser: over WebSocket only. Takes the place of open.ts there. */
export function openTransport(endpoint: Endpoint, options: TransportOptions = {}): TransportFactory {
  return async (context) => {
    try {
      if (endpoint.kind !== 'ws' && endpoint.kind !== 'wss') {
        const expected = 'a ws: or wss: URL: browsers have no other way to a server'
        throw wrongOption('url', expected, endpoint.description)
      }
      const given = options.websocket?.implementation
      if (given === undefined) refuseHeaders(options.websocket)
      return await openWebSocket(endpoint, options, given ?? (WebSocket as WebSocketConstructor), context)
    } catch (error) {
      throw connectError(endpoint.description, error, context.signal)
    }
  }
}

import { wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { connectError } from './opening.ts'
import type { TransportOptions } from './settings.ts'
import type { OpenContext, Transport, TransportFactory } from './transport.ts'

export { transportRules } from './transport-rules.ts'

/**
 * How to connect to an endpoint on Node, Bun and Deno. What it takes is loaded when it is first needed. The build for
 * browsers has open-browser.ts in place of this file.
 *
 * The factory rejects with `ConnectError` (its cause is the network's own error), with `OptionsError` for options
 * that can not work, or with the reason of the signal.
 */
export function openTransport(endpoint: Endpoint, options: TransportOptions = {}): TransportFactory {
  return async (context) => {
    try {
      context.signal.throwIfAborted()
      return await openOne(endpoint, options, context)
    } catch (error) {
      throw connectError(endpoint.description, error, context.signal)
    }
  }
}

async function openOne(
  endpoint: Endpoint,
  options: TransportOptions,
  context: OpenContext,
): Promise<Transport> {
  if (endpoint.kind === 'ws' || endpoint.kind === 'wss') {
    if (options.websocket?.implementation !== undefined) {
      // It opens connections of its own: what is asked for here must not be passed over in silence.
      for (const name of endpoint.kind === 'ws' ? (['proxy'] as const) : (['proxy', 'tls'] as const)) {
        if (options[name] !== undefined)
          throw wrongOption(name, 'nothing beside `websocket.implementation`, which connects by itself')
      }
      const { openWebSocket } = await import('./websocket.ts')
      return openWebSocket(endpoint, options, options.websocket.implementation, context)
    }
    const { openNodeWebSocket } = await import('./websocket-node.ts')
    return openNodeWebSocket(endpoint, options, context)
  }
  sockets ??= await import('./socket.ts')
  return sockets.openSocket(endpoint, options, context)
}

/** Kept, since to import it again costs three kilobytes of garbage each time. */
let sockets: typeof import('./socket.ts') | undefined

/** 1: services can be looked for in DNS. A number, so that builds for pages leave out what depends on it. */
export const ASKS_DNS: number = 1

/** The servers that DNS names for a domain, in the order that its records ask for. */
export async function resolveService(endpoint: Endpoint, signal: AbortSignal): Promise<Endpoint[]> {
  try {
    const { resolveServers } = await import('./srv.ts')
    return await resolveServers(endpoint, signal)
  } catch (error) {
    throw connectError(endpoint.description, error, signal)
  }
}

import { ConnectError, wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { connectError, reasonOf } from './opening.ts'
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
      return await (endpoint.srv ? openFirst : openOne)(endpoint, options, context)
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

/** Tries the servers that DNS names for a domain, in the order that their records ask for. */
async function openFirst(
  endpoint: Endpoint,
  options: TransportOptions,
  context: OpenContext,
): Promise<Transport> {
  const { resolveServers } = await import('./srv.ts')
  const errors: unknown[] = []
  const candidates = await resolveServers(endpoint, context.signal)
  for (const candidate of candidates) {
    try {
      return await openOne(candidate, options, context)
    } catch (error) {
      errors.push(connectError(candidate.description, error, context.signal))
      context.signal.throwIfAborted()
    }
  }
  if (errors.length === 1) throw errors[0]
  const cause = new AggregateError(errors)
  throw new ConnectError(`No server of ${endpoint.description} can be reached: ${reasonOf(cause)}`, { cause })
}

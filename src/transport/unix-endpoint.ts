import type { Endpoint } from './endpoint.ts'
import { credentials, decode, endpointError } from './url-parts.ts'

/** `unix:path`, `unix:/path`, `unix:///path`, `unix://user:password@/path`. WHATWG URLs allow no user without a host. */
export function unixEndpoint(text: string, path: string): Endpoint {
  const parts = /^[^:]+:(?:\/\/(?:([^/@]*)@)?([^/]*)(?=\/|$))?([^?#]*)(\?[^#]*)?/.exec(text)
  const host = parts?.[2] ?? ''
  if (host !== '' && host !== 'localhost') {
    throw endpointError(path, `names the host "${host}" (a socket's path was expected: unix:///path)`, text)
  }
  const socketPath = decode(parts?.[3] ?? '', path, text)
  if (socketPath === '' || socketPath === '/') throw endpointError(path, 'has no path of a socket', text)
  const [username = '', ...password] = (parts?.[1] ?? '').split(':')
  return Object.freeze({
    kind: 'unix',
    host: '',
    port: 0,
    path: socketPath,
    query: parts?.[4] ?? '',
    ...credentials(username, password.join(':'), path, text),
    srv: false,
    description: `unix:${socketPath}`,
  })
}

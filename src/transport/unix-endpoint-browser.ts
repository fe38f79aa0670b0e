import { endpointError } from './url-parts.ts'

/** Takes the place of unix-endpoint.ts in browsers. */
export function unixEndpoint(text: string, path: string): never {
  throw endpointError(path, 'names a socket of the machine, which browsers can not reach', text)
}

import { type OptionsError, wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'

const KNOWN = 'mqtt:, tcp:, mqtts:, ssl:, tls:, ws:, wss:, unix:, mqtt+unix:, mqtt+srv: or mqtts+srv:'

/** A URL for messages: no user, no password, no query. A password may have been left unescaped, with slashes in it. */
export function redactUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/*|.*?\/\/|)(?:.*\/.*@.*$|[^/]*@)/is, '$1***@')
    .replace(/[?#].*$/s, '')
    .slice(0, 200)
}

export function credentials(
  username: string,
  password: string,
  path: string,
  text: string,
): Pick<Endpoint, 'username' | 'password'> {
  return {
    username: username === '' ? undefined : decode(username, path, text),
    password: password === '' ? undefined : decode(password, path, text),
  }
}

export function decode(part: string, path: string, text: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw endpointError(path, 'is not properly percent-encoded ("%" itself is written %25)', text)
  }
}

/** @param text - the URL as it was given */
export function endpointError(path: string, fault: string, text: string): OptionsError {
  const received = redactUrl(text)
  return wrongOption(path, `a URL with ${KNOWN}`, received, `${received} ${fault}; `)
}

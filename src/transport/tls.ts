import { isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls'
import { ConnectError, OptionsError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { reasonOf } from './opening.ts'
import type { TlsOptions } from './settings.ts'
import { closedError, socketEvent } from './tcp.ts'

/** Does TLS on a connected socket, which it owns from here on. Certificates are checked unless the options say not to. */
export async function secureSocket(
  socket: Socket,
  endpoint: Pick<Endpoint, 'host' | 'kind' | 'description'>,
  options: TlsOptions,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    signal.throwIfAborted()
    // Closed while nobody listened: TLS on it would wait for ever.
    if (socket.destroyed) throw closedError(socket)
    const secured = connect({ socket, ...connectionOptions(endpoint, options) })
    await socketEvent(secured, 'secureConnect', signal)
    return secured
  } catch (error) {
    socket.destroy()
    throw signal.aborted ? signal.reason : explain(error, endpoint)
  }
}

function connectionOptions(
  endpoint: Pick<Endpoint, 'host' | 'kind'>,
  options: TlsOptions,
): ConnectionOptions {
  const { psk } = options
  return {
    host: endpoint.host,
    // An address may not stand in SNI.
    servername: options.servername ?? (isIP(endpoint.host) === 0 ? endpoint.host : ''),
    secureContext: (options.secureContext as SecureContext | undefined) ?? secureContext(options),
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    ...(endpoint.kind === 'wss'
      ? { ALPNProtocols: ['http/1.1'] }
      : options.ALPNProtocols !== undefined && { ALPNProtocols: [...options.ALPNProtocols] }),
    ...(psk !== undefined && {
      pskCallback: () => ({ identity: psk.identity, psk: psk.key }),
      // The shared key is the server's identity: there is no certificate to check.
      checkServerIdentity: () => undefined,
    }),
    ...(options.checkServerIdentity !== undefined && { checkServerIdentity: options.checkServerIdentity }),
  }
}

function secureContext(options: TlsOptions): SecureContext {
  const { psk } = options
  const ciphers = options.ciphers ?? (psk === undefined ? undefined : 'PSK')
  // Node offers pre-shared keys of the user's own for TLS 1.2 alone.
  const maxVersion = options.maxVersion ?? (psk === undefined ? undefined : 'TLSv1.2')
  try {
    return createSecureContext({
      ...(options.ca !== undefined && { ca: bytesOf(options.ca) }),
      ...(options.cert !== undefined && { cert: bytesOf(options.cert) }),
      ...(options.key !== undefined && { key: bytesOf(options.key) }),
      ...(options.pfx !== undefined && { pfx: Buffer.from(options.pfx) }),
      ...(options.passphrase !== undefined && { passphrase: options.passphrase }),
      ...(ciphers !== undefined && { ciphers }),
      ...(options.minVersion !== undefined && { minVersion: options.minVersion }),
      ...(maxVersion !== undefined && { maxVersion }),
    })
  } catch (error) {
    const expected = 'certificates, keys and ciphers that can be read (is the passphrase right?)'
    throw new OptionsError(`tls: expected ${expected}: ${reasonOf(error)}`, {
      path: 'tls',
      expected,
      cause: error,
    })
  }
}

function bytesOf(
  value: string | Uint8Array | readonly (string | Uint8Array)[],
): string | Buffer | (string | Buffer)[] {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array
    ? Buffer.from(value)
    : value.map((one) => bytesOf(one) as string | Buffer)
}

/** What to do about the codes that OpenSSL and Node give to certificates they do not accept. */
const advice: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed and not trusted; to trust it, pass it in `tls.ca`',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate comes from an authority that is not trusted; pass that in `tls.ca`',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an unknown authority; pass that in `tls.ca`',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an unknown authority; pass that in `tls.ca`',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet (is the clock right?)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name; pass the right one in `tls.servername`',
}

function explain(error: unknown, endpoint: Pick<Endpoint, 'description'>): unknown {
  const code = (error as { code?: unknown }).code
  const words = typeof code === 'string' && Object.hasOwn(advice, code) ? advice[code] : undefined
  if (words === undefined) return error
  return new ConnectError(`Could not connect to ${endpoint.description}: ${words} (${code})`, {
    cause: error,
  })
}

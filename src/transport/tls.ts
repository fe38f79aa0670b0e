import { isIP, type Socket } from 'node:net'
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls'
import { ConnectError, OptionsError, wrongOption } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { checkPair } from './key-pair.ts'
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
    // First of all listeners, so that the others see the better words.
    secured.on('error', reword)
    return await socketEvent(secured, 'secureConnect', signal)
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
      // The shared key is the server's identity. With `ciphers` of the user's own it may be a certificate all the same.
      checkServerIdentity: (host: string, certificate: PeerCertificate) =>
        Object.keys(certificate).length === 0 ? undefined : checkServerIdentity(host, certificate),
    }),
    ...(options.checkServerIdentity !== undefined && {
      checkServerIdentity: withoutThrowing(options.checkServerIdentity),
    }),
  }
}

/** Node calls it where nobody catches what it throws. */
function withoutThrowing(
  check: NonNullable<TlsOptions['checkServerIdentity']>,
): NonNullable<TlsOptions['checkServerIdentity']> {
  return (host, certificate) => {
    try {
      return check(host, certificate)
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }
}

function secureContext(options: TlsOptions): SecureContext {
  const { psk } = options
  // One without the other is no client certificate, and Node says nothing.
  if (options.cert !== undefined && options.key === undefined)
    throw wrongOption('tls.key', 'the private key of `tls.cert`')
  if (options.key !== undefined && options.cert === undefined)
    throw wrongOption('tls.cert', 'the certificate that `tls.key` belongs to')
  const ciphers = options.ciphers ?? (psk === undefined ? undefined : 'PSK')
  // Node offers pre-shared keys of the user's own for TLS 1.2 alone.
  const maxVersion = options.maxVersion ?? (psk === undefined ? undefined : 'TLSv1.2')
  try {
    const context = createSecureContext({
      ...(options.ca !== undefined && { ca: bytesOf(options.ca) }),
      ...(options.cert !== undefined && { cert: bytesOf(options.cert) }),
      ...(options.key !== undefined && { key: bytesOf(options.key) }),
      ...(options.pfx !== undefined && { pfx: Buffer.from(options.pfx) }),
      ...(options.passphrase !== undefined && { passphrase: options.passphrase }),
      ...(ciphers !== undefined && { ciphers }),
      ...(options.minVersion !== undefined && { minVersion: options.minVersion }),
      ...(maxVersion !== undefined && { maxVersion }),
    })
    if (options.cert !== undefined && options.key !== undefined)
      checkPair(options.cert, options.key, options.passphrase)
    return context
  } catch (error) {
    const expected =
      psk === undefined
        ? 'certificates, keys and ciphers that can be read (is the passphrase right?)'
        : 'a runtime that has pre-shared keys (Node; not Bun, not Deno) and ciphers for them'
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

/** What to do about the codes that OpenSSL and Node give when they, or the server, do not accept the other side. */
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
  ECONNRESET: 'the connection was closed during the TLS handshake; does this port speak TLS?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what answers does not speak TLS; is it the port for TLS?',
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: 'no version of TLS is left between `tls.minVersion` and `tls.maxVersion`',
  // In the words of Bun and of Deno.
  ERR_SSL_NO_SUPPORTED_VERSIONS_ENABLED:
    'no version of TLS is left between `tls.minVersion` and `tls.maxVersion`',
  ERR_SSL_UNSUPPORTED_PROTOCOL:
    'no version of TLS that it speaks is left between `tls.minVersion` and `tls.maxVersion`',
  ERR_SSL_NO_CIPHERS_AVAILABLE:
    'the runtime has none of the `tls.ciphers` (neither Bun nor Deno has those for `tls.psk`)',
  ERR_SSL_ALERT_PROTOCOL_VERSION: 'it speaks no version of TLS between `tls.minVersion` and `tls.maxVersion`',
  ERR_SSL_ALERT_HANDSHAKE_FAILURE:
    'it refused the TLS handshake; does it want a client certificate (`tls.cert` and `tls.key`), or other `tls.ciphers`?',
  ERR_SSL_ALERT_CERTIFICATE_REQUIRED: 'it wants a client certificate; pass `tls.cert` and `tls.key`',
  ERR_SSL_ALERT_BAD_CERTIFICATE: 'it does not accept the client certificate in `tls.cert`',
  ERR_SSL_ALERT_CERTIFICATE_EXPIRED: 'the client certificate in `tls.cert` has expired',
  ERR_SSL_ALERT_UNKNOWN_CA: 'it does not know the authority of the client certificate in `tls.cert`',
  ERR_SSL_ALERT_NO_APPLICATION_PROTOCOL: 'it speaks none of the protocols in `tls.ALPNProtocols`',
  ERR_SSL_ALERT_UNKNOWN_PSK_IDENTITY: 'it does not know the identity in `tls.psk`',
  ERR_SSL_ALERT_BAD_RECORD_MAC: 'it could not decrypt; is the key in `tls.psk` the right one?',
}

function adviceFor({ code }: NodeJS.ErrnoException): string | undefined {
  // OpenSSL 3.0, OpenSSL 3.5 and BoringSSL put each another version of TLS before one and the same alert.
  const plain = code?.replace(/(SSLV3|SSL\/TLS|TLSV1|TLSV13)_ALERT/, 'ALERT')
  return plain !== undefined && Object.hasOwn(advice, plain) ? `${advice[plain]} (${code})` : undefined
}

function explain(error: unknown, endpoint: Pick<Endpoint, 'description'>): unknown {
  const words = error instanceof Error ? adviceFor(error) : undefined
  if (words === undefined) return error
  return new ConnectError(`Could not connect to ${endpoint.description}: ${words}`, { cause: error })
}

/**
 * What the server says about the handshake, in TLS 1.3 after its end. OpenSSL's own message is a line of its log, source file
 * and all.
 */
function reword(error: Error & { readonly code?: string; readonly reason?: string }): void {
  if (error.code?.startsWith('ERR_SSL_') !== true) return
  error.message = adviceFor(error) ?? `TLS failed: ${error.reason ?? error.message.trim()} (${error.code})`
}

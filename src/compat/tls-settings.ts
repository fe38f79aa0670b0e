import { readFileSync } from 'node:fs'
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls'
import { checkPair } from '../transport/key-pair.ts'
import type { TlsOptions } from '../transport/settings.ts'
import { ValueError } from './errors.ts'
import { CERT_NONE, PROTOCOL_TLSv1, PROTOCOL_TLSv1_1, PROTOCOL_TLSv1_2 } from './ssl.ts'

/** What `tls_set_context()` takes: a context of Node, or options of `tls.connect`. */
export type TlsContext = SecureContext | ConnectionOptions

/** Exactly one version; whatever is not here leaves it to both sides. */
const VERSIONS: Readonly<Record<number, 'TLSv1' | 'TLSv1.1' | 'TLSv1.2'>> = {
  [PROTOCOL_TLSv1]: 'TLSv1',
  [PROTOCOL_TLSv1_1]: 'TLSv1.1',
  [PROTOCOL_TLSv1_2]: 'TLSv1.2',
}

/** TLS as a program configures it: once, with the files read and checked at that moment. */
export class TlsSettings {
  #options: TlsOptions | undefined
  #insecure = false

  get isConfigured(): boolean {
    return this.#options !== undefined
  }

  /** What to open a connection with; `undefined` without TLS. */
  get options(): TlsOptions | undefined {
    if (this.#options === undefined) return undefined
    // The chain is still checked: only whether the certificate is for this host is not.
    return this.#insecure ? { ...this.#options, checkServerIdentity: () => undefined } : this.#options
  }

  /** Throws what Node throws for files that are missing and keys that do not fit. */
  configure(
    caCerts: string | null,
    certfile: string | null,
    keyfile: string | null,
    certReqs: number | null,
    tlsVersion: number | null,
    ciphers: string | null,
    keyfilePassword: string | null,
    alpnProtocols: string[] | null,
  ): void {
    this.#checkUnset()
    const cert = certfile === null ? undefined : readFileSync(certfile)
    const key = keyfile === null ? cert : readFileSync(keyfile)
    const ca = caCerts === null ? undefined : readFileSync(caCerts)
    const version = tlsVersion === null ? undefined : VERSIONS[tlsVersion]
    const secureContext = createSecureContext({
      ...(cert === undefined ? {} : { cert, key }),
      ...(ca === undefined ? {} : { ca }),
      ...(keyfilePassword === null ? {} : { passphrase: keyfilePassword }),
      ...(ciphers === null ? {} : { ciphers }),
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
    })
    if (cert !== undefined && key !== undefined) checkPair(cert, key, keyfilePassword ?? undefined)
    const unchecked = certReqs === CERT_NONE
    this.#options = {
      secureContext,
      rejectUnauthorized: !unchecked,
      ...(alpnProtocols === null ? {} : { ALPNProtocols: [...alpnProtocols] }),
    }
    this.#insecure = unchecked
  }

  /** Throws what Node throws for options that are no good. */
  setContext(context: TlsContext | null): void {
    this.#checkUnset()
    this.#options =
      context === null ? {} : isSecureContext(context) ? { secureContext: context } : fromNode(context)
    this.#insecure = false
  }

  setInsecure(value: boolean): void {
    if (this.#options === undefined) {
      throw new ValueError('Must configure TLS before using tls_insecure_set.')
    }
    this.#insecure = value
  }

  #checkUnset(): void {
    if (this.#options !== undefined) throw new ValueError('TLS has already been configured.')
  }
}

/** What `tls.createSecureContext` returns: recognised by what it wraps, since Node exports no class to ask. */
export function isSecureContext(value: SecureContext | object): value is SecureContext {
  return 'context' in value && typeof value.context === 'object'
}

/** Options of `tls.connect`: those of the context go into one, the others stand beside it. */
function fromNode(options: ConnectionOptions): TlsOptions {
  const { rejectUnauthorized, servername, checkServerIdentity, ALPNProtocols } = options
  const protocols = Array.isArray(ALPNProtocols) ? (ALPNProtocols as string[]) : undefined
  return {
    secureContext: options.secureContext ?? createSecureContext(options),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(servername === undefined ? {} : { servername }),
    ...(protocols === undefined ? {} : { ALPNProtocols: protocols }),
    ...(checkServerIdentity === undefined
      ? {}
      : { checkServerIdentity: checkServerIdentity as NonNullable<TlsOptions['checkServerIdentity']> }),
  }
}

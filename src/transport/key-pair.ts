import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Certificates } from './settings.ts'

/**
 * Deno leaves out, without a word, a key that it cannot read, and Node one of another kind than the certificate's: the server would
 * be shown no certificate at all.
 *
 * @throws what the runtime says when it cannot read them
 */
export function checkPair(
  cert: Certificates,
  key: string | Uint8Array,
  passphrase: string | undefined,
): void {
  const block = pemBlock(key, 'PRIVATE KEY')
  const privateKey = createPrivateKey({ key: block, ...(passphrase !== undefined && { passphrase }) })
  // Several are for servers of several kinds.
  if (typeof cert !== 'string' && !(cert instanceof Uint8Array)) return
  const isPair = new X509Certificate(pemBlock(cert, 'CERTIFICATE')).checkPrivateKey(privateKey)
  if (!isPair) throw new Error('the private key is not that of the certificate')
}

/** The first of its kind: a file may hold others, and Deno reads no others. */
function pemBlock(text: string | Uint8Array, kind: string): string {
  const pem = typeof text === 'string' ? text : Buffer.from(text).toString('latin1')
  return new RegExp(`-----BEGIN [A-Z0-9 ]*${kind}-----[^]*?-----END [^]*?-----`).exec(pem)?.[0] ?? pem
}

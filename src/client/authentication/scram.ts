import { MqttError, OptionsError } from '../../errors.ts'
import { untilAborted } from '../../transport/opening.ts'
import type { AuthenticationContext, AuthenticationData, Authenticator } from './authenticator.ts'
import { saslprep } from './saslprep.ts'

export interface ScramOptions {
  readonly username: string
  readonly password: string
  /** @default 'SHA-256' */
  readonly hash?: 'SHA-1' | 'SHA-256' | 'SHA-512' | undefined
  /** Fewest iterations that are accepted from the server: fewer would make the password cheap to guess. @default 4096 */
  readonly minIterations?: number | undefined
  /** Most iterations: more would keep this process busy for the server's pleasure. @default 1_000_000 */
  readonly maxIterations?: number | undefined
  /** Replaces the random nonce, for the vectors of the RFCs. Printable ASCII without a comma. */
  readonly nonce?: (() => string) | undefined
}

/** "n": no channel binding; no authorization identity. RFC 5802 section 7 */
const GS2_HEADER = 'n,,'
const NONCE_BYTES = 24

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** What is remembered between the messages of one exchange. */
interface Exchange {
  readonly clientFirstBare: string
  readonly nonce: string
  serverSignature: string | undefined
}

/**
 * SCRAM-SHA-1, -256 and -512 (RFC 5802, RFC 7677) as an Authentication Method, by means of WebCrypto. The server must prove
 * that it knows the password too: one that does not is refused. Password and keys never leave this process.
 *
 * @throws OptionsError for a user name or password that SASLprep prohibits
 */
export function scramAuthenticator(options: ScramOptions): Authenticator {
  const { hash = 'SHA-256', minIterations = 4096, maxIterations = 1_000_000 } = options
  if (hash !== 'SHA-1' && hash !== 'SHA-256' && hash !== 'SHA-512') {
    throw new OptionsError(`hash: expected "SHA-1", "SHA-256" or "SHA-512", got ${String(hash)}`, {
      path: 'hash',
    })
  }
  const username = saslprep(options.username, 'username').replaceAll('=', '=3D').replaceAll(',', '=2C')
  const password = encoder.encode(saslprep(options.password, 'password'))
  const makeNonce = options.nonce ?? randomNonce
  // By the signal of their connection: clients may share an authenticator, as they share other options.
  const exchanges = new WeakMap<AbortSignal, Exchange>()
  let latest: Exchange | undefined
  const exchangeOf = (signal: AbortSignal | undefined): Exchange | undefined =>
    (signal && exchanges.get(signal)) ?? latest

  const start = (context?: AuthenticationContext): AuthenticationData => {
    const nonce = makeNonce()
    const clientFirstBare = `n=${username},r=${nonce}`
    latest = { clientFirstBare, nonce, serverSignature: undefined }
    if (context !== undefined) exchanges.set(context.signal, latest)
    return encoder.encode(GS2_HEADER + clientFirstBare)
  }

  const answer = async (
    data: AuthenticationData,
    { signal }: AuthenticationContext,
  ): Promise<AuthenticationData> => {
    const current = exchangeOf(signal)
    if (current === undefined || current.serverSignature !== undefined)
      throw failure('the server sent one message too many')
    const serverFirst = text(data)
    const { nonce, salt, iterations } = readServerFirst(serverFirst)
    // The server adds to our nonce; one of another exchange would be a replay.
    if (!nonce.startsWith(current.nonce) || nonce.length === current.nonce.length)
      throw failure('the server did not extend the nonce')
    if (iterations < minIterations || iterations > maxIterations) {
      throw failure(
        `the server asks for ${iterations} iterations; ${minIterations} to ${maxIterations} are accepted`,
      )
    }
    const clientFinalBare = `c=${toBase64(encoder.encode(GS2_HEADER))},r=${nonce}`
    const message = encoder.encode(`${current.clientFirstBare},${serverFirst},${clientFinalBare}`)
    const proofs = await untilAborted(prove(hash, password, salt, iterations, message), signal)
    current.serverSignature = proofs.server
    return encoder.encode(`${clientFinalBare},p=${proofs.client}`)
  }

  const finish = (data: AuthenticationData, context?: AuthenticationContext): void => {
    const current = exchangeOf(context?.signal)
    const expected = current?.serverSignature
    if (current === undefined || expected === undefined)
      throw failure('the server accepted before the exchange was complete')
    // Once for each exchange.
    current.serverSignature = ''
    const serverFinal = text(data)
    const error = /^e=([^,]*)/.exec(serverFinal)
    if (error !== null) throw failure(`the server reports ${error[1]}`)
    const signature = /^v=([^,]*)/.exec(serverFinal)?.[1]
    if (signature === undefined || expected === '' || !isSame(signature, expected)) {
      throw failure('the server did not prove that it knows the password')
    }
  }

  return { method: `SCRAM-${hash}`, start, continue: answer, finish }
}

/** `r=...,s=...,i=...`; an unknown mandatory extension (`m=`) must be refused. RFC 5802 section 5.1 */
function readServerFirst(message: string): {
  nonce: string
  salt: Uint8Array<ArrayBuffer>
  iterations: number
} {
  if (message.startsWith('e=')) throw failure(`the server reports ${message.slice(2)}`)
  const parts = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,9})(?:,.*)?$/.exec(
    message,
  )
  if (parts === null) throw failure('the first message of the server is not one of SCRAM')
  return { nonce: parts[1] ?? '', salt: fromBase64(parts[2] ?? ''), iterations: Number(parts[3]) }
}

/** ClientProof and ServerSignature of RFC 5802 section 3, in base64. */
async function prove(
  hash: string,
  password: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
  message: Uint8Array<ArrayBuffer>,
): Promise<{ client: string; server: string }> {
  const { subtle } = globalThis.crypto
  const bits = { 'SHA-1': 160, 'SHA-256': 256, 'SHA-512': 512 }[hash] ?? 256
  const secret = await subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits'])
  const salted = await subtle.deriveBits({ name: 'PBKDF2', hash, salt, iterations }, secret, bits)
  const mac = async (key: ArrayBuffer, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> => {
    const imported = await subtle.importKey('raw', key, { name: 'HMAC', hash }, false, ['sign'])
    return subtle.sign('HMAC', imported, data)
  }
  const clientKey = await mac(salted, encoder.encode('Client Key'))
  const storedKey = await subtle.digest(hash, clientKey)
  const clientSignature = new Uint8Array(await mac(storedKey, message))
  const proof = new Uint8Array(clientKey).map((byte, index) => byte ^ (clientSignature[index] ?? 0))
  const serverKey = await mac(salted, encoder.encode('Server Key'))
  return { client: toBase64(proof), server: toBase64(new Uint8Array(await mac(serverKey, message))) }
}

function randomNonce(): string {
  return toBase64(globalThis.crypto.getRandomValues(new Uint8Array(NONCE_BYTES)))
}

function text(data: AuthenticationData): string {
  try {
    return decoder.decode(data ?? new Uint8Array(0))
  } catch {
    throw failure('a message of the server is not UTF-8')
  }
}

/** In the same time wherever they differ. */
function isSame(left: string, right: string): boolean {
  let difference = left.length ^ right.length
  for (let index = 0; index < right.length; index++)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index)
  return difference === 0
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(encoded: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
  } catch {
    throw failure('the salt is not base64')
  }
}

function failure(what: string): MqttError {
  return new MqttError(`SCRAM failed: ${what}`, { code: 'ERR_MQTT_AUTHENTICATION' })
}

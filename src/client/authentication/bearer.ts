import { MqttError } from '../../errors.ts'
import type { AuthenticationContext, AuthenticationData, Authenticator } from './authenticator.ts'

export interface BearerToken {
  readonly token: string
  /** Milliseconds since the epoch. @default the `exp` of a JSON Web Token; unknown for others */
  readonly expiresAt?: number | undefined
}

export interface BearerOptions {
  /** Gives a fresh token; called at each connection and before the last one expires. When it fails it is asked again, later. */
  readonly token: (context: AuthenticationContext) => string | BearerToken | Promise<string | BearerToken>
  /**
   * Authentication Method. `OAUTHBEARER` sends the token in the form of RFC 7628; under any other name it is
   * sent as it is. @default 'OAUTHBEARER'
   */
  readonly method?: string | undefined
  /**
   * How long before it expires the token is replaced, without interrupting the connection; half its life, if that is less.
   * @default 60_000
   */
  readonly renewBeforeMs?: number | undefined
}

const encoder = new TextEncoder()
/** What the server sends when it refuses the token is acknowledged with this. RFC 7628 section 3.2.3 */
const ABORT = Uint8Array.of(1)

/** Authenticates with a token, and re-authenticates with a new one before it expires. */
export function bearerAuthenticator(options: BearerOptions): Authenticator {
  const { method = 'OAUTHBEARER', renewBeforeMs = 60_000 } = options
  let renewAt: number | undefined
  return {
    method,
    async start(context): Promise<AuthenticationData> {
      const given = await options.token(context)
      const token = typeof given === 'string' ? given : given?.token
      if (typeof token !== 'string' || token === '' || /[^\x20-\x7e]/.test(token)) {
        throw new MqttError('The function `token` gave no usable token', { code: 'ERR_MQTT_AUTHENTICATION' })
      }
      const expiresAt = (typeof given === 'string' ? undefined : given.expiresAt) ?? expiryOf(token)
      // One that lives shorter than that is replaced in the middle of its life.
      const lifeMs = (expiresAt ?? 0) - Date.now()
      const leadMs = lifeMs > 0 ? Math.min(renewBeforeMs, lifeMs / 2) : renewBeforeMs
      renewAt = expiresAt === undefined ? undefined : expiresAt - leadMs
      return encoder.encode(method === 'OAUTHBEARER' ? `n,,\x01auth=Bearer ${token}\x01\x01` : token)
    },
    continue: () => ABORT,
    finish: () => {},
    renewAt: () => renewAt,
  }
}

/** The `exp` claim of a JSON Web Token. Nothing is verified: it is our own token, and the server decides. */
function expiryOf(token: string): number | undefined {
  const claims = token.split('.')[1]
  if (claims === undefined) return undefined
  try {
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1000 : undefined
  } catch {
    return undefined
  }
}

import type { ConnectPacket, ProtocolVersion } from '../codec/packet.ts'
import type { Endpoint } from '../transport/endpoint.ts'
import type { AuthenticationData } from './authentication/authenticator.ts'
import type { ResolvedOptions } from './options.ts'
import { present } from './present.ts'

const encoder = new TextEncoder()

/** The CONNECT of one attempt. Credentials of the options come before those of the URL. */
export function connectRequest(
  options: ResolvedOptions,
  endpoint: Endpoint | undefined,
  protocolVersion: ProtocolVersion,
  clientId: string,
  authenticationData: AuthenticationData,
): ConnectPacket {
  const username = options.username ?? endpoint?.username
  const ofUrl = endpoint?.password === undefined ? undefined : encoder.encode(endpoint.password)
  const password = options.password ?? ofUrl
  return {
    type: 'connect',
    protocolVersion,
    cleanStart: options.cleanStart,
    keepAlive: options.keepAlive,
    clientId,
    ...present({ username, password, will: options.will }),
    properties:
      authenticationData === undefined
        ? options.connectProperties
        : { ...options.connectProperties, authenticationData },
  }
}

/** A random identifier of the 23 letters and digits that every server must accept. [MQTT-3.1.3-5] */
export function randomClientId(random: () => number): string {
  const sevenOf36 = (): string =>
    Math.floor(random() * 36 ** 7)
      .toString(36)
      .padStart(7, '0')
  return `mqttawait${sevenOf36()}${sevenOf36()}`
}

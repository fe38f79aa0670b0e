import type { ConnackPacket, ConnackProperties } from '../codec/packet.ts'
import type { Limits } from '../session/limits.ts'

/** A connection that was made: what `connect()` resolves with, and `client.connection` while it lasts. */
export interface ConnectionInfo {
  /** The server had this client's session. */
  readonly sessionPresent: boolean
  /** 0: success. */
  readonly reasonCode: number
  /** The identifier in use; the server may have assigned it. */
  readonly clientId: string
  /** Where the connection leads, without credentials: `mqtt://host:1883`. */
  readonly server: string
  /** What CONNACK said; empty on 3.x. */
  readonly properties: ConnackProperties
  /** What the server grants, MQTT's defaults filled in. */
  readonly limits: Limits
}

const NO_PROPERTIES: ConnackProperties = /* @__PURE__ */ Object.freeze({})

export function connectionInfo(limits: Limits, connack: ConnackPacket, server: string): ConnectionInfo {
  return Object.freeze({
    sessionPresent: limits.sessionPresent,
    reasonCode: connack.reasonCode,
    clientId: limits.clientId,
    server,
    properties:
      connack.properties === undefined ? NO_PROPERTIES : Object.freeze(withoutSecrets(connack.properties)),
    limits,
  })
}

/** Authentication data is between the server and the authenticator. */
function withoutSecrets(properties: ConnackProperties): ConnackProperties {
  const { authenticationData: _, ...rest } = properties
  return rest
}

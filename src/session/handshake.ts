import type { AuthPacket, ConnackPacket, ConnectPacket, ConnectProperties } from '../codec/packet.ts'
import { wrongOption } from '../errors.ts'
import type { Connection } from './connection.ts'
import { violation } from './violation.ts'

/**
 * What a successful CONNACK may say to this CONNECT.
 * @param established - this session has had a CONNACK before, in this process or the one it was restored from
 */
export function checkConnack(connection: Connection, packet: ConnackPacket, established: boolean): void {
  if (packet.sessionPresent) {
    if (connection.cleanStart) {
      throw violation('CONNACK', 'CONNACK Session Present although Clean Start was set', 'MQTT-3.2.2-2')
    }
    // A client that asks for a session which outlives the connection holds one, be it with nothing in flight.
    const holdsSession =
      established || connection.protocolVersion < 5 || (connection.properties?.sessionExpiryInterval ?? 0) > 0
    if (!holdsSession) {
      throw violation(
        'CONNACK',
        'CONNACK Session Present although this client never had a session',
        'MQTT-3.2.2-4',
      )
    }
  }
  const method = packet.properties?.authenticationMethod
  if (method !== connection.properties?.authenticationMethod) {
    throw violation('CONNACK', 'CONNACK Authentication Method is not the one of CONNECT', 'MQTT-4.12.0-5')
  }
  if (method === undefined && packet.properties?.authenticationData !== undefined) {
    throw violation(
      'CONNACK',
      'CONNACK Authentication Data without Authentication Method',
      'MQTT 5.0 §3.2.2.3.18',
    )
  }
}

/**
 * Which AUTH may come when.
 *
 *     CONNECT ──> [AUTH 0x18 <──> AUTH 0x18]* ──> CONNACK             before `online`
 *     AUTH 0x19 ──> [AUTH 0x18 <──> AUTH 0x18]* ──> AUTH 0x00         re-authentication, `online`
 */
export function checkAuth(connection: Connection, packet: AuthPacket): void {
  const method = connection.authenticationMethod
  const online = connection.phase === 'online'
  if (method === undefined) {
    throw violation('AUTH', 'AUTH although CONNECT had no Authentication Method', 'MQTT-4.12.0-1')
  }
  if (packet.properties?.authenticationMethod !== method) {
    throw violation('AUTH', 'AUTH with another Authentication Method than CONNECT', 'MQTT-4.12.0-5')
  }
  if (packet.reasonCode === 0x19)
    throw violation('AUTH', 'AUTH 0x19 (Re-authenticate) is for clients', 'MQTT-3.15.2-1')
  if (online && !connection.reauthenticating) {
    throw violation('AUTH', 'AUTH although no re-authentication is under way', 'MQTT 5.0 §4.12.1')
  }
  if (!online && packet.reasonCode === 0)
    throw violation('AUTH', 'AUTH 0x00 (Success) before CONNACK', 'MQTT 5.0 §4.12')
}

/** With Request Problem Information 0 only CONNACK, PUBLISH and DISCONNECT carry such. [MQTT 5.0 §3.1.2.11.7] */
export function checkProblemInformation(
  connection: Connection,
  packet: {
    readonly type: string
    readonly properties?: { reasonString?: string; userProperties?: unknown }
  },
): void {
  const { properties } = packet
  if (properties === undefined || connection.properties?.requestProblemInformation !== false) return
  if (properties.reasonString === undefined && properties.userProperties === undefined) return
  const what = `${packet.type.toUpperCase()} with problem information although CONNECT declined it`
  throw violation(packet.type, what, 'MQTT-3.1.2-29')
}

/**
 * The Session Expiry Interval of a DISCONNECT, with the properties of its CONNECT. [MQTT 5.0 §3.14.2.2.2]
 *
 * @throws OptionsError when it would raise one that was 0
 */
export function checkSessionExpiry(
  wanted: number | undefined,
  { sessionExpiryInterval = 0 }: ConnectProperties = {},
): void {
  if (wanted !== undefined && wanted > 0 && sessionExpiryInterval === 0) {
    const expected = '0, as at connect: it cannot be raised at disconnect; set it in the client options'
    throw wrongOption('sessionExpiryInterval', expected, String(wanted))
  }
}

/** What a trace may see of CONNECT. */
export function withoutSecrets(packet: ConnectPacket): ConnectPacket {
  const { password: _password, properties, ...rest } = packet
  if (properties === undefined) return rest
  const { authenticationData: _data, ...visible } = properties
  return { ...rest, properties: visible }
}

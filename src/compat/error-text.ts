import { MQTTErrorCode } from './enums.ts'
import { PacketTypes } from './packet-types.ts'
import { ReasonCode } from './reason-code.ts'

/** By `MQTTErrorCode`, from 0 on. */
const ERRORS: readonly string[] = [
  'No error.',
  'Out of memory.',
  'A network protocol error occurred when communicating with the broker.',
  'Invalid function arguments provided.',
  'The client is not currently connected.',
  'The connection was refused.',
  'Message not found (internal error).',
  'The connection was lost.',
  'A TLS error occurred.',
  'Payload too large.',
  'This feature is not supported.',
  'Authorisation failed.',
  'Access denied by ACL.',
  'Unknown error.',
  'Error defined by errno.',
  'Message queue full.',
  'Client or broker did not communicate in the keepalive interval.',
]

/** By return code of CONNACK in MQTT 3. */
const CONNACKS: readonly string[] = [
  'Connection Accepted.',
  'Connection Refused: unacceptable protocol version.',
  'Connection Refused: identifier rejected.',
  'Connection Refused: broker unavailable.',
  'Connection Refused: bad user name or password.',
  'Connection Refused: not authorised.',
]

const CONNACK_REASONS: readonly string[] = [
  'Success',
  'Unsupported protocol version',
  'Client identifier not valid',
  'Server unavailable',
  'Bad user name or password',
  'Not authorized',
]

/** One sentence for a return code; an unknown code reads like `MQTT_ERR_UNKNOWN`. */
export function error_string(mqtt_errno: number): string {
  return ERRORS[mqtt_errno] ?? ERRORS[MQTTErrorCode.MQTT_ERR_UNKNOWN]!
}

/** One sentence for a return code of CONNACK in MQTT 3; the name of a `ReasonCode`. */
export function connack_string(connack_code: number | ReasonCode): string {
  if (connack_code instanceof ReasonCode) return connack_code.getName()
  return CONNACKS[connack_code] ?? 'Connection Refused: unknown reason.'
}

/** The MQTT 5 reason for a return code of CONNACK in MQTT 3. The numbers differ: 3 becomes 136. */
export function convert_connack_rc_to_reason_code(connack_code: number): ReasonCode {
  return new ReasonCode(PacketTypes.CONNACK, CONNACK_REASONS[connack_code] ?? 'Unspecified error')
}

/** The MQTT 5 reason for an end of the connection that no packet announced. */
export function convert_disconnect_error_code_to_reason_code(rc: MQTTErrorCode): ReasonCode {
  if (rc === MQTTErrorCode.MQTT_ERR_SUCCESS)
    return new ReasonCode(PacketTypes.DISCONNECT, 'Normal disconnection')
  const name = rc === MQTTErrorCode.MQTT_ERR_KEEPALIVE ? 'Keep alive timeout' : 'Unspecified error'
  return new ReasonCode(PacketTypes.DISCONNECT, name)
}

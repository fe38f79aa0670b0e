import { ProtocolError } from '../errors.ts'

/**
 * A server has done what MQTT forbids: the connection ends with this.
 *
 * @param packet - its type, in any case
 * @param rest - `field`, and a `reasonCode` other than 0x82, Protocol Error
 */
export function violation(
  packet: string,
  what: string,
  statement: string,
  rest?: { readonly field?: string; readonly reasonCode?: number },
): ProtocolError {
  const details = { packet: packet.toUpperCase(), statement, ...rest }
  return new ProtocolError(`Protocol violation: ${what}`, details)
}

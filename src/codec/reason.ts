import { type FieldStream, withProperties } from './field-stream.ts'
import { CONNACK, PACKET_TYPES, SUBACK, UNSUBACK } from './packet-type.ts'
import { isReasonCode } from './reason-code.ts'

/** Reason code and properties as the end of a packet, where both may be left out. */
export interface Reason<T extends object = object> {
  readonly reasonCode: number
  /** Absent when there are none. */
  readonly properties?: T
}

/**
 * The end of PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT and AUTH: without a byte the code is 0, without a Property Length there
 * are no properties, and in 3.x there is no such end. Written in its shortest form. [MQTT 5.0 §3.4.2.1, §3.14.2.1, §3.15.2.1]
 */
export function reasonFields<T extends object>(
  stream: FieldStream,
  { reasonCode, properties }: Partial<Reason<T>>,
): Reason<T> {
  const some = hasAny(properties)
  if (stream.version !== 5 || !stream.more(some || reasonCode !== 0)) return { reasonCode: 0 }
  const code = reasonCodeField(stream, reasonCode)
  return withProperties({ reasonCode: code }, stream.more(some) ? stream.properties(properties) : undefined)
}

/** A reason code that this packet may carry when it comes from this side. */
export function reasonCodeField(
  stream: FieldStream,
  value: number | undefined,
  path: string = 'reasonCode',
): number {
  const code = stream.uint(1, value, path, reasonStatement(stream.type))
  checkReasonCode(stream, code, path)
  return code
}

export function checkReasonCode(
  stream: FieldStream,
  code: number | undefined,
  path: string,
): asserts code is number {
  const { type, from } = stream
  if (code === undefined || !isReasonCode(type, code, from)) {
    const expected = `one for ${PACKET_TYPES[type]} from a ${from}`
    throw stream.fault(0x82, path, reasonStatement(type), expected, code)
  }
}

/** By packet type: the statement about its reason codes. */
function reasonStatement(type: number): string {
  return `3.${type}.${type === CONNACK ? '2-8' : type === SUBACK || type === UNSUBACK ? '3-2' : '2-1'}`
}

function hasAny(properties: object | undefined): boolean {
  for (const name in properties) {
    if ((properties as Record<string, unknown>)[name] !== undefined) return true
  }
  return false
}

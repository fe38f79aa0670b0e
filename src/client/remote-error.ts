import { MqttError } from '../errors.ts'
import { wellFormed } from './dead-letter.ts'
import type { AnyMessage } from './message.ts'

/** Names of the user properties that make an answer an error. */
const MESSAGE = 'mqtt-await-error'
const CODE = 'mqtt-await-error-code'

/** What a responder that has failed answers with. */
export function writeRemoteError(error: unknown): readonly (readonly [string, string])[] {
  const message = error instanceof Error ? error.message : String(error)
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  const pairs: (readonly [string, string])[] = [[MESSAGE, wellFormed(message)]]
  if (typeof code === 'string') pairs.push([CODE, wellFormed(code)])
  return pairs
}

/** The error that an answer stands for: `ERR_MQTT_RESPONDER`, with the responder's own code as `cause.code`. */
export function readRemoteError(answer: AnyMessage): MqttError | undefined {
  const { userProperties } = answer.properties
  const text = userProperties?.find(([name]) => name === MESSAGE)?.[1]
  if (text === undefined) return undefined
  const code = userProperties?.find(([name]) => name === CODE)?.[1]
  const cause = new Error(text)
  if (code !== undefined) Object.assign(cause, { code })
  return new MqttError(`The responder has failed: ${text}`, {
    code: 'ERR_MQTT_RESPONDER',
    reasonString: text,
    userProperties,
    cause,
  })
}

import { ConnectError, MqttError } from '../errors.ts'

/** Errors of this library as they are; anything else as the cause of one that says what failed. */
export function asMqttError(error: unknown, what: string): MqttError {
  if (error instanceof MqttError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new ConnectError(`${what}: ${text}`, { cause: error })
}

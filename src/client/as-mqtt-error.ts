import { ConnectError, MqttError } from '../errors.ts'
import { reasonOf } from '../transport/opening.ts'

/** Errors of this library as they are; anything else as the cause of one that says what failed. */
export function asMqttError(error: unknown, what: string): MqttError {
  if (error instanceof MqttError) return error
  return new ConnectError(`${what}: ${reasonOf(error)}`, { cause: error })
}

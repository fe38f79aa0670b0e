import { OptionsError, type OptionsErrorDetails, wrongOption } from '../errors.ts'
import { asMqttError } from './as-mqtt-error.ts'
import {
  type ClientOptions,
  type ConnectAttempt,
  type ConnectionOverrides,
  type ResolvedOptions,
  resolveOptions,
} from './options.ts'

export interface AttemptOptions {
  readonly options: ResolvedOptions
  /** The hook has said where to go. */
  readonly isElsewhere: boolean
}

/** Asks the hook `connectOptions` for what is different in this attempt. What it does wrong is told as its fault. */
export async function askForOptions(given: ClientOptions, attempt: ConnectAttempt): Promise<AttemptOptions> {
  try {
    const overrides: ConnectionOverrides = (await given.connectOptions?.(attempt)) ?? {}
    if (typeof overrides !== 'object')
      throw wrongOption('its result', 'an object of options, or nothing', typeof overrides)
    return {
      options: resolveOptions(overrideOptions(given, overrides)),
      isElsewhere: (overrides.servers ?? overrides.url) !== undefined,
    }
  } catch (error) {
    if (error instanceof OptionsError)
      throw new OptionsError(`connectOptions: ${error.message}`, error as OptionsErrorDetails)
    throw asMqttError(error, '`connectOptions` failed')
  }
}

/** What the hook returned, laid over the options that it overrides: one level deep where options are objects. */
export function overrideOptions(options: ClientOptions, overrides: ConnectionOverrides): ClientOptions {
  const merged: Record<string, unknown> = { ...options, ...overrides }
  for (const key of ['tls', 'websocket', 'socket'] as const) {
    if (options[key] !== undefined && overrides[key] !== undefined)
      merged[key] = { ...options[key], ...overrides[key] }
  }
  const headers = { ...options.websocket?.headers, ...overrides.websocket?.headers }
  if (overrides.websocket?.headers !== undefined)
    merged['websocket'] = { ...(merged['websocket'] as object), headers }
  // One says where to connect to; the other must not contradict it.
  if (overrides.servers !== undefined) delete merged['url']
  else if (overrides.url !== undefined) delete merged['servers']
  return merged as ClientOptions
}

import { MqttError } from '../errors.ts'
import type { AnyMessage } from './message.ts'

/**
 * What any validation library that follows Standard Schema (version 1) offers: zod, valibot, arktype and others.
 * Only the part that is used here.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input']
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output']

/**
 * What happens to a message whose payload does not fit. `skip`: acknowledged, counted, reported as `dropped`.
 * `nack`: the same, acknowledged with 0x99 Payload format invalid. `throw`: the loop ends with the error.
 */
export type OnInvalid = 'skip' | 'nack' | 'throw'

/** Why a message was not handed to its consumer. */
export interface Verdict {
  readonly onInvalid: OnInvalid
  readonly error: MqttError
}

/** Sets `message.value`, or says why it can not. */
export type PayloadCheck = (message: AnyMessage) => Verdict | undefined | Promise<Verdict | undefined>

/**
 * @param decode - makes the value that the schema sees; what it throws counts as invalid
 */
export function payloadCheck(
  schema: StandardSchema,
  onInvalid: OnInvalid,
  decode: (message: AnyMessage) => unknown,
): PayloadCheck {
  return (message) => {
    let value: unknown
    try {
      value = decode(message)
    } catch (cause) {
      return { onInvalid, error: invalid(message, (cause as Error).message, cause) }
    }
    try {
      const result = schema['~standard'].validate(value)
      if (!(result instanceof Promise)) return judge(message, result, onInvalid)
      return result.then(
        (late) => judge(message, late, onInvalid),
        (cause) => ({ onInvalid, error: invalid(message, String(cause), cause) }),
      )
    } catch (cause) {
      return { onInvalid, error: invalid(message, String(cause), cause) }
    }
  }
}

function judge(
  message: AnyMessage,
  result: SchemaResult<unknown>,
  onInvalid: OnInvalid,
): Verdict | undefined {
  if (result.issues === undefined) {
    message.value = result.value
    return undefined
  }
  return { onInvalid, error: invalid(message, result.issues.map(describe).join('; '), result.issues) }
}

function describe(issue: SchemaIssue): string {
  if (issue.path === undefined || issue.path.length === 0) return issue.message
  const path = issue.path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
  return `${path}: ${issue.message}`
}

function invalid(message: AnyMessage, why: string, cause: unknown): MqttError {
  return new MqttError(`The payload of a message on "${message.topic}" does not fit its schema: ${why}`, {
    code: 'ERR_MQTT_PAYLOAD',
    cause,
  })
}

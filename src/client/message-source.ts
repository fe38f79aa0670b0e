import type { AnyMessage } from './message.ts'
import type { StandardSchema } from './schema.ts'

/** What a subscription is made of: filters, and how their messages are read. A typed topic is one. */
export interface MessageSource {
  readonly filters: readonly string[]
  readonly schema: StandardSchema | undefined
  /** Makes `message.params`; without it they are a list. */
  parse?(topic: string): unknown
  /** Makes what the schema looks at; without it the payload is read as JSON. */
  decode?(message: AnyMessage): unknown
}

/** The source that a user's argument stands for. */
export function toSource(argument: string | readonly string[] | MessageSource): MessageSource {
  if (typeof argument === 'string') return { filters: [argument], schema: undefined }
  return isFilters(argument) ? { filters: argument, schema: undefined } : argument
}

/** The same for a shared subscription. */
export function shareSource(source: MessageSource, group: string): MessageSource {
  const { schema } = source
  return {
    filters: source.filters.map((filter) => `$share/${group}/${filter}`),
    schema,
    ...(source.parse === undefined ? {} : { parse: (topic: string) => source.parse?.(topic) }),
    ...(source.decode === undefined ? {} : { decode: (message: AnyMessage) => source.decode?.(message) }),
  }
}

function isFilters(argument: readonly string[] | MessageSource): argument is readonly string[] {
  return Array.isArray(argument)
}

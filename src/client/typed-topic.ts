import { checkTopicFilter } from '../codec/check-topic.ts'
import { OptionsError } from '../errors.ts'
import type { AnyMessage, Message } from './message.ts'
import type { MessageSource } from './message-source.ts'
import type { Payload } from './payload.ts'
import type { Publication, PublishOptions } from './publication.ts'
import type { SchemaInput, SchemaOutput, StandardSchema } from './schema.ts'

/** The names in a template: `site/{site}/log/{rest...}` has `site` and `rest`. */
type Names<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `${infer Bare}...` ? Bare : Name) | Names<Rest>
  : never

/** What a template's topics are told apart by: one string per name. */
export type TopicParams<Template extends string> = string extends Template
  ? Readonly<Record<string, string>>
  : { readonly [Name in Names<Template>]: string }

export interface TypedTopicOptions {
  /** How values become payloads: JSON, or the text or the bytes as they are. @default 'json' */
  readonly format?: 'json' | 'text' | 'bytes' | undefined
}

/** Anything that publishes: a client. */
export interface Publisher {
  publish(topic: string, payload?: Payload, options?: PublishOptions): Publication
}

/**
 * A family of topics with named levels, and with a schema for what is published there. Made by `topic()`.
 *
 * It goes wherever a filter goes: `client.messages(temperature)`, `client.handle(temperature, ...)`.
 */
export class TypedTopic<Params, Input, Output> implements MessageSource {
  readonly template: string
  /** The template as a topic filter: `site/+/temp/+`. */
  readonly filter: string
  readonly schema: StandardSchema | undefined
  readonly #levels: readonly Level[]
  readonly #format: 'json' | 'text' | 'bytes'
  /** For the compiler alone: the messages that a subscription gives. */
  declare readonly message: Message<Params, Output>

  /** @internal */
  constructor(template: string, schema: StandardSchema | undefined, options: TypedTopicOptions) {
    this.template = template
    this.schema = schema
    this.#levels = readTemplate(template)
    this.filter = this.#levels
      .map((level) => (level.name === undefined ? level.text : level.rest ? '#' : '+'))
      .join('/')
    this.#format = options.format ?? 'json'
    checkTopicFilter(this.filter, 'template')
  }

  get filters(): readonly string[] {
    return [this.filter]
  }

  /**
   * The topic for the given names.
   *
   * @throws OptionsError when a name is missing, or its value can not be a level: it holds `/`, `+`, `#` or U+0000
   */
  format(params: Params): string {
    const values = params as Readonly<Record<string, string>>
    return this.#levels
      .map(({ text, name, rest }) => {
        if (name === undefined) return text
        const value: unknown = values[name]
        if (typeof value === 'string' && (rest ? isLevels(value) : isLevel(value))) return value
        throw new OptionsError(
          `params.${name}: a topic level for "${this.template}" was expected, but ${String(value)} was given`,
          {
            path: `params.${name}`,
            expected: rest ? 'topic levels' : 'a topic level: without "/", "+" and "#"',
            received: String(value),
          },
        )
      })
      .join('/')
  }

  /** What the names stand for in a topic; `undefined` when it is none of these. */
  parse(topic: string): Params | undefined {
    const given = topic.split('/')
    const params: Record<string, string> = {}
    for (const [index, { text, name, rest }] of this.#levels.entries()) {
      if (rest && name !== undefined) {
        params[name] = given.slice(index).join('/')
        return params as Params
      }
      const level = given[index]
      if (level === undefined || (name === undefined && level !== text)) return undefined
      if (name !== undefined) params[name] = level
    }
    return given.length === this.#levels.length ? (params as Params) : undefined
  }

  /** The payload for a value. The type says what fits; it is the receiver that checks. */
  encode(value: Input): Payload {
    return this.schema === undefined || this.#format !== 'json' ? (value as Payload) : JSON.stringify(value)
  }

  /** @internal What the schema looks at. */
  decode(message: AnyMessage): unknown {
    if (this.#format === 'text') return message.text()
    return this.#format === 'bytes' ? message.payload : message.json()
  }

  /**
   * Publishes a value to one of the topics.
   *
   * @throws OptionsError as `format` and `publish` do
   */
  publish(publisher: Publisher, params: Params, value: Input, options?: PublishOptions): Publication {
    return publisher.publish(this.format(params), this.encode(value), options)
  }
}

/**
 * Describes a family of topics: `topic("site/{site}/temp/{sensor}", schema)`. A name stands for a whole level, `{name...}` at the end
 * for all that follow. With a schema (zod, valibot, arktype: any Standard Schema) payloads are JSON, checked on arrival, and
 * `message.value` is what the schema made of them; without one `publish` takes a payload.
 *
 * @throws OptionsError for a template that makes no filter
 */
export function topic<const Template extends string>(
  template: Template,
): TypedTopic<TopicParams<Template>, Payload, undefined>
export function topic<const Template extends string, Schema extends StandardSchema>(
  template: Template,
  schema: Schema,
  options?: TypedTopicOptions,
): TypedTopic<TopicParams<Template>, SchemaInput<Schema>, SchemaOutput<Schema>>
export function topic(
  template: string,
  schema?: StandardSchema,
  options: TypedTopicOptions = {},
): TypedTopic<unknown, unknown, unknown> {
  return new TypedTopic(template, schema, options)
}

interface Level {
  readonly text: string
  readonly name: string | undefined
  /** Stands for all levels from here. */
  readonly rest: boolean
}

const PLACEHOLDER = /^\{([A-Za-z_$][\w$]*)(\.\.\.)?\}$/

function readTemplate(template: string): readonly Level[] {
  const names = new Set<string>()
  const texts = template.split('/')
  return texts.map((text, index) => {
    const found = PLACEHOLDER.exec(text)
    if (found === null) {
      if (/[{}+#]/.test(text))
        throw wrong(template, `"${text}" is neither a plain level nor a name in braces`)
      return { text, name: undefined, rest: false }
    }
    const [, name = '', dots] = found
    if (names.has(name)) throw wrong(template, `"${name}" is there twice`)
    names.add(name)
    if (dots !== undefined && index !== texts.length - 1)
      throw wrong(template, `"${text}" is not the last level`)
    return { text, name, rest: dots !== undefined }
  })
}

function wrong(template: string, why: string): OptionsError {
  return new OptionsError(`template: ${why} in "${template}"`, {
    path: 'template',
    expected: 'levels and {names} of whole levels, with {name...} at the end only',
    received: template,
  })
}

function isLevel(value: string): boolean {
  return isLevels(value) && !value.includes('/')
}

function isLevels(value: string): boolean {
  return !value.includes('+') && !value.includes('#') && !value.includes('\0')
}

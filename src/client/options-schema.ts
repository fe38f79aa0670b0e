import * as z from 'zod/mini'
import { OptionsError } from '../errors.ts'

/*
 * The message of every rule is what it expects; `checkOptions` makes the sentence around it. zod/mini carries no texts
 * of its own, which is what keeps it small in browsers.
 */

const text = z.string('a string')
const flag = z.boolean('true or false')
const bytes = z.custom((value) => value instanceof Uint8Array, 'a Uint8Array')
const anyFunction = z.custom((value) => typeof value === 'function', 'a function')
const payload = z.custom(
  (value) => typeof value === 'string' || value instanceof Uint8Array || value instanceof ArrayBuffer,
  'a string, Uint8Array or ArrayBuffer',
)
const url = z.custom((value) => typeof value === 'string' || value instanceof URL, 'a URL')
const object = z.custom((value) => typeof value === 'object' && value !== null, 'an object')
const durationMs = z.custom((value) => typeof value === 'number' && value >= 0, 'milliseconds, 0 or more')
const count = z.custom((value) => typeof value === 'number' && value >= 0, 'a number, 0 or more')
const userProperties = z.custom(
  (value) => typeof value === 'object' && value !== null,
  'a record of strings, or a list of pairs [name, value]',
)

function integer(from: number, to: number): z.ZodMiniType {
  const expected = `an integer from ${from} to ${to}`
  return z.custom(
    (value) => Number.isInteger(value) && (value as number) >= from && (value as number) <= to,
    expected,
  )
}

function oneOf(...values: readonly (string | number | boolean)[]): z.ZodMiniType {
  const expected = values.map((value) => JSON.stringify(value)).join(' or ')
  return z.custom((value) => values.includes(value as never), expected)
}

const word = integer(0, 0xffff)
const seconds = integer(0, 0xffff_ffff)
const qos = oneOf(0, 1, 2)
const payloadFormat = oneOf('utf8', 'bytes')
const reasonClasses = z.record(text, oneOf('fatal', 'retry', 'refresh'), 'an object: reason code to class')

function isStore(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const store = value as Record<string, unknown>
  return ['open', 'load', 'write', 'close'].every((method) => typeof store[method] === 'function')
}

function isAuthenticator(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { method, start, continue: answer } = value as Record<string, unknown>
  return typeof method === 'string' && typeof start === 'function' && typeof answer === 'function'
}

function group(shape: Record<string, z.ZodMiniType>, expected = 'an object'): z.ZodMiniType {
  const optional = Object.fromEntries(Object.entries(shape).map(([key, schema]) => [key, z.optional(schema)]))
  return z.strictObject(optional, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : expected),
  })
}

const shape: Record<string, z.ZodMiniType> = {
  url,
  servers: z.array(url, 'a list of URLs').check(z.minLength(1, 'at least one URL')),
  serverOrder: oneOf('in-order', 'shuffled'),
  clientId: text,
  protocolVersion: oneOf(5, 4, 3, 'auto'),
  cleanStart: flag,
  sessionExpiryInterval: seconds,
  keepAlive: word,
  username: text,
  password: z.custom(
    (value) => typeof value === 'string' || value instanceof Uint8Array,
    'a string or Uint8Array',
  ),
  will: group({
    topic: text,
    payload,
    qos,
    retain: flag,
    delayInterval: seconds,
    messageExpiryInterval: seconds,
    contentType: text,
    responseTopic: text,
    correlationData: bytes,
    payloadFormat,
    userProperties,
  }),
  receiveMaximum: integer(1, 0xffff),
  maximumPacketSize: integer(1, 0xffff_ffff),
  topicAliasMaximum: word,
  userProperties,
  requestResponseInformation: flag,
  requestProblemInformation: flag,
  onSessionLost: oneOf('reject', 'republish'),
  resubscribe: flag,
  maxInflight: integer(1, 0xffff),
  autoTopicAlias: flag,
  store: z.custom(
    isStore,
    'a SessionStore: levelStore(...), memoryStore(), or an object with open, load, write and close',
  ),
  authenticator: z.custom(isAuthenticator, 'an object with method, start and continue'),
  connectTimeoutMs: durationMs,
  ackTimeoutMs: durationMs,
  tls: object,
  websocket: object,
  socket: object,
  proxy: url,
  transport: anyFunction,
  connectOptions: anyFunction,
  redirects: flag,
  reasonCodes: group({ connack: reasonClasses, disconnect: reasonClasses }),
  queue: group({
    maxMessages: count,
    maxBytes: count,
    maxAgeMs: durationMs,
    overflow: oneOf('reject', 'drop-oldest', 'drop-newest'),
    qos0: oneOf('queue', 'reject', 'drop'),
  }),
  log: anyFunction,
}

const reconnectShape = group(
  {
    minDelayMs: durationMs,
    maxDelayMs: durationMs,
    jitter: oneOf('full', 'none'),
    maxAttempts: count,
    initial: flag,
    stableAfterMs: durationMs,
  },
  'false, "manual", an object, or a function (attempt, cause) => delay',
)

const schema = group({ ...shape, reconnect: z.any() })

const SECRET =
  /pass|secret|token|key|pfx|cert|auth|headers|psk|cookie|userProperties|correlationData|payload/i

/** Throws `OptionsError` for the first thing that is wrong. */
export function checkOptions(options: object): void {
  check(schema, options, [])
  const { reconnect } = options as { reconnect?: unknown }
  const isWord = reconnect === undefined || typeof reconnect === 'boolean' || reconnect === 'manual'
  if (!isWord && typeof reconnect !== 'function') check(reconnectShape, reconnect, ['reconnect'])
}

function check(rules: z.ZodMiniType, value: unknown, at: readonly PropertyKey[]): void {
  const result = z.safeParse(rules, value)
  if (result.success) return
  const issue = result.error.issues[0]
  if (issue === undefined) return
  const inner = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path
  const path = pathText([...at, ...inner])
  const received = describe(inner.reduce<unknown>(step, value), [...at, ...inner])
  if (issue.code === 'unrecognized_keys') {
    const meant = similarKey(
      issue.keys[0] ?? '',
      issue.path.length === 0 && at.length === 0 ? Object.keys(shape) : [],
    )
    throw new OptionsError(`Unknown option ${path}${meant === undefined ? '' : `; did you mean ${meant}?`}`, {
      path,
      expected: 'a known option',
      received,
    })
  }
  throw new OptionsError(`${path}: expected ${issue.message}, got ${received}`, {
    path,
    expected: issue.message,
    received,
  })
}

function step(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, n) => (typeof key === 'number' ? `[${key}]` : n === 0 ? String(key) : `.${String(key)}`))
    .join('')
}

/** What was given, without what could be a secret. */
function describe(value: unknown, path: readonly PropertyKey[]): string {
  if (value === null || value === undefined) return String(value)
  if (path.some((key) => typeof key === 'string' && SECRET.test(key))) return `a ${typeof value} (redacted)`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') {
    const short = value.length > 60 ? `${value.slice(0, 57)}...` : value
    return JSON.stringify(short.replace(/\/\/[^/@]*@/, '//***@'))
  }
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

function similarKey(given: string, known: readonly string[]): string | undefined {
  const plain = (key: string) => key.toLowerCase().replace(/[-_]|ms$/g, '')
  const aliases: Readonly<Record<string, string>> = {
    clean: 'cleanStart',
    cleansession: 'cleanStart',
    user: 'username',
  }
  return aliases[plain(given)] ?? known.find((key) => plain(key) === plain(given))
}

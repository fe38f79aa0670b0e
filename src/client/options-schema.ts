import {
  callback,
  checkOption,
  count,
  durationMs,
  flag,
  integer,
  isBytes,
  isFunction,
  isObject,
  isText,
  objectOf,
  oneOf,
  type Rule,
  text,
  url,
} from '../option-rules.ts'
import { transportRules } from '../transport/open.ts'

const payload: Rule = [
  'a string, Uint8Array or ArrayBuffer',
  (value) => isText(value) || isBytes(value) || value instanceof ArrayBuffer,
]
const userProperties: Rule = ['a record of strings, or a list of pairs [name, value]', isObject]
const word = integer(0, 0xffff)
const positiveWord = integer(1, 0xffff)
const seconds = integer(0, 0xffff_ffff)
const reasonClasses = objectOf(oneOf('fatal', 'retry', 'refresh'), 'an object: reason code to class')

function has(value: unknown, ...methods: readonly string[]): boolean {
  return isObject(value) && methods.every((method) => isFunction((value as Record<string, unknown>)[method]))
}

const options: Rule = objectOf({
  url,
  servers: ['at least one URL', (value) => Array.isArray(value) && value.length > 0, url],
  serverOrder: oneOf('in-order', 'shuffled'),
  clientId: text,
  protocolVersion: oneOf(5, 4, 3, 'auto'),
  cleanStart: flag,
  sessionExpiryInterval: seconds,
  keepAlive: word,
  username: text,
  password: ['a string or Uint8Array', (value) => isText(value) || isBytes(value)],
  will: objectOf({
    topic: text,
    payload,
    qos: oneOf(0, 1, 2),
    retain: flag,
    delayInterval: seconds,
    messageExpiryInterval: seconds,
    contentType: text,
    responseTopic: text,
    correlationData: ['a Uint8Array', isBytes],
    payloadFormat: oneOf('utf8', 'bytes'),
    userProperties,
  }),
  receiveMaximum: positiveWord,
  maximumPacketSize: integer(1, 0xffff_ffff),
  topicAliasMaximum: word,
  userProperties,
  requestResponseInformation: flag,
  requestProblemInformation: flag,
  onSessionLost: oneOf('reject', 'republish'),
  resubscribe: flag,
  maxInflight: positiveWord,
  autoTopicAlias: flag,
  store: [
    'a SessionStore: levelStore(...), memoryStore(), or an object with open, load, write and close',
    (value) => has(value, 'open', 'load', 'write', 'close'),
  ],
  authenticator: [
    'an object with method, start and continue',
    (value) => has(value, 'start', 'continue') && isText((value as { method?: unknown }).method),
  ],
  connectTimeoutMs: durationMs,
  ackTimeoutMs: durationMs,
  ...transportRules,
  transport: callback,
  connectOptions: callback,
  reconnect: [
    'false, "manual", an object, or a function (attempt, cause) => delay',
    (value) => typeof value === 'boolean' || value === 'manual' || isObject(value) || isFunction(value),
    {
      minDelayMs: durationMs,
      maxDelayMs: durationMs,
      jitter: oneOf('full', 'none'),
      maxAttempts: count,
      initial: flag,
      stableAfterMs: durationMs,
    },
  ],
  redirects: flag,
  reasonCodes: objectOf({ connack: reasonClasses, disconnect: reasonClasses }),
  queue: objectOf({
    maxMessages: count,
    maxBytes: count,
    maxAgeMs: durationMs,
    overflow: oneOf('reject', 'drop-oldest', 'drop-newest'),
    qos0: oneOf('queue', 'reject', 'drop'),
    memoryMessages: count,
    memoryBytes: count,
  }),
  log: callback,
})

/** Throws `OptionsError` for the first thing that is wrong. */
export function checkOptions(given: object): void {
  checkOption(options, given, '')
}

import {
  count,
  durationMs,
  flag,
  isFunction,
  isObject,
  isText,
  oneOf,
  positiveInteger,
  type Rules,
} from '../option-rules.ts'
import type { RetryOptions } from './retry.ts'

/** What `subscribe()`, `messages()`, `handle()` and `respond()` say about filters, queues and handlers. */
export const consumerRules: Rules = {
  qos: oneOf(0, 1, 2),
  noLocal: flag,
  retainAsPublished: flag,
  retainHandling: oneOf(0, 1, 2),
  ack: oneOf('auto', 'manual', 'receipt'),
  highWaterMark: [
    'a positive number, or an object with messages and bytes',
    (value) => positiveInteger[1](value) || isObject(value),
    { messages: positiveInteger, bytes: positiveInteger },
  ],
  overflow: oneOf('drop-oldest', 'drop-newest', 'error'),
  onInvalid: oneOf('skip', 'nack', 'throw'),
  concurrency: positiveInteger,
  ordered: oneOf('none', 'topic', 'all'),
  share: [
    'a name without "/", "+" and "#" [MQTT-4.8.2-2]',
    (value) => isText(value) && /^[^/+#]+$/.test(value),
  ],
  onError: [
    '"nack", "ack", "leave" or a function',
    (value) => isFunction(value) || ['nack', 'ack', 'leave'].includes(value as string),
  ],
  retry: [
    'a number, 0 or more, or an object whose maxDelayMs is not below its minDelayMs',
    (value) => count[1](value) || (isObject(value) && !isBelow(value)),
    { attempts: count, minDelayMs: durationMs, maxDelayMs: durationMs, jitter: oneOf('full', 'none') },
  ],
}

function isBelow({ minDelayMs = 100, maxDelayMs = 30_000 }: RetryOptions): boolean {
  return maxDelayMs < minDelayMs
}

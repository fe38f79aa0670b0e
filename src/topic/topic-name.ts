import { type OptionsError, wrongOption } from '../errors.ts'

/** UTF-8 bytes that a Topic Name or Topic Filter may take at most. [MQTT-4.7.3-3] */
export const MAX_TOPIC_BYTES = 65_535

/** A UTF-16 unit becomes at most three bytes of UTF-8, so shorter strings need no counting. */
const SURELY_SHORT = Math.floor(MAX_TOPIC_BYTES / 3)

export const PLUS = 0x2b
export const HASH = 0x23
export const SLASH = 0x2f
export const DOLLAR = 0x24

/**
 * Refuses what may not be published to: an empty name, wildcards, U+0000, lone surrogates, more than 65,535 bytes.
 * Names are taken as they are: nothing is normalised. [MQTT-4.7.3-4]
 *
 * @param path where the name was given, for the error
 * @throws OptionsError
 */
export function checkTopicName(topic: string, path = 'topic'): void {
  const fault = topicNameFault(topic)
  if (fault !== undefined) throw topicError(topic, path, 'a topic name', fault)
}

/** Whether a name may be published to; see {@link checkTopicName}. */
export function isTopicName(topic: string): boolean {
  return topicNameFault(topic) === undefined
}

function topicNameFault(topic: string): string | undefined {
  // From JavaScript anything may come here.
  if (typeof topic !== 'string') return `is a ${typeof topic}, not a string`
  const length = topic.length
  if (length === 0) return 'is empty [MQTT-4.7.3-1]'
  for (let index = 0; index < length; index++) {
    const unit = topic.charCodeAt(index)
    if (unit === PLUS || unit === HASH) {
      return `holds the wildcard "${topic[index]}" at ${index}; wildcards belong in filters only [MQTT-4.7.0-1]`
    }
    if (unit === 0 || (unit & 0xf800) === 0xd800) {
      const fault = unitFault(topic, index)
      if (fault !== undefined) return fault
      index++
    }
  }
  return lengthFault(topic)
}

/** What is wrong with the NUL or surrogate at `index`; nothing for the first half of a proper pair. */
export function unitFault(text: string, index: number): string | undefined {
  const unit = text.charCodeAt(index)
  if (unit === 0) return `holds U+0000 at ${index} [MQTT-4.7.3-2]`
  const next = text.charCodeAt(index + 1)
  if ((unit & 0xfc00) === 0xd800 && (next & 0xfc00) === 0xdc00) return undefined
  return `holds a lone surrogate at ${index} [MQTT-1.5.4-1]`
}

/** What is wrong with the length of a well-formed string in UTF-8. */
export function lengthFault(text: string): string | undefined {
  if (text.length <= SURELY_SHORT) return undefined
  let bytes = 0
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    // Each half of a surrogate pair accounts for two of its four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3
  }
  return bytes > MAX_TOPIC_BYTES
    ? `takes ${bytes} bytes, more than ${MAX_TOPIC_BYTES} [MQTT-4.7.3-3]`
    : undefined
}

export function topicError(text: string, path: string, expected: string, fault: string): OptionsError {
  const received = typeof text === 'string' ? shorten(text) : String(text)
  return wrongOption(path, expected, received, `it ${fault}; `)
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

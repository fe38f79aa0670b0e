import type { AnyMessage } from './message.ts'
import type { PublishOptions } from './publication.ts'

/** How a message is published to its dead-letter topic: as it came, with why it failed. */
export function deadLetterOptions(
  message: AnyMessage,
  error: string,
  attempts: number,
  hasProperties: boolean,
): PublishOptions {
  // At least once, whatever it came with: this is the last that will be heard of it.
  const qos = message.qos === 0 ? 1 : message.qos
  if (!hasProperties) return { qos }
  const {
    contentType,
    responseTopic,
    correlationData,
    payloadFormatIndicator,
    userProperties = [],
  } = message.properties
  return {
    qos,
    contentType,
    responseTopic,
    correlationData,
    payloadFormat: payloadFormatIndicator === 1 ? 'utf8' : undefined,
    userProperties: [
      ...userProperties,
      ['error', wellFormed(error)],
      ['attempts', String(attempts)],
      ['original-topic', message.topic],
    ],
  }
}

/** A string that MQTT can carry: without U+0000, lone surrogates replaced, at most 1,000 characters. */
export function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text.slice(0, 1_000))).replaceAll('\0', '\ufffd')
}

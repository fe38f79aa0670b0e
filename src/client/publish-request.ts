import type { PublishProperties } from '../codec/packet.ts'
import { OptionsError } from '../errors.ts'
import type { PublishOptions } from './publication.ts'
import { userPropertyPairs } from './user-properties.ts'

/** The session's words for "no alias" and "the session's choice"; numbers above 0 are aliases of the caller's. */
export const NO_ALIAS = -1
export const AUTO_ALIAS = 0

const KNOWN: ReadonlySet<string> = new Set([
  'qos',
  'retain',
  'signal',
  'messageExpiryInterval',
  'contentType',
  'responseTopic',
  'correlationData',
  'payloadFormat',
  'userProperties',
  'topicAlias',
])

/** Checks what the hot path does not look at anyway. Called once per options object, not per message. */
export function checkPublishOptions(options: PublishOptions): void {
  for (const key in options) {
    if (!KNOWN.has(key)) {
      throw new OptionsError(`Unknown publish option ${key}; known are ${[...KNOWN].join(', ')}`, {
        path: key,
        expected: 'a known option',
      })
    }
  }
  const { messageExpiryInterval, payloadFormat, retain } = options
  if (retain !== undefined && typeof retain !== 'boolean') throw wrong('retain', 'true or false', retain)
  if (payloadFormat !== undefined && payloadFormat !== 'utf8' && payloadFormat !== 'bytes') {
    throw wrong('payloadFormat', '"utf8" or "bytes"', payloadFormat)
  }
  if (messageExpiryInterval !== undefined) checkSeconds(messageExpiryInterval)
}

export function checkSeconds(seconds: unknown): void {
  if (!Number.isInteger(seconds) || (seconds as number) < 0 || (seconds as number) > 0xffff_ffff) {
    throw wrong('messageExpiryInterval', 'whole seconds from 0 to 4294967295', seconds)
  }
}

export function checkAlias(alias: unknown): number {
  if (alias === 'auto') return AUTO_ALIAS
  if (!Number.isInteger(alias) || (alias as number) < 1 || (alias as number) > 0xffff) {
    throw wrong('topicAlias', '"auto" or an integer from 1 to 65535', alias)
  }
  return alias as number
}

/** MQTT 5 properties of a publication; undefined when it has none. Expiry and alias are the session's to write. */
export function publishProperties(options: PublishOptions): PublishProperties | undefined {
  const { contentType, responseTopic, correlationData, payloadFormat, userProperties } = options
  if (
    contentType === undefined &&
    responseTopic === undefined &&
    correlationData === undefined &&
    payloadFormat !== 'utf8' &&
    userProperties === undefined
  ) {
    return undefined
  }
  return {
    ...(payloadFormat === 'utf8' ? { payloadFormatIndicator: 1 } : {}),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData }),
    ...(userProperties === undefined ? {} : { userProperties: userPropertyPairs(userProperties) }),
    ...(contentType === undefined ? {} : { contentType }),
  }
}

function wrong(path: string, expected: string, received: unknown): OptionsError {
  return new OptionsError(`${path}: expected ${expected}, got ${String(received)}`, {
    path,
    expected,
    received: String(received),
  })
}

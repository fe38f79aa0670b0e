import type { PublishProperties } from '../codec/packet.ts'
import { wrongOption } from '../errors.ts'
import type { PublishOptions } from './publication.ts'
import { userPropertyPairs } from './user-properties.ts'

/** The session's word for "one of its choice". */
const AUTO_ALIAS = -1

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
      throw wrongOption(key, `one of ${[...KNOWN].join(', ')}`, undefined, 'unknown publish option; ')
    }
  }
  const { messageExpiryInterval, payloadFormat, retain } = options
  if (retain !== undefined && typeof retain !== 'boolean')
    throw wrongOption('retain', 'true or false', String(retain))
  if (payloadFormat !== undefined && payloadFormat !== 'utf8' && payloadFormat !== 'bytes') {
    throw wrongOption('payloadFormat', '"utf8" or "bytes"', String(payloadFormat))
  }
  if (messageExpiryInterval !== undefined) checkSeconds(messageExpiryInterval)
}

export function checkSeconds(seconds: unknown): void {
  if (!Number.isInteger(seconds) || (seconds as number) < 0 || (seconds as number) > 0xffff_ffff) {
    throw wrongOption('messageExpiryInterval', 'whole seconds from 0 to 4294967295', String(seconds))
  }
}

export function checkAlias(alias: unknown): number {
  if (alias === 'auto') return AUTO_ALIAS
  if (!Number.isInteger(alias) || (alias as number) < 1 || (alias as number) > 0xffff) {
    throw wrongOption('topicAlias', '"auto" or an integer from 1 to 65535', String(alias))
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

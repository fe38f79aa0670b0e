import { once } from 'node:events'
import type { Message } from '../index.ts'
import type { Settings } from './args.ts'
import { connect } from './connection.ts'

/**
 * Prints messages until enough have come, the time is over, or the user ends it. Standard output that is slower than
 * the messages slows them down: a message is acknowledged when it is written.
 *
 * @returns whether it ended as it should: `--count` reached, where it was given
 */
export async function subscribe(
  settings: Settings,
  filters: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const client = await connect(settings, {}, signal)
  let left = settings.count ?? Number.POSITIVE_INFINITY
  try {
    const subscription = client.messages([...filters], {
      qos: settings.qos ?? 0,
      ...(settings.fresh === true ? { retainHandling: 2 } : {}),
      signal,
    })
    await subscription.ready
    for await (const message of subscription) {
      if (!process.stdout.write(line(message, settings))) await once(process.stdout, 'drain')
      if (--left === 0) break
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await client.disconnect()
  }
  return settings.count === undefined || left === 0
}

function line(message: Message, settings: Settings): string | Uint8Array {
  if (settings.json === true) return `${JSON.stringify(described(message))}\n`
  const payload = Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.length)
  const newline = Buffer.from('\n')
  if (settings.payload === true) return Buffer.concat([payload, newline])
  return Buffer.concat([Buffer.from(`${message.topic} `), payload, newline])
}

/** Payloads that are not UTF-8 are given in base64, so that nothing is lost. */
function described(message: Message): object {
  const { topic, qos, retain, dup, properties } = message
  const bytes = Buffer.from(message.payload)
  const text = bytes.toString('utf8')
  const payload = Buffer.from(text, 'utf8').equals(bytes)
    ? { payload: text }
    : { payloadBase64: bytes.toString('base64') }
  const { correlationData, ...rest } = properties
  const shown =
    correlationData === undefined
      ? rest
      : { ...rest, correlationDataBase64: Buffer.from(correlationData).toString('base64') }
  return {
    topic,
    ...payload,
    qos,
    retain,
    dup,
    ...(Object.keys(shown).length === 0 ? {} : { properties: shown }),
  }
}

import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { addAbortSignal } from 'node:stream'
import type { PublishOptions } from '../index.ts'
import type { Settings } from './args.ts'
import { connect } from './connection.ts'

const DEFAULT_TIMEOUT_SECONDS = 30

/** Publishes, and ends when the server has taken everything. */
export async function publish(
  settings: Settings,
  topic: string,
  message: string | undefined,
  userSignal: AbortSignal,
): Promise<void> {
  const seconds = settings.timeout ?? DEFAULT_TIMEOUT_SECONDS
  // Lines come for as long as somebody types them.
  const signal =
    settings.lines === true && settings.timeout === undefined
      ? userSignal
      : AbortSignal.any([userSignal, AbortSignal.timeout(seconds * 1000)])
  const client = await connect(settings, {}, signal)
  try {
    const options: PublishOptions = {
      qos: settings.qos ?? 0,
      retain: settings.retain ?? false,
      ...(settings['content-type'] === undefined ? {} : { contentType: settings['content-type'] }),
      ...(settings['user-property'] === undefined ? {} : { userProperties: settings['user-property'] }),
      ...(settings.expiry === undefined ? {} : { messageExpiryInterval: settings.expiry }),
    }
    if (settings.lines === true) {
      const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY, signal })
      for await (const line of lines) {
        await client.publish(topic, line, { ...options, signal }).acked
      }
      // The lines just end then, as if there were no more.
      signal.throwIfAborted()
    } else {
      const payload = message ?? (await content(settings.file as string, signal))
      await client.publish(topic, payload, { ...options, signal }).acked
    }
  } finally {
    await client.disconnect()
  }
}

async function content(file: string, signal: AbortSignal): Promise<Uint8Array> {
  if (file !== '-') return readFile(file)
  const chunks: Uint8Array[] = []
  try {
    // Whoever writes there may never come to an end.
    for await (const chunk of addAbortSignal(signal, process.stdin)) chunks.push(chunk)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  return Buffer.concat(chunks)
}

import { readFile } from 'node:fs/promises'
import { Client, type ClientOptions } from '../index.ts'
import type { Settings } from './args.ts'

/** A connected client for a command. What is not given comes from MQTT_URL, MQTT_USERNAME and MQTT_PASSWORD. */
export async function connect(
  settings: Settings,
  options: ClientOptions,
  signal: AbortSignal,
): Promise<Client> {
  const { env } = process
  const username = settings.username ?? env['MQTT_USERNAME']
  const password = await passwordOf(settings)
  const tls = {
    ...(settings.ca === undefined ? {} : { ca: await readFile(settings.ca) }),
    ...(settings.cert === undefined ? {} : { cert: await readFile(settings.cert) }),
    ...(settings.key === undefined ? {} : { key: await readFile(settings.key) }),
  }
  const client = new Client(settings.url ?? env['MQTT_URL'] ?? 'mqtt://localhost:1883', {
    ...options,
    ...(settings['client-id'] === undefined ? {} : { clientId: settings['client-id'] }),
    ...(settings['mqtt-version'] === undefined ? {} : { protocolVersion: settings['mqtt-version'] }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  })
  try {
    await client.connect({ signal })
  } catch (error) {
    await client.close()
    throw error
  }
  return client
}

async function passwordOf(settings: Settings): Promise<string | undefined> {
  const file = settings['password-file']
  if (file === undefined) return process.env['MQTT_PASSWORD']
  return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
}

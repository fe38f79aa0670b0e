import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import mqtt from 'mqtt'
import { Client } from 'mqtt-await'
import { levelStore, memoryStore, type SessionStore } from 'mqtt-await/store'
import { payloadOf, topics } from './wire.ts'

/** One run: QoS 1 publications of 64 bytes, 4,000 of them under way at a time; reports messages per second. */

export interface StoreOrder {
  readonly variant: StoreVariant
  readonly port: number
  readonly count: number
  /** Of a disk store of MQTT.js: the file to load. */
  readonly module?: string | undefined
}

export interface StoreResult {
  /** Messages per second. */
  readonly rate: number
  /** Processor time per message, the threads of LevelDB included. */
  readonly cpuMicros: number
}

export type StoreVariant =
  | 'no store'
  | 'memoryStore'
  | 'levelStore, process'
  | 'levelStore, disk'
  | 'MQTT.js, memory store'
  | 'MQTT.js, mqtt-level-store'
  | 'MQTT.js, mqtt-nedb-store'
  | 'MQTT.js, mqtt-jsonl-store'

const OUTSTANDING = 4000

const { variant, port, count, module } = JSON.parse(process.argv[2] ?? '{}') as StoreOrder
const place = mkdtempSync(join(tmpdir(), 'mqtt-await-bench-'))
try {
  const publisher = await (variant.startsWith('MQTT.js') ? openMqttJs() : openMqttAwait())
  await run(publisher.publish, count / 4)
  const before = process.cpuUsage()
  const start = process.hrtime.bigint()
  await run(publisher.publish, count)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(before)
  await publisher.close()
  const result: StoreResult = { rate: count / seconds, cpuMicros: (user + system) / count }
  process.send?.(result)
} finally {
  // A store may still be at work in there.
  rmSync(place, { recursive: true, force: true, maxRetries: 10 })
}
process.disconnect?.()

interface Publisher {
  publish(topic: string, payload: Buffer, done: (error?: unknown) => void): void
  close(): Promise<unknown>
}

async function openMqttAwait(): Promise<Publisher> {
  const store = storeOf(variant)
  const client = new Client(`mqtt://127.0.0.1:${port}`, {
    clientId: 'bench',
    reconnect: false,
    ...(store === undefined ? {} : { store }),
  })
  await client.connect()
  return {
    publish: (topic, payload, done) => {
      client.publish(topic, payload, { qos: 1 }).acked.then(() => done(), done)
    },
    close: () => client.close(),
  }
}

function storeOf(name: StoreVariant): SessionStore | undefined {
  if (name === 'memoryStore') return memoryStore()
  if (name === 'levelStore, process') return levelStore(place)
  if (name === 'levelStore, disk') return levelStore(place, { durability: 'disk' })
  return undefined
}

type MqttJsStores = { incoming: mqtt.IStore; outgoing: mqtt.IStore }

/** Two of them give a function, as CommonJS, and one a class, which makes the two stores that MQTT.js takes. */
async function mqttJsStores(): Promise<Pick<mqtt.IClientOptions, 'incomingStore' | 'outgoingStore'>> {
  if (module === undefined) return {}
  const { default: make, Manager } = (await import(pathToFileURL(module).href)) as {
    default?: ((place: string) => MqttJsStores) | object
    Manager?: new (place: string) => JsonlManager
  }
  const { incoming, outgoing } =
    Manager === undefined ? (make as (place: string) => MqttJsStores)(place) : await new Manager(place).open()
  return { incomingStore: incoming, outgoingStore: outgoing }
}

interface JsonlManager {
  open(): Promise<MqttJsStores>
}

async function openMqttJs(): Promise<Publisher> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5,
    clientId: 'bench',
    ...(await mqttJsStores()),
  })
  return {
    publish: (topic, payload, done) => {
      client.publish(topic, payload, { qos: 1 }, (error) => done(error ?? undefined))
    },
    close: () => client.endAsync(true),
  }
}

function run(publish: Publisher['publish'], messages: number): Promise<void> {
  const payload = payloadOf(64)
  return new Promise((resolve, reject) => {
    let published = 0
    let done = 0
    const send = (): void => {
      const topic = topics[published++ % topics.length] as string
      publish(topic, payload, (error) => {
        if (error !== undefined) reject(error)
        else if (++done >= messages) resolve()
        else if (published < messages) send()
      })
    }
    for (let index = 0; index < Math.min(OUTSTANDING, messages); index++) send()
  })
}

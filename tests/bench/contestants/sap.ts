import { createRequire } from 'node:module'
import { ECHO_TOPIC, END_TOPIC, payloadOf, type QoS, START_TOPIC, topics } from '../wire.ts'
import {
  type BenchClient,
  type Contestant,
  Milestone,
  microsecondsSince,
  type PublishLoad,
} from './contestant.ts'

/** What is used of it. Its licence keeps it out of our dependencies: it takes part where somebody has installed it. */
interface SapClient {
  on(event: 'connected' | 'drain' | 'disconnected', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  connect(): void
  disconnect(done: () => void): void
  publish(topic: string, payload: Buffer, qos: QoS, retain: boolean, done: () => void): boolean
  subscribe(filter: string, qos: QoS, receive: () => void, done: () => void): void
}

const PACKAGE = '@sap/xb-msg-mqtt-v311'

/** Its own best number of messages under way, and sizes, found by trying. */
const OUTSTANDING: Readonly<Record<QoS, number>> = { 0: 1000, 1: 500, 2: 500 }
const TUNING = { mqtt: { maxPacketID: 65_535, keepAlive: 60 }, tune: { ostreamChunkDefaultSize: 65_536 } }

class Sap implements BenchClient {
  readonly #client: SapClient
  readonly #received = new Milestone()

  constructor(client: SapClient) {
    this.#client = client
  }

  publish({ count, qos, payload }: PublishLoad): Promise<void> {
    const client = this.#client
    const outstanding = Math.max(1, Math.min(OUTSTANDING[qos], Math.floor(200_000_000 / payload.length)))
    return new Promise((resolve) => {
      let published = 0
      let done = 0
      const settled = (): void => {
        done++
        if (done < count) more()
        else if (qos > 0) resolve()
        else client.publish(END_TOPIC, payloadOf(0), 1, false, resolve)
      }
      const more = (): void => {
        while (published < count && published - done < outstanding) {
          client.publish(topics[published++ % topics.length] as string, payload, qos, false, settled)
        }
      }
      more()
    })
  }

  subscribe(_consumer: string, qos: QoS): Promise<void> {
    const received = this.#received
    return new Promise((resolve) => {
      this.#client.subscribe('bench/site/#', qos, () => received.add(), resolve)
    })
  }

  receive(count: number): Promise<void> {
    const reached = this.#received.reach(count)
    this.#client.publish(START_TOPIC, Buffer.from(String(count)), 0, false, () => {})
    return reached
  }

  async latency(count: number): Promise<number[]> {
    const times: number[] = []
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      await new Promise<void>((resolve) => {
        this.#client.publish(topics[0] as string, Buffer.from('x'.repeat(64)), 1, false, resolve)
      })
      times.push(microsecondsSince(start))
    }
    return times
  }

  async echo(count: number): Promise<number[]> {
    const times: number[] = []
    const received = new Milestone()
    await new Promise<void>((resolve) => {
      this.#client.subscribe(ECHO_TOPIC, 0, () => received.add(), resolve)
    })
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      const back = received.reach(1)
      this.#client.publish(ECHO_TOPIC, Buffer.from('x'.repeat(64)), 0, false, () => {})
      await back
      times.push(microsecondsSince(start))
    }
    return times
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#client.disconnect(resolve))
  }
}

export const sap: Contestant = {
  name: 'SAP',
  consumers: ['event'],
  versions: [4],
  open: (port) => {
    const { Client } = createRequire(import.meta.url)(PACKAGE) as {
      Client: new (options: object) => SapClient
    }
    const client = new Client({ net: { host: '127.0.0.1', port }, ...TUNING })
    return new Promise((resolve, reject) => {
      client.on('connected', () => resolve(new Sap(client)))
      client.on('error', reject)
      client.connect()
    })
  },
}

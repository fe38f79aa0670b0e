import mqtt, { type IClientPublishOptions, type MqttClient, UniqueMessageIdProvider } from 'mqtt'
import {
  contentType,
  ECHO_TOPIC,
  END_TOPIC,
  payloadOf,
  type QoS,
  START_TOPIC,
  topics,
  userProperties,
} from '../wire.ts'
import {
  type BenchClient,
  type Contestant,
  Milestone,
  microsecondsSince,
  type PublishLoad,
} from './contestant.ts'

/** Its own best numbers of messages under way, found by trying. */
const OUTSTANDING: Readonly<Record<QoS, number>> = { 0: 200, 1: 2000, 2: 2000 }

class MqttJsClient implements BenchClient {
  readonly #client: MqttClient
  readonly #received = new Milestone()

  constructor(client: MqttClient) {
    this.#client = client
  }

  publish({ count, qos, payload, withProperties }: PublishLoad): Promise<void> {
    const client = this.#client
    const options: IClientPublishOptions = { qos }
    if (withProperties)
      options.properties = { contentType, userProperties: Object.fromEntries(userProperties) }
    const outstanding = Math.max(1, Math.min(OUTSTANDING[qos], Math.floor(200_000_000 / payload.length)))
    return new Promise((resolve, reject) => {
      let published = 0
      let done = 0
      const settled = (error: Error | null | undefined): void => {
        if (error) {
          reject(error)
          return
        }
        done++
        if (done === count) {
          if (qos > 0) resolve()
          else client.publish(END_TOPIC, '', { qos: 1 }, (failed) => (failed ? reject(failed) : resolve()))
        } else more()
      }
      const more = (): void => {
        while (published < count && published - done < outstanding) {
          client.publish(topics[published++ % topics.length] as string, payload, options, settled)
        }
      }
      more()
    })
  }

  async subscribe(_consumer: string, qos: QoS): Promise<void> {
    this.#client.on('message', () => this.#received.add())
    await this.#client.subscribeAsync('bench/site/#', { qos })
  }

  receive(count: number): Promise<void> {
    const reached = this.#received.reach(count)
    this.#client.publish(START_TOPIC, String(count))
    return reached
  }

  async latency(count: number): Promise<number[]> {
    const times: number[] = []
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      await this.#client.publishAsync(topics[0] as string, 'x'.repeat(64), { qos: 1 })
      times.push(microsecondsSince(start))
    }
    return times
  }

  async echo(count: number): Promise<number[]> {
    const times: number[] = []
    let arrived: () => void = () => {}
    this.#client.on('message', () => arrived())
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      const back = new Promise<void>((resolve) => {
        arrived = resolve
      })
      this.#client.publish(ECHO_TOPIC, 'x'.repeat(64))
      await back
      times.push(microsecondsSince(start))
    }
    return times
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true)
  }
}

export const mqttJs: Contestant = {
  name: 'MQTT.js',
  consumers: ['event'],
  versions: [4, 5],
  open: async (port, version) =>
    new MqttJsClient(
      await mqtt.connectAsync({ host: '127.0.0.1', port, protocolVersion: version, reconnectPeriod: 0 }),
    ),
  queue: async (count) => {
    // Its default provider of packet ids wraps round after 65,535 and loses messages; this one refuses instead.
    const client = mqtt.connect({ manualConnect: true, messageIdProvider: new UniqueMessageIdProvider() })
    const promises: Promise<unknown>[] = []
    for (let index = 0; index < Math.min(count, 65_535); index++) {
      promises.push(client.publishAsync(topics[index % topics.length] as string, payloadOf(64), { qos: 1 }))
    }
    return [client, promises]
  },
}

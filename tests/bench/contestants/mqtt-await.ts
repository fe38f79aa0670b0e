import { Client, type Message, type Publication, type PublishOptions, type Subscription } from 'mqtt-await'
import {
  contentType,
  ECHO_TOPIC,
  END_TOPIC,
  payloadOf,
  type QoS,
  START_TOPIC,
  topics,
  userProperties,
  type Version,
} from '../wire.ts'
import {
  type BenchClient,
  type Consumer,
  type Contestant,
  Milestone,
  microsecondsSince,
  type PublishLoad,
} from './contestant.ts'

/** QoS 1 and 2 messages under way. */
const OUTSTANDING = 4000

class MqttAwaitClient implements BenchClient {
  readonly #client: Client
  readonly #received = new Milestone()

  constructor(client: Client) {
    this.#client = client
  }

  async publish(load: PublishLoad): Promise<void> {
    if (load.qos === 0) await this.#publishQoS0(load)
    else await this.#publishAcknowledged(load)
  }

  async #publishQoS0({ count, payload, withProperties }: PublishLoad): Promise<void> {
    const client = this.#client
    const options: PublishOptions = withProperties ? { qos: 0, contentType, userProperties } : { qos: 0 }
    for (let index = 0; index < count; index++) {
      client.publish(topics[index % topics.length] as string, payload, options)
      if (client.needsDrain) await client.drained()
    }
    await client.publish(END_TOPIC, '', { qos: 1 }).acked
  }

  /** Every message's own promise is listened to. */
  #publishAcknowledged({ count, qos, payload, withProperties }: PublishLoad): Promise<void> {
    const client = this.#client
    const options: PublishOptions = withProperties ? { qos, contentType, userProperties } : { qos }
    return new Promise((resolve, reject) => {
      let published = 0
      let done = 0
      const settled = (): void => {
        done++
        if (done === count) resolve()
        else if (published < count) send()
      }
      const send = (): void => {
        const publication: Publication = client.publish(
          topics[published++ % topics.length] as string,
          payload,
          options,
        )
        publication.acked.then(settled, reject)
      }
      for (let index = 0; index < Math.min(OUTSTANDING, count); index++) send()
    })
  }

  async subscribe(consumer: Consumer, qos: QoS): Promise<void> {
    const received = this.#received
    if (consumer === 'event') {
      this.#client.on('message', () => received.add())
      await this.#client.subscribe('bench/site/#', { qos })
      return
    }
    if (consumer === 'handle') {
      await this.#client.handle('bench/site/#', () => received.add(), { qos }).ready
      return
    }
    const subscription = this.#client.messages('bench/site/#', { qos })
    void (consumer === 'batches' ? this.#batches(subscription) : this.#each(subscription))
    await subscription.ready
  }

  async #each(subscription: Subscription): Promise<void> {
    for await (const _message of subscription) this.#received.add()
  }

  async #batches(subscription: Subscription): Promise<void> {
    for await (const messages of subscription.batches()) this.#received.add(messages.length)
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
      await this.#client.publish(topics[0] as string, 'x'.repeat(64), { qos: 1 }).acked
      times.push(microsecondsSince(start))
    }
    return times
  }

  async echo(count: number): Promise<number[]> {
    const times: number[] = []
    const messages = this.#client.messages(ECHO_TOPIC)[Symbol.asyncIterator]()
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      this.#client.publish(ECHO_TOPIC, 'x'.repeat(64))
      await messages.next()
      times.push(microsecondsSince(start))
    }
    await messages.return()
    return times
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}

async function open(port: number, version: Version): Promise<Client> {
  // 3.1.1 has no Receive Maximum; the other clients have no limit but the packet ids.
  const client = new Client(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: version,
    maxInflight: 65_535,
    reconnect: false,
  })
  await client.connect()
  return client
}

export const mqttAwait: Contestant = {
  name: 'mqtt-await',
  consumers: ['event', 'handle', 'for await', 'batches'],
  versions: [4, 5],
  open: async (port, version) => new MqttAwaitClient(await open(port, version)),

  dispatch: async (port, filters) => {
    const client = await open(port, 4)
    const received = new Milestone()
    const count = (_message: Message): void => received.add()
    const handles = Array.from({ length: filters }, (_, index) =>
      client.handle(filters === 1 ? 'bench/site/#' : `bench/site/${index}/temperature`, count),
    )
    await Promise.all(handles.map((handle) => handle.ready))
    return {
      receive: (messages) => {
        const reached = received.reach(messages)
        client.publish(START_TOPIC, String(messages))
        return reached
      },
      close: async () => {
        await client.close()
      },
    }
  },

  queue: async (count) => {
    const client = new Client('mqtt://127.0.0.1:1', { queue: { maxMessages: count } })
    const promises: Promise<unknown>[] = []
    for (let index = 0; index < count; index++) {
      promises.push(client.publish(topics[index % topics.length] as string, payloadOf(64), { qos: 1 }).acked)
    }
    return [client, promises]
  },
}

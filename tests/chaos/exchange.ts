import { Client, type ClientOptions } from 'mqtt-await'

export interface ExchangeResult {
  /** Payloads that were acknowledged to the publisher and came on the subscriber's wire, but never reached the application. */
  readonly lost: string[]
  /** Payloads that were acknowledged to the publisher and never came on the subscriber's wire. */
  readonly missing: string[]
  /** Payloads that came on the wire and that nobody had published. */
  readonly altered: string[]
  /** QoS 2 payloads that the application got more often than the rules of MQTT 4.3.3 make of what was on the wire. */
  readonly doubledByClient: string[]
  /** QoS 2 payloads that the broker sent again as a new message, after PUBREL had ended the first exchange. */
  readonly sentAgainByBroker: string[]
  /** Publications that were not acknowledged. */
  readonly rejected: number
  readonly publisherConnections: number
  readonly subscriberConnections: number
}

/** How long what was acknowledged before may come after the last message. */
const PATIENCE_MS = 10_000

/** Takes the receiver's part of MQTT 4.3.3 on the packets alone: what should the application have got? */
class ReferenceReceiver {
  readonly deliveries = new Map<string, number>()
  readonly #held = new Set<number>()

  constructor(client: Client) {
    client.on('packetreceive', (packet) => {
      if (packet.type === 'connack' && !packet.sessionPresent) this.#held.clear()
      else if (packet.type === 'pubrel') this.#held.delete(packet.packetId)
      else if (packet.type === 'publish' && !(packet.qos === 2 && this.#held.has(packet.packetId))) {
        if (packet.qos === 2) this.#held.add(packet.packetId)
        const payload = new TextDecoder().decode(packet.payload)
        this.deliveries.set(payload, (this.deliveries.get(payload) ?? 0) + 1)
      }
    })
  }
}

/**
 * Publishes `count` messages at each of QoS 1 and 2 from one persistent session, and one more when all have been acknowledged;
 * takes them in another session until all are there, or do not come. Each client has its own way to the broker.
 */
export async function exchange(
  publisherOptions: ClientOptions,
  subscriberOptions: ClientOptions,
  {
    topic,
    count,
    payloadBytes,
  }: { readonly topic: string; readonly count: number; readonly payloadBytes: number },
): Promise<ExchangeResult> {
  const common: ClientOptions = {
    sessionExpiryInterval: 600,
    cleanStart: false,
    keepAlive: 1,
    connectTimeoutMs: 2_000,
    reconnect: { minDelayMs: 5, maxDelayMs: 100, initial: true, stableAfterMs: 0 },
  }
  const publisher = new Client({ ...common, ...publisherOptions, clientId: `${topic}-publisher` })
  const subscriber = new Client({ ...common, ...subscriberOptions, clientId: `${topic}-subscriber` })
  const reference = new ReferenceReceiver(subscriber)
  const deliveries = new Map<string, number>()
  try {
    await Promise.all([publisher.connect(), subscriber.connect()])
    const patience = new AbortController()
    const subscription = subscriber.messages(`${topic}/#`, { qos: 2, signal: patience.signal })
    await subscription.ready
    const padding = '.'.repeat(payloadBytes)
    const payloads: string[] = []
    const acked: Promise<unknown>[] = []
    for (let index = 0; index < count; index++) {
      for (const qos of [1, 2] as const) {
        const payload = `${qos}:${index}:${padding}`
        payloads.push(payload)
        acked.push(publisher.publish(`${topic}/${qos}`, payload, { qos }).acked)
      }
    }
    const outcomes = Promise.allSettled(acked).then((settled) => {
      publisher.publish(`${topic}/end`, 'end', { qos: 2 })
      return settled
    })
    let timer: ReturnType<typeof setTimeout> | undefined
    for await (const message of subscription) {
      const payload = message.text()
      deliveries.set(payload, (deliveries.get(payload) ?? 0) + 1)
      if (deliveries.has('end') && payloads.every((one) => deliveries.has(one))) break
      // After a reconnect Mosquitto 2.0.11 now and then sends again in an order of its own: the last may come before others.
      if (payload === 'end') timer = setTimeout(() => patience.abort(), PATIENCE_MS)
    }
    clearTimeout(timer)
    const settled = await outcomes
    const label = (payload: string): string => payload.slice(0, payload.lastIndexOf(':'))
    const doubled = payloads.filter(
      (payload) => payload.startsWith('2:') && (deliveries.get(payload) ?? 0) > 1,
    )
    const isRepeated = (payload: string): boolean => (reference.deliveries.get(payload) ?? 0) > 1
    const absent = payloads.filter(
      (payload, index) => settled[index]?.status === 'fulfilled' && !deliveries.has(payload),
    )
    return {
      lost: absent.filter((payload) => reference.deliveries.has(payload)).map(label),
      missing: absent.filter((payload) => !reference.deliveries.has(payload)).map(label),
      altered: [...reference.deliveries.keys()].filter(
        (payload) => payload !== 'end' && !payloads.includes(payload),
      ),
      doubledByClient: doubled
        .filter((payload) => (deliveries.get(payload) ?? 0) > (reference.deliveries.get(payload) ?? 0))
        .map(label),
      sentAgainByBroker: doubled.filter(isRepeated).map(label),
      rejected: settled.filter(({ status }) => status === 'rejected').length,
      publisherConnections: publisher.stats.connections,
      subscriberConnections: subscriber.stats.connections,
    }
  } finally {
    await Promise.all([publisher.close(), subscriber.close()])
  }
}

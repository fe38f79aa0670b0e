import {
  CallbackAPIVersion,
  Client,
  type MQTTMessage,
  MQTTv5,
  PacketTypes,
  Properties,
} from 'mqtt-await/compat'
import { memoryStore, type SessionStore } from 'mqtt-await/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'
import { ChaosProxy } from '../support/chaos-proxy.ts'

/**
 * A publisher and a subscriber as a program of Paho would have them, with a network between them and Mosquitto that ends
 * connections anywhere: nothing of QoS 1 and 2 is lost, and nothing of QoS 2 is told twice.
 */

const V2 = CallbackAPIVersion.VERSION2
const COUNT = 300
const BAD_CONNECTIONS = 8
let seed = Number(process.env['CHAOS_SEED'] ?? 1)
let run = 0

/** Connects until it works, as the loop does afterwards. */
function begin(client: Client, port: number): void {
  client.reconnect_delay_set(0.01, 0.05)
  const properties = new Properties(PacketTypes.CONNECT)
  properties.SessionExpiryInterval = 3600
  // MQTT 3 does not look at them.
  client.connect_async('127.0.0.1', port, 5, { clean_start: false, properties })
  client.loop_start()
}

describeMosquitto('through a network that cuts connections', () => {
  let broker: Mosquitto

  beforeAll(async () => {
    broker = await Mosquitto.start({ listeners: ['tcp'], settings: ['max_queued_messages 0'] })
  })

  afterAll(async () => {
    await broker.dispose()
  })

  function make(id: string, protocol: 4 | 5, keywords: object, session_store: SessionStore | null): Client {
    const clean_session = protocol === MQTTv5 ? null : false
    return new Client(V2, id, clean_session, { ...keywords, protocol, session_store })
  }

  test.each([
    [4, false, false],
    [4, true, false],
    [5, true, false],
    [5, false, true],
    [4, true, true],
  ] as const)(
    'protocol %d, manual_ack %s, stores %s',
    { timeout: 60_000 },
    async (protocol, manual_ack, stores) => {
      run += 1
      seed += 1
      const topic = `compat/${run}`
      const plan = (connection: number, random: { integer(low: number, high: number): number }) =>
        connection < BAD_CONNECTIONS
          ? {
              lifeBytes: random.integer(1, 6_000),
              ending: random.integer(0, 1) === 0 ? ('fin' as const) : ('reset' as const),
            }
          : {}
      await using there = await ChaosProxy.start(broker.port('tcp'), seed * 1_000, plan)
      await using back = await ChaosProxy.start(broker.port('tcp'), seed * 2_000, plan)
      const store = (): SessionStore | null => (stores ? memoryStore() : null)
      const subscriber = make(`sub${run}`, protocol, { manual_ack }, store())
      const told = new Map<string, number>()
      const late: MQTTMessage[] = []
      subscriber.on_message = (client, _userdata, message: MQTTMessage) => {
        const text = `${message.qos} ${Buffer.from(message.payload)}`
        told.set(text, (told.get(text) ?? 0) + 1)
        if (!manual_ack) return
        // Some at once, some later, and out of their order.
        if (told.size % 3 === 0) client.ack(message.mid, message.qos)
        else late.push(message)
        if (late.length > 4) for (const one of late.splice(0).reverse()) client.ack(one.mid, one.qos)
      }
      const subscribed = new Promise<void>((resolve) => {
        subscriber.on_connect = (client, _userdata, flags) => {
          if (!flags.session_present) client.subscribe(topic, 2)
          else resolve()
        }
        subscriber.on_subscribe = () => resolve()
      })
      begin(subscriber, back.port)
      await subscribed
      const publisher = make(`pub${run}`, protocol, {}, store())
      begin(publisher, there.port)
      const unfinished = new Set<number>()
      publisher.on_publish = (_client, _userdata, mid: number) => unfinished.delete(mid)
      for (let number = 0; number < COUNT; number++) {
        for (const qos of [1, 2]) unfinished.add(publisher.publish(topic, String(number), qos).mid)
        if (number % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      }
      const expected = Array.from({ length: COUNT }, (_, number) => [`1 ${number}`, `2 ${number}`]).flat()
      const until = performance.now() + 40_000
      while ((unfinished.size > 0 || told.size < expected.length) && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        for (const one of late.splice(0)) subscriber.ack(one.mid, one.qos)
      }
      const report = `seed ${seed}\n${there.history.join('\n')}\n${back.history.join('\n')}`
      expect(unfinished.size, report).toBe(0)
      expect(
        expected.filter((text) => !told.has(text)),
        report,
      ).toEqual([])
      const doubled = [...told].filter(([text, times]) => text.startsWith('2') && times > 1)
      expect(doubled, report).toEqual([])
      expect(there.connections + back.connections).toBeGreaterThan(4)
      for (const client of [publisher, subscriber]) {
        client.disconnect()
        await client.loop_stop()
      }
    },
  )
})

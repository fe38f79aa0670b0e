import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Client, type ClientOptions, ConnectError, type Message, type QoS } from 'mqtt-await'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  describeMosquitto,
  type EmbeddedBroker,
  freePorts,
  Mosquitto,
  mosquittoPath,
  startAedes,
} from '../support/brokers.ts'

interface Broker {
  readonly url: string
  close(): Promise<void>
}

const brokers: Record<string, () => Promise<Broker>> = {
  aedes: async () => {
    const broker: EmbeddedBroker = await startAedes()
    return broker
  },
  mosquitto: async () => {
    const broker = await Mosquitto.start({ settings: ['max_queued_messages 0', 'max_inflight_messages 20'] })
    return { url: broker.url(), close: () => broker.dispose() }
  },
}

/** A TCP line that can be cut. */
async function startLine(target: string) {
  const { port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`,
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

for (const [name, start] of Object.entries(brokers)) {
  describe.skipIf(name === 'mosquitto' && mosquittoPath === undefined)(name, () => {
    let broker: Broker
    beforeAll(async () => {
      broker = await start()
    })
    afterAll(() => broker.close())

    describe.each([4, 5] as const)('protocol version %i', (protocolVersion) => {
      const open = async (options: ClientOptions = {}) => {
        const client = new Client(broker.url, { protocolVersion, ...options })
        await client.connect()
        return client
      }

      test('messages arrive in order, once, at each QoS', async () => {
        await using client = await open()
        for (const qos of [0, 1, 2] as const) {
          const subscription = client.messages(`order/${qos}`, { qos })
          await subscription.ready
          const count = 500
          for (let n = 0; n < count; n++) client.publish(`order/${qos}`, String(n), { qos })
          const seen = await subscription.take(count)
          expect(seen.map((message) => Number(message.text()))).toEqual(
            Array.from({ length: count }, (_, n) => n),
          )
          await subscription.close()
        }
      })

      test('subscribe() with the message event', async () => {
        await using client = await open()
        const seen: string[] = []
        client.on('message', (message) => seen.push(`${message.topic} ${message.text()}`))
        expect(await client.subscribe(['event/+', { filter: 'other', qos: 1 }])).toEqual([
          { filter: 'event/+', reasonCode: 0, grantedQos: 0 },
          { filter: 'other', reasonCode: 1, grantedQos: 1 },
        ])
        await client.publish('event/a', '1', { qos: 1 }).acked
        await client.publish('other', '2', { qos: 1 }).acked
        await client.ping()
        expect(seen.sort()).toEqual(['event/a 1', 'other 2'])
        await client.unsubscribe(['event/+', 'other'])
        await client.publish('event/a', '3', { qos: 1 }).acked
        await client.ping()
        expect(seen).toHaveLength(2)
      })

      test('a retained message, and a will after close()', async () => {
        const topic = `will/${protocolVersion}`
        await using watcher = await open()
        const wills = watcher.messages(topic, { qos: 1 })
        await wills.ready
        const doomed = await open({ will: { topic, payload: 'gone', qos: 1, retain: true } })
        await doomed.close()
        expect((await wills.first({ timeoutMs: 10_000 })).text()).toBe('gone')
        const later = await watcher.messages(topic).first({ timeoutMs: 10_000 })
        expect(later.retain).toBe(true)
        await watcher.publish(topic, '', { retain: true, qos: 1 }).acked
      })

      test('a line that is cut over and over loses nothing and doubles no QoS 2 message', {
        timeout: 60_000,
      }, async () => {
        const line = await startLine(broker.url)
        const reconnect = { minDelayMs: 20, maxDelayMs: 50, jitter: 'none' } as const
        const session = { sessionExpiryInterval: 600, reconnect, clientId: `cut-${name}-${protocolVersion}` }
        await using consumer = await open()
        const seen = new Map<string, number>()
        const count = 300
        const topics: readonly [string, QoS][] = [
          [`cut/${protocolVersion}/1`, 1],
          [`cut/${protocolVersion}/2`, 2],
        ]
        const subscription = consumer.messages(
          topics.map(([topic]) => topic),
          { qos: 2 },
        )
        await subscription.ready
        const producer = new Client(line.url, { protocolVersion, ...session })
        await producer.connect()
        // aedes remembers only sessions with subscriptions.
        await producer.subscribe('unused')
        const acked: Promise<unknown>[] = []
        let cuts = 0
        const cutter = setInterval(() => {
          if (cuts < 8) line.cut()
          cuts++
        }, 120)
        for (let n = 0; n < count; n++) {
          for (const [topic, qos] of topics) acked.push(producer.publish(topic, String(n), { qos }).acked)
          if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
        }
        await Promise.all(acked)
        clearInterval(cutter)
        const isComplete = () => topics.every(([topic]) => countOf(seen, topic) === count)
        for await (const message of subscription as AsyncIterable<Message>) {
          const key = `${message.topic} ${message.text()}`
          seen.set(key, (seen.get(key) ?? 0) + 1)
          if (isComplete()) break
        }
        expect(producer.stats.connectionsLost).toBeGreaterThan(0)
        const doubled = [...seen].filter(
          ([key, times]) => times > 1 && key.startsWith(`cut/${protocolVersion}/2`),
        )
        expect(doubled).toEqual([])
        await producer.disconnect({ sessionExpiryInterval: 0 })
        line.close()
      })
    })
  })
}

function countOf(seen: ReadonlyMap<string, number>, topic: string): number {
  let count = 0
  for (const key of seen.keys()) if (key.startsWith(`${topic} `)) count++
  return count
}

describe('failures', () => {
  test('a wrong port gives one clear error and leaves nothing running', async () => {
    const [port] = await freePorts(1)
    const client = new Client(`mqtt://127.0.0.1:${port}`)
    const error = await client.connect().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConnectError)
    expect((error as ConnectError).cause).toMatchObject({ code: 'ECONNREFUSED' })
    expect((error as Error).message).toContain(`mqtt://127.0.0.1:${port}`)
    expect(client.state).toBe('idle')
    await client.close()
  })

  test.skipIf(mosquittoPath === undefined)('a refused login, on both versions', async () => {
    await using broker = await Mosquitto.start({ users: { someone: 'secret' } })
    for (const protocolVersion of [4, 5] as const) {
      const client = new Client(broker.url(), { protocolVersion, username: 'someone', password: 'wrong' })
      const error = await client.connect().catch((error: unknown) => error)
      expect(error).toBeInstanceOf(ConnectError)
      expect([0x86, 0x87]).toContain((error as ConnectError).reasonCode)
      expect(client.state).toBe('closed')
      const right = new Client(broker.url().replace('//', '//someone:secret@'), { protocolVersion })
      await right.connect()
      await right.disconnect()
    }
  })

  test.skipIf(mosquittoPath === undefined)(
    'a broker that is stopped and started again',
    { timeout: 30_000 },
    async () => {
      await using broker = await Mosquitto.start()
      const client = new Client(broker.url(), { reconnect: { minDelayMs: 50, maxDelayMs: 100 } })
      await client.connect()
      const subscription = client.messages('again', { qos: 1 })
      await subscription.ready
      await broker.kill()
      const queued = client.publish('again', 'while away', { qos: 1 })
      await broker.start()
      await queued.acked
      const message = await subscription.first({ timeoutMs: 10_000 })
      expect(message.text()).toBe('while away')
      expect(message.afterGap).toBe(true)
      await client.disconnect()
    },
  )

  test('a malformed CONNACK', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(Uint8Array.of(0x20, 3, 2, 0, 0)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const client = new Client(`mqtt://127.0.0.1:${port}`)
    await expect(client.connect()).rejects.toMatchObject({ code: 'ERR_MQTT_PROTOCOL', packet: 'CONNACK' })
    await client.close()
    server.close()
  })
})

describeMosquitto('a program that computes while an answer comes in', () => {
  let broker: Mosquitto
  beforeAll(async () => {
    broker = await Mosquitto.start()
  })
  afterAll(async () => {
    await broker?.dispose()
  })

  /** When it is over, the timer that judges the answer is due, and runs before the answer is read. */
  function compute(milliseconds: number): void {
    const end = performance.now() + milliseconds
    while (performance.now() < end);
  }

  test('keeps its connection when that is the answer to a ping', async () => {
    const client = new Client(broker.url(), { keepAlive: 1 })
    await client.connect()
    const computed = new Promise<void>((resolve) => {
      client.on('packetsend', ({ type }) => {
        if (type !== 'pingreq') return
        // The answer is due half a second after the ping, which leaves first. Timers come next in the event loop.
        setImmediate(() => {
          compute(540)
          resolve()
        })
      })
    })
    await computed
    await client.ping()
    expect(client.stats).toMatchObject({ connections: 1, connectionsLost: 0 })
    await client.close()
  })

  test('keeps its connection when that is an acknowledgement', async () => {
    const client = new Client(broker.url(), { ackTimeoutMs: 200 })
    await client.connect()
    const publication = client.publish('computing', 'x', { qos: 1 })
    // After the tick that writes it.
    process.nextTick(() => compute(300))
    await publication.acked
    expect(client.stats).toMatchObject({ connections: 1, connectionsLost: 0 })
    await client.close()
  })
})

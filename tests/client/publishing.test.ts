import { getEventListeners } from 'node:events'
import {
  Client,
  type ClientOptions,
  ClosedError,
  type MqttError,
  OptionsError,
  PublishError,
  QueueFullError,
  SessionLostError,
} from 'mqtt-await'
import { memoryStore } from 'mqtt-await/store'
import { describe, expect, test } from 'vitest'
import { ScriptedBroker, settled } from './scripted-broker.ts'
import { type Answer, acceptAll, outcomeOf, ScriptedServer, TestClock } from './scripted-server.ts'

async function setup(options: ClientOptions = {}, answer: Answer = acceptAll) {
  const server = new ScriptedServer(answer)
  const clock = new TestClock()
  const client = new Client(
    { transport: server.transport, clientId: 'me', keepAlive: 0, ...options },
    undefined,
    clock,
  )
  const errors: MqttError[] = []
  client.on('error', (error) => errors.push(error))
  return { server, clock, client, errors }
}

/** A server that leaves publications without an answer. */
const silent: Answer = (packet, connection) => {
  if (packet.type !== 'publish' && packet.type !== 'pubrel') acceptAll(packet, connection)
}

const granting =
  (properties: object): Answer =>
  (packet, connection) => {
    if (packet.type === 'connect')
      connection.send({ type: 'connack', sessionPresent: false, reasonCode: 0, properties })
    else acceptAll(packet, connection)
  }

describe('a publication', () => {
  test('goes through its states at each QoS', async () => {
    const { client, clock } = await setup()
    const early = [0, 1, 2].map((qos) => client.publish('t', 'x', { qos: qos as 0 }))
    expect(early.map(({ state }) => state)).toEqual(['queued', 'queued', 'queued'])
    await client.connect()
    for (const { sent, stored, acked } of early) await Promise.all([sent, stored, acked])
    expect(early.map(({ state }) => state)).toEqual(['sent', 'acked', 'acked'])
    const now = client.publish('t', 'x')
    expect(now.state).toBe('sent')
    expect(await now.acked).toEqual({ reasonCode: 0, properties: undefined })
    await clock.settle()
    await client.close()
  })

  test('at QoS 0 sent at once, all share one promise', async () => {
    const { client } = await setup()
    await client.connect()
    expect(client.publish('a').acked).toBe(client.publish('b').acked)
    await client.close()
  })

  test('resolves with the reason code and the properties of its answer', async () => {
    const { client } = await setup({}, (packet, connection) => {
      if (packet.type !== 'publish') return acceptAll(packet, connection)
      connection.send({
        type: 'puback',
        packetId: packet.packetId,
        reasonCode: 0x10,
        properties: { reasonString: 'nobody' },
      })
    })
    await client.connect()
    expect(await client.publish('t', 'x', { qos: 1 }).acked).toEqual({
      reasonCode: 0x10,
      properties: { reasonString: 'nobody' },
    })
    await client.close()
  })

  test('a refusal rejects acked once, and nothing else', async () => {
    const { client, errors, clock } = await setup({}, (packet, connection) => {
      if (packet.type !== 'publish') return acceptAll(packet, connection)
      connection.send({ type: 'pubrec', packetId: packet.packetId, reasonCode: 0x97 })
    })
    await client.connect()
    const publication = client.publish('t', 'x', { qos: 2 })
    await expect(publication.acked).rejects.toMatchObject({ reasonCode: 0x97, topic: 't' })
    expect(publication.state).toBe('failed')
    await clock.settle()
    expect(errors).toEqual([])
    await client.close()
  })

  test('a failure that nobody asked about is counted and emitted', async () => {
    const { client, errors, clock } = await setup({}, (packet, connection) => {
      if (packet.type !== 'publish') return acceptAll(packet, connection)
      connection.send({ type: 'puback', packetId: packet.packetId, reasonCode: 0x87 })
    })
    await client.connect()
    client.publish('t', 'x', { qos: 1 })
    await clock.settle()
    expect(errors).toHaveLength(1)
    expect(errors[0]).toBeInstanceOf(PublishError)
    expect(client.stats).toMatchObject({ errors: 1, publishFailures: 1 })
    await client.close()
  })

  test('is taken back while it is not on the wire', async () => {
    const { client, errors, clock, server } = await setup()
    const publication = client.publish('t', 'x', { qos: 1 })
    expect(publication.cancel()).toBe(true)
    expect(publication.cancel()).toBe(false)
    await expect(publication.acked).rejects.toMatchObject({ code: 'ERR_MQTT_CANCELLED' })
    await client.connect()
    await clock.settle()
    expect(server.last.types).not.toContain('publish')
    const sent = client.publish('t', 'x', { qos: 1 })
    expect(sent.cancel()).toBe(false)
    await sent.acked
    expect(errors).toEqual([])
    await client.close()
  })

  test('signal: before it is sent it takes the publication back, afterwards it ends the waiting alone', async () => {
    const { client, clock, server } = await setup({}, silent)
    const abort = new AbortController()
    const before = client.publish('t', 'x', { qos: 1, signal: abort.signal })
    const reason = new Error('changed my mind')
    abort.abort(reason)
    await expect(before.acked).rejects.toBe(reason)
    expect(() => client.publish('t', 'x', { signal: abort.signal })).toThrow(reason)
    await client.connect()
    const later = new AbortController()
    const after = client.publish('t', 'x', { qos: 1, signal: later.signal })
    await clock.settle()
    later.abort(reason)
    await expect(after.acked).rejects.toBe(reason)
    expect(client.stats.inFlight).toBe(1)
    server.last.send({ type: 'puback', packetId: after.packetId, reasonCode: 0 })
    await clock.settle()
    expect(client.stats.inFlight).toBe(0)
    await client.close()
  })

  test.each([
    ['none that nobody asked for', {}, undefined, [undefined, undefined]],
    ['one where it is asked for', {}, 'auto', [1, 1]],
    ['one for all with `autoTopicAlias`', { autoTopicAlias: true }, undefined, [1, 1]],
  ] as const)('has a Topic Alias: %s', async (_, options, topicAlias, expected) => {
    const { client, clock, server } = await setup(options, granting({ topicAliasMaximum: 5 }))
    await client.connect()
    for (let times = 0; times < 2; times++) client.publish('a/long/topic', 'x', { topicAlias })
    await clock.settle()
    const sent = server.last.packets.filter((packet) => packet.type === 'publish')
    expect(sent.map(({ properties }) => properties?.topicAlias)).toEqual(expected)
    await client.close()
  })

  test('carries its properties', async () => {
    const { client, clock, server } = await setup({}, granting({ topicAliasMaximum: 5 }))
    await client.connect()
    client.publish('t', 'x', {
      contentType: 'text/plain',
      responseTopic: 'r',
      correlationData: Uint8Array.of(1, 2),
      payloadFormat: 'utf8',
      messageExpiryInterval: 9,
      userProperties: { a: '1', b: ['2', '3'] },
      topicAlias: 3,
    })
    client.publish('u', 'x', {
      topicAlias: 'auto',
      userProperties: [
        ['a', '1'],
        ['a', '2'],
      ],
    })
    await clock.settle()
    const [first, second] = server.last.packets.filter(({ type }) => type === 'publish')
    expect(first).toMatchObject({
      properties: {
        contentType: 'text/plain',
        responseTopic: 'r',
        correlationData: Uint8Array.of(1, 2),
        payloadFormatIndicator: 1,
        messageExpiryInterval: 9,
        userProperties: [
          ['a', '1'],
          ['b', '2'],
          ['b', '3'],
        ],
        topicAlias: 3,
      },
    })
    expect(second).toMatchObject({
      properties: {
        userProperties: [
          ['a', '1'],
          ['a', '2'],
        ],
      },
    })
    await client.close()
  })
})

describe('publish() throws for what can never be right', () => {
  test.each([
    ['an empty topic', ''],
    ['a wildcard', 'a/+'],
    ['U+0000', 'a\0b'],
  ])('%s', async (_, topic) => {
    const { client } = await setup()
    expect(() => client.publish(topic)).toThrow(OptionsError)
    expect(client.stats.published).toBe(0)
    await client.close()
  })

  test.each([
    ['no store', {}, 0],
    ['no store', {}, 1],
    ['no store', {}, 2],
    ['a store', { memoryMessages: 100 }, 0],
    ['a store', { memoryMessages: 100 }, 1],
    ['a store', { memoryMessages: 100 }, 2],
    ['a store that everything waits in', { memoryMessages: 0 }, 1],
  ] as const)(
    'online too, with %s (%o), at QoS %i, and it is as if nothing had been published',
    async (_, queue, qos) => {
      const store = 'memoryMessages' in queue ? memoryStore() : undefined
      const { client, clock, server } = await setup(store === undefined ? {} : { store, queue })
      await client.connect()
      const before = { ...client.stats }
      const bad: [topic: unknown, options?: object][] = [
        ['', {}],
        ['a/+'],
        ['a\0b'],
        ['\ud800'],
        ['x'.repeat(65_536)],
        [7],
        [undefined],
        ['t', { responseTopic: 'a/#' }],
        ['t', { userProperties: { a: '\udc00' } }],
        ['t', { contentType: 'x'.repeat(65_536) }],
      ]
      for (const [topic, options] of bad) {
        expect(() => client.publish(topic as string, 'x', { qos, ...options })).toThrow(OptionsError)
        if (qos === 0 && options === undefined) {
          expect(() => client.publish(topic as string, 'x')).toThrow(OptionsError)
        }
      }
      expect(client.stats).toEqual(before)
      const good = client.publish('good', 'x', { qos })
      await clock.settle()
      await good.acked
      const publishes = server.last.packets.filter((packet) => packet.type === 'publish')
      expect(publishes).toMatchObject([{ topic: 'good', qos }])
      await client.close()
    },
  )

  test('QoS, options, payloads and properties', async () => {
    const { client } = await setup()
    expect(() => client.publish('t', 'x', { qos: 3 as 2 })).toThrow(OptionsError)
    expect(() => client.publish('t', 'x', { QoS: 1 } as object)).toThrow(/QoS/)
    expect(() => client.publish('t', { a: 1 } as never)).toThrow(OptionsError)
    expect(() => client.publish('t', 'x', { responseTopic: 'a/#' })).toThrow(OptionsError)
    expect(() => client.publish('t', 'x', { messageExpiryInterval: -1 })).toThrow(OptionsError)
    expect(() => client.publish('t', 'x', { topicAlias: 0 })).toThrow(OptionsError)
    await client.close()
    expect(() => client.publish('t')).toThrow(ClosedError)
  })

  test('what the server of the connection does not take', async () => {
    const { client, errors, clock } = await setup(
      {},
      granting({ maximumPacketSize: 100, maximumQoS: 1, retainAvailable: false }),
    )
    await client.connect()
    expect(() => client.publish('t', 'x'.repeat(100))).toThrow(PublishError)
    expect(() => client.publish('t', 'x', { qos: 2 })).toThrow(/Maximum QoS/)
    expect(() => client.publish('t', 'x', { retain: true })).toThrow(/retained/)
    await clock.settle()
    expect(errors).toEqual([])
    await client.close()
  })
})

describe('the queue', () => {
  test('"reject" refuses the new one', async () => {
    const { client, clock } = await setup({ queue: { maxMessages: 2 } })
    const kept = [client.publish('a'), client.publish('b')]
    const refused = client.publish('c')
    await expect(refused.acked).rejects.toBeInstanceOf(QueueFullError)
    await client.connect()
    await Promise.all(kept.map(({ acked }) => acked))
    await clock.settle()
    await client.close()
  })

  test('"drop-oldest" makes room, and tells', async () => {
    const { client, clock, server, errors } = await setup({
      queue: { maxBytes: 10, overflow: 'drop-oldest' },
    })
    const dropped: string[] = []
    client.on('dropped', ({ publication }) => dropped.push(String(publication?.topic)))
    const first = client.publish('a', '12345', { qos: 1 })
    client.publish('b', '12345')
    client.publish('c', '12345')
    await expect(first.acked).rejects.toMatchObject({ code: 'ERR_MQTT_QUEUE_DROPPED' })
    client.publish('d', '12345')
    await clock.settle()
    // `a` had somebody who asked.
    expect(dropped).toEqual(['b'])
    expect(errors).toEqual([])
    await client.connect()
    await clock.settle()
    expect(server.last.packets.filter(({ type }) => type === 'publish')).toMatchObject([
      { topic: 'c' },
      { topic: 'd' },
    ])
    await client.close()
  })

  test('maxBytes bounds it with each policy; what is larger than the whole queue costs no other', async () => {
    for (const overflow of ['reject', 'drop-oldest', 'drop-newest'] as const) {
      const { client } = await setup({ queue: { maxBytes: 10, overflow } })
      const kept = client.publish('a', '1234567890', { qos: 1 })
      const large = client.publish('b', '12345678901', { qos: 1 })
      await expect(large.acked).rejects.toMatchObject({
        code: overflow === 'reject' ? 'ERR_MQTT_QUEUE_FULL' : 'ERR_MQTT_QUEUE_DROPPED',
        message: expect.stringContaining('"b"'),
      })
      expect(client.stats).toMatchObject({ queuedMessages: 1, queuedBytes: 10 })
      await client.connect()
      await kept.acked
      await client.close()
    }
  })

  test('"drop-newest" drops the new one, and tells', async () => {
    const { client, clock, errors } = await setup({ queue: { maxMessages: 1, overflow: 'drop-newest' } })
    const dropped: string[] = []
    client.on('dropped', ({ publication }) => dropped.push(String(publication?.topic)))
    client.publish('a')
    client.publish('b')
    await clock.settle()
    expect(dropped).toEqual(['b'])
    expect(client.stats.dropped).toBe(1)
    expect(errors).toEqual([])
    await client.close()
  })

  test('maxAgeMs and messageExpiryInterval end what waits too long', async () => {
    const { client, clock } = await setup({ queue: { maxAgeMs: 2_000 } })
    const aged = client.publish('a', 'x', { qos: 1 })
    const expiring = client.publish('a', 'x', { qos: 1, messageExpiryInterval: 1 })
    const [one, two] = [outcomeOf(aged.acked), outcomeOf(expiring.acked)]
    expect(await one).toBe('pending')
    expect(await two).toBe('pending')
    await clock.pass(1_000)
    expect(await outcomeOf(expiring.acked)).toMatchObject({ code: 'ERR_MQTT_MESSAGE_EXPIRED' })
    await clock.pass(1_500)
    expect(await outcomeOf(aged.acked)).toMatchObject({ code: 'ERR_MQTT_MESSAGE_EXPIRED' })
    await client.close()
  })

  test('qos0: "reject" and "drop" keep nothing while there is no connection', async () => {
    const rejecting = await setup({ queue: { qos0: 'reject' } })
    await expect(rejecting.client.publish('a').acked).rejects.toMatchObject({
      code: 'ERR_MQTT_NOT_CONNECTED',
    })
    await rejecting.client.close()
    const dropping = await setup({ queue: { qos0: 'drop' } })
    const dropped: string[] = []
    dropping.client.on('dropped', ({ reason }) => dropped.push(reason))
    dropping.client.publish('a')
    await dropping.clock.settle()
    expect(dropped).toHaveLength(1)
    expect(dropping.errors).toEqual([])
    await dropping.client.close()
  })

  test('what expired never reaches the wire, and the rest is counted down', async () => {
    const { client, clock, server } = await setup()
    client.publish('gone', 'x', { qos: 1, messageExpiryInterval: 1 }).acked.catch(() => {})
    client.publish('kept', 'x', { qos: 1, messageExpiryInterval: 10 })
    await clock.pass(3_000)
    await client.connect()
    await clock.settle()
    expect(server.last.packets.filter(({ type }) => type === 'publish')).toMatchObject([
      { topic: 'kept', properties: { messageExpiryInterval: 7 } },
    ])
    await client.close()
  })
})

describe('producers', () => {
  test.each(['its signal', 'the client', 'a publication'])(
    'publishFrom() does not wait for a source that gives nothing more when %s ends it',
    async (what) => {
      const broker = new ScriptedBroker()
      if (what === 'a publication') broker.puback = () => 0x87
      const client = await broker.client()
      const abort = new AbortController()
      const source = async function* () {
        yield { topic: 'a', qos: 1 as const }
        await new Promise(() => {})
      }
      const ended = client.publishFrom(source(), { signal: abort.signal }).catch((error: unknown) => error)
      await broker.next('publish')
      await settled()
      if (what === 'its signal') abort.abort(new Error('mine'))
      if (what === 'the client') void client.close()
      expect(await ended).toMatchObject(
        {
          'its signal': { message: 'mine' },
          'the client': { code: 'ERR_MQTT_CLOSED' },
          'a publication': { reasonCode: 0x87 },
        }[what] ?? {},
      )
    },
  )

  test('flush() waits for what was published before, and for nothing after', async () => {
    const { client, clock, server } = await setup({}, silent)
    await client.connect()
    const first = client.publish('a', 'x', { qos: 1 })
    const second = client.publish('a', 'x', { qos: 2 })
    const flushed = client.flush()
    client.publish('b', 'x', { qos: 1 })
    await clock.settle()
    server.last.send({ type: 'puback', packetId: first.packetId, reasonCode: 0 })
    server.last.send({ type: 'pubrec', packetId: second.packetId, reasonCode: 0 })
    await clock.settle()
    expect(await outcomeOf(flushed)).toBe('pending')
    server.last.send({ type: 'pubcomp', packetId: second.packetId, reasonCode: 0 })
    await clock.settle()
    await flushed
    await client.close()
  })

  test('needsDrain and drained()', async () => {
    const { client } = await setup()
    let published = 0
    while (!client.needsDrain) {
      client.publish('a', 'x', { qos: 1 })
      published++
    }
    expect(published).toBeGreaterThan(100)
    const drained = client.drained()
    expect(await outcomeOf(drained)).toBe('pending')
    await client.connect()
    await drained
    expect(client.needsDrain).toBe(false)
    await client.close()
  })

  test('publishFrom() goes no faster than the connection', async () => {
    const { client } = await setup()
    await client.connect()
    let most = 0
    const count = await client.publishFrom(
      (async function* () {
        for (let n = 0; n < 5_000; n++) {
          most = Math.max(most, client.stats.queuedMessages + client.stats.inFlight)
          yield { topic: 'a', payload: String(n), qos: 1 as const }
        }
      })(),
    )
    expect(count).toBe(5_000)
    expect(most).toBeLessThan(5_000)
    await client.close()
  })

  test('flush(), drained() and publishFrom() end with their signal, and with the client', async () => {
    const { client, clock } = await setup({}, silent)
    await client.connect()
    const reason = new Error('enough')
    for (const wait of [
      (signal?: AbortSignal) => client.flush({ signal }),
      (signal?: AbortSignal) => client.drained({ signal }),
      (signal?: AbortSignal) => client.publishFrom([{ topic: 'a', qos: 1 as const }], { signal }),
    ]) {
      // Both have something to wait for.
      for (let n = 0; n < 20_000; n++) client.publish('a', 'x', { qos: 1 })
      const abort = new AbortController()
      const waiting = wait(abort.signal)
      await clock.settle()
      abort.abort(reason)
      await expect(waiting).rejects.toBe(reason)
    }
    const left = [client.flush(), client.drained(), client.publishFrom([{ topic: 'a', qos: 1 as const }])]
    const outcomes = Promise.allSettled(left)
    await client.close()
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_MQTT_CLOSED' } })
    }
  })

  test('publishFrom() ends with the first publication that fails, and lets go of its source', async () => {
    const { client } = await setup({}, (packet, connection) => {
      if (packet.type === 'publish' && packet.topic === 'forbidden') {
        connection.send({ type: 'puback', packetId: packet.packetId, reasonCode: 0x87 })
      } else acceptAll(packet, connection)
    })
    await client.connect()
    let hasEnded = false
    async function* source() {
      try {
        yield { topic: 'forbidden', qos: 1 as const }
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve))
          yield { topic: 'a', qos: 1 as const }
        }
      } finally {
        hasEnded = true
      }
    }
    await expect(client.publishFrom(source())).rejects.toMatchObject({ topic: 'forbidden', reasonCode: 0x87 })
    expect(hasEnded).toBe(true)
    await client.close()
  })

  test('a plain loop that the network keeps up with is told to wait, and lets it be heard in between', async () => {
    const { client, clock } = await setup()
    await client.connect()
    let turns = 0
    for (let n = 0; n < 40_000; n++) {
      client.publish('a', 'x'.repeat(100))
      if (!client.needsDrain) continue
      const drained = client.drained()
      await clock.settle()
      await drained
      turns++
    }
    // Once for each MiB or so.
    expect(turns).toBeGreaterThan(2)
    expect(turns).toBeLessThan(20)
    await client.close()
  })

  test('a lost session rejects QoS 2 that may have arrived, and republishes QoS 1', async () => {
    const { client, clock, server } = await setup({ reconnect: { jitter: 'none', minDelayMs: 10 } }, silent)
    await client.connect()
    const one = client.publish('one', 'x', { qos: 1 })
    const two = client.publish('two', 'x', { qos: 2 })
    const rejected = outcomeOf(two.acked)
    await clock.settle()
    server.answer = acceptAll
    server.last.cut()
    await clock.pass(10)
    await one.acked
    expect(await outcomeOf(two.acked)).toBeInstanceOf(SessionLostError)
    await rejected
    expect(server.last.packets.filter(({ type }) => type === 'publish')).toMatchObject([
      { topic: 'one', dup: false },
    ])
    await client.close()
  })

  test.each([0, 1, 2] as const)('QoS %i: what is settled no longer listens to its signal', async (qos) => {
    const { client } = await setup()
    const { signal } = new AbortController()
    const early = client.publish('early', 'x', { qos, signal })
    await client.connect()
    await early.acked
    for (let n = 0; n < 20; n++) await client.publish('a', 'x', { qos, signal }).acked
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await client.close()
  })
})

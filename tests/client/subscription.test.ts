import { ClosedError, type Message, QueueFullError, SubscribeError, TimeoutError } from 'mqtt-await'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { ScriptedBroker, settled } from './scripted-broker.ts'

const unhandled: unknown[] = []
const record = (reason: unknown): void => {
  unhandled.push(reason)
}
beforeAll(() => {
  process.on('unhandledRejection', record)
})
afterAll(() => {
  process.off('unhandledRejection', record)
})
afterEach(() => {
  expect(unhandled.splice(0)).toEqual([])
})

const texts = (messages: readonly Message[]): string[] => messages.map((message) => message.text())

describe('a loop', () => {
  test.each(['messages', 'batches'] as const)(
    'of %s that a payload ends hands out what came before it, and what came behind it goes to the next loop',
    async (way) => {
      const broker = new ScriptedBroker()
      const client = await broker.client()
      const options = { schema: z.number(), onInvalid: 'throw', qos: 1 } as const
      const subscription = client.messages('a', options)
      await subscription.ready
      const ids = broker.publish(
        ...['1', 'x', '2', '3'].map((payload) => ['a', { payload, qos: 1 }] as const),
      )
      await settled()
      const seen: unknown[] = []
      const run = async (): Promise<void> => {
        if (way === 'messages') for await (const { value } of subscription) seen.push(value)
        else for await (const batch of subscription.batches()) seen.push(...batch.map(({ value }) => value))
      }
      await expect(run()).rejects.toMatchObject({ code: 'ERR_MQTT_PAYLOAD' })
      expect(seen).toEqual([1])
      const again = await client.messages('a', options).take(2)
      expect(again.map(({ value }) => value)).toEqual([2, 3])
      await settled()
      expect(broker.all('puback').map(({ packetId }) => packetId)).toEqual(ids)
    },
  )

  test.each(['messages', 'batches'] as const)(
    'of %s that is left while a payload is being checked leaves the message to the next loop',
    async (way) => {
      const broker = new ScriptedBroker()
      const client = await broker.client()
      let accept: (value: boolean) => void = () => {}
      const schema = z.string().refine(() => new Promise<boolean>((resolve) => (accept = resolve)))
      const subscription = client.messages('a', { schema, qos: 1 })
      await subscription.ready
      const loop = way === 'messages' ? subscription[Symbol.asyncIterator]() : subscription.batches()
      const next = loop.next()
      broker.publish(['a', { payload: '"1"', qos: 1 }], ['a', { payload: '"2"', qos: 1 }])
      await settled()
      await loop.return()
      accept(true)
      expect(await next).toEqual({ value: undefined, done: true })
      const again = await client.messages('a', { qos: 1 }).take(2)
      // What was in hand and what waited: both are there.
      expect(texts(again).sort()).toEqual(['"1"', '"2"'])
      await settled()
      expect(broker.all('puback')).toHaveLength(2)
    },
  )

  test('gets what came since the call, before it began and while it runs', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a/#')
    await subscription.ready
    broker.publish(['a/1', { payload: '1', ids: [broker.idOf('a/#')] }], ['a/2', { payload: '2' }])
    await settled()
    expect(subscription.queued).toBe(2)
    const seen: string[] = []
    for await (const message of subscription) {
      seen.push(`${message.topic}=${message.text()}`)
      if (seen.length === 2) broker.publish(['a/3', { payload: '3' }])
      if (seen.length === 3) break
    }
    expect(seen).toEqual(['a/1=1', 'a/2=2', 'a/3=3'])
  })

  test.each(['break', 'throw', 'close', 'signal', 'await using'] as const)(
    'that ends by %s unsubscribes',
    async (how) => {
      const broker = new ScriptedBroker()
      const client = await broker.client()
      const abort = new AbortController()
      const run = async (): Promise<void> => {
        await using subscription = client.messages('a', { signal: abort.signal })
        await subscription.ready
        if (how === 'await using') return
        for await (const _ of subscription) {
          if (how === 'break') break
          if (how === 'throw') throw new Error('of the body')
          if (how === 'close') void subscription.close()
          else abort.abort()
        }
      }
      const ended = run()
      await broker.next('subscribe')
      broker.publish(['a'])
      if (how === 'throw') await expect(ended).rejects.toThrow('of the body')
      else await ended
      expect((await broker.next('unsubscribe')).filters).toEqual(['a'])
      expect(broker.all('unsubscribe')).toHaveLength(1)
    },
  )

  test('that was never begun ends the subscription when it is left, and throw() rejects with its error', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const never = client.messages('never')[Symbol.asyncIterator]()
    expect(await never.return()).toEqual({ value: undefined, done: true })
    expect(await never.next()).toEqual({ value: undefined, done: true })
    expect((await broker.next('unsubscribe')).filters).toEqual(['never'])
    const thrown = client.messages('thrown')[Symbol.asyncIterator]()
    await expect(thrown.throw(new Error('enough'))).rejects.toThrow('enough')
    expect(await thrown.next()).toEqual({ value: undefined, done: true })
    await broker.next('unsubscribe', ({ filters }) => filters[0] === 'thrown')
  })

  test('that is abandoned keeps the subscription, and what comes waits for another loop', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a')
    await subscription.ready
    broker.publish(['a', { payload: '1', qos: 1 }], ['a', { payload: '2', qos: 1 }])
    const abandoned = subscription[Symbol.asyncIterator]()
    expect((await abandoned.next()).value?.text()).toBe('1')
    const second = subscription[Symbol.asyncIterator]()
    expect((await second.next()).value?.text()).toBe('2')
    await settled()
    expect(broker.all('unsubscribe')).toEqual([])
    expect(client.stats.unacknowledged).toBe(2)
    await subscription.close()
    expect((await abandoned.next()).done).toBe(true)
  })

  test('that waits ends when the subscription is closed', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a')
    const next = subscription[Symbol.asyncIterator]().next()
    await subscription.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('shares the messages with a second loop over the same subscription, which ends with the last of them', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { qos: 1 })
    const one = subscription[Symbol.asyncIterator]()
    const other = subscription[Symbol.asyncIterator]()
    const nexts = [one.next(), other.next(), one.next()]
    const ids = broker.publish(
      ['a', { payload: '1', qos: 1 }],
      ['a', { payload: '2', qos: 1 }],
      ['a', { payload: '3', qos: 1 }],
    )
    const results = await Promise.all(nexts)
    expect(results.map(({ value }) => value?.text())).toEqual(['1', '2', '3'])
    await one.return()
    await settled()
    expect(broker.all('unsubscribe')).toEqual([])
    // The first loop has finished with 1 by asking for 3, and with 3 by leaving; 2 is still in the other's hands and holds 3 back.
    expect(broker.all('puback').map(({ packetId }) => packetId)).toEqual([ids[0]])
    await other.return()
    await broker.next('unsubscribe')
    await settled()
    expect(broker.all('puback').map(({ packetId }) => packetId)).toEqual(ids)
  })

  test('left while it waits does not swallow a message of the other', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a')
    const one = subscription[Symbol.asyncIterator]()
    const other = subscription[Symbol.asyncIterator]()
    const nexts = [one.next(), other.next()]
    await one.return()
    expect((await nexts[0])?.done).toBe(true)
    broker.publish(['a', { payload: 'for the other' }])
    expect((await nexts[1])?.value?.text()).toBe('for the other')
  })

  test('ends in peace when the client is closed, and after it gives nothing more', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a')
    const loop = (async () => {
      for await (const _ of subscription);
      return 'over'
    })()
    await client.close()
    expect(await loop).toBe('over')
    await expect(subscription[Symbol.asyncIterator]().next()).resolves.toEqual({
      done: true,
      value: undefined,
    })
  })

  test('ends with the error of the client when it ends in one, after what had come', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client({ reconnect: false })
    const subscription = client.messages('a')
    broker.publish(['a', { payload: 'last' }])
    await settled()
    broker.drop()
    const { error } = await client.closed
    const seen: string[] = []
    const loop = (async () => {
      for await (const message of subscription) seen.push(message.text())
    })()
    await expect(loop).rejects.toBe(error)
    expect(error).toBeDefined()
    expect(seen).toEqual(['last'])
  })

  test('does not hand out what can no longer be acknowledged', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { qos: 2 })
    broker.publish(['a', { payload: 'q0' }], ['a', { payload: 'q2', qos: 2 }], ['a', { payload: 'q0 too' }])
    await settled()
    await client.disconnect()
    const seen: string[] = []
    for await (const message of subscription) seen.push(message.text())
    expect(seen).toEqual(['q0', 'q0 too'])
  })

  test('survives a reconnect, and says where a session was lost', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client({ sessionExpiryInterval: 60, cleanStart: false })
    const subscription = client.messages('a')
    await subscription.ready
    const iterator = subscription[Symbol.asyncIterator]()
    broker.publish(['a', { payload: 'before' }])
    expect((await iterator.next()).value?.afterGap).toBe(false)
    broker.connack = { sessionPresent: true }
    broker.drop()
    await expect.poll(() => broker.all('connect').length).toBe(2)
    await settled()
    expect(broker.all('subscribe')).toHaveLength(1)
    broker.publish(['a', { payload: 'kept' }])
    expect((await iterator.next()).value?.afterGap).toBe(false)
    broker.connack = { sessionPresent: false }
    broker.drop()
    await expect.poll(() => broker.all('subscribe').length).toBe(2)
    broker.publish(['a', { payload: 'lost' }], ['a', { payload: 'after' }])
    const first = (await iterator.next()).value
    expect([first?.text(), first?.afterGap]).toEqual(['lost', true])
    expect((await iterator.next()).value?.afterGap).toBe(false)
    // Who came later has missed nothing.
    const later = client.messages('b')
    broker.publish(['b'])
    expect((await later.first()).afterGap).toBe(false)
  })
})

describe('ready', () => {
  test('resolves with the answer per filter', async () => {
    const broker = new ScriptedBroker()
    broker.suback = ({ filters }) => filters.map(({ filter }) => (filter === 'b' ? 1 : 2))
    const client = await broker.client()
    expect(await client.messages(['a', 'b'], { qos: 2 }).ready).toEqual([
      { filter: 'a', reasonCode: 2, grantedQos: 2 },
      { filter: 'b', reasonCode: 1, grantedQos: 1 },
    ])
  })

  test('rejects when one filter is refused, which ends the loop with the same error', async () => {
    const broker = new ScriptedBroker()
    broker.suback = ({ filters }) => filters.map(({ filter }) => (filter === 'secret' ? 0x87 : 0))
    const client = await broker.client()
    const subscription = client.messages(['open', 'secret'])
    const loop = (async () => {
      for await (const _ of subscription);
    })()
    const error = await subscription.ready.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(SubscribeError)
    expect(error).toMatchObject({ filter: 'secret', reasonCode: 0x87, code: 'ERR_MQTT_SUBSCRIBE' })
    await expect(loop).rejects.toBe(error)
    // What was granted is given back.
    expect((await broker.next('unsubscribe')).filters).toEqual(['open'])
  })

  test('a refusal that nobody waits for is reported once', async () => {
    const broker = new ScriptedBroker()
    broker.suback = () => [0x80]
    const client = await broker.client()
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    client.messages('a')
    await settled()
    expect(errors).toEqual([expect.objectContaining({ filter: 'a', reasonCode: 0x80 })])
  })

  test('rejects when the subscription is closed before the answer', async () => {
    const broker = new ScriptedBroker()
    broker.suback = () => undefined
    const client = await broker.client()
    const subscription = client.messages('a')
    const { ready } = subscription
    void subscription.close()
    await expect(ready).rejects.toBeInstanceOf(ClosedError)
  })

  test('rejects with the reason of a signal', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const reason = new Error('enough')
    await expect(client.messages('a', { signal: AbortSignal.abort(reason) }).ready).rejects.toBe(reason)
    expect(broker.all('subscribe')).toEqual([])
  })

  test('waits for the first connection', async () => {
    const broker = new ScriptedBroker()
    const client = broker.idleClient()
    const subscription = client.messages('a')
    await client.connect()
    expect(await subscription.ready).toHaveLength(1)
  })
})

describe('first and take', () => {
  test('end the subscription when their signal has aborted before', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { qos: 1 })
    await subscription.ready
    await expect(subscription.first({ signal: AbortSignal.abort(new Error('mine')) })).rejects.toThrow('mine')
    expect((await broker.next('unsubscribe')).filters).toEqual(['a'])
    expect((await subscription[Symbol.asyncIterator]().next()).done).toBe(true)
  })

  test('give the next messages and end the subscription', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const two = client.messages('a').take(2)
    broker.publish(['a', { payload: '1' }], ['a', { payload: '2' }], ['a', { payload: '3' }])
    expect(texts(await two)).toEqual(['1', '2'])
    await broker.next('unsubscribe')
    const first = client.messages('b').first()
    broker.publish(['b', { payload: 'b' }])
    expect((await first).text()).toBe('b')
  })

  test('acknowledge what they give, so that a small window does not stop them', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client({ receiveMaximum: 1 })
    const three = client.messages('a', { qos: 1 }).take(3)
    for (const payload of ['1', '2', '3']) {
      const [id] = broker.publish(['a', { payload, qos: 1 }])
      await broker.next('puback', ({ packetId }) => packetId === id)
    }
    expect(texts(await three)).toEqual(['1', '2', '3'])
  })

  test('reject after timeoutMs, by a signal, and for an end without a message', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await expect(client.messages('a').first({ timeoutMs: 5 })).rejects.toBeInstanceOf(TimeoutError)
    const abort = new AbortController()
    const first = client.messages('a').first({ signal: abort.signal })
    abort.abort(new Error('mine'))
    await expect(first).rejects.toThrow('mine')
    const subscription = client.messages('a')
    const third = subscription.first()
    void subscription.close()
    await expect(third).rejects.toBeInstanceOf(ClosedError)
    expect(() => client.messages('')).toThrow(/filter/)
  })
})

describe('batches', () => {
  test('hand over everything that is there, and acknowledge it when the next is asked for', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const batches = client.messages('a', { qos: 1 }).batches()
    const next = batches.next()
    const ids = broker.publish(...['1', '2', '3'].map((payload) => ['a', { payload, qos: 1 }] as const))
    expect(texts((await next).value ?? [])).toEqual(['1', '2', '3'])
    await settled()
    expect(broker.all('puback')).toEqual([])
    const second = batches.next()
    await broker.next('puback', ({ packetId }) => packetId === ids[2])
    expect(broker.all('puback').map(({ packetId }) => packetId)).toEqual(ids)
    broker.publish(['a', { payload: '4', qos: 1 }])
    expect(texts((await second).value ?? [])).toEqual(['4'])
    await batches.return()
    await broker.next('unsubscribe')
  })
})

describe('toReadableStream', () => {
  test('asks for a message when its reader does, and ends the subscription when it is cancelled', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const reader = client.messages('a', { qos: 1 }).toReadableStream().getReader()
    const [one] = broker.publish(['a', { payload: '1', qos: 1 }], ['a', { payload: '2', qos: 1 }])
    expect((await reader.read()).value?.text()).toBe('1')
    await settled()
    expect(broker.all('puback')).toEqual([])
    expect((await reader.read()).value?.text()).toBe('2')
    expect((await broker.next('puback')).packetId).toBe(one)
    await reader.cancel()
    await broker.next('unsubscribe')
  })

  test('closes with the client', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const reader = client.messages('a').toReadableStream().getReader()
    const read = reader.read()
    await client.close()
    expect((await read).done).toBe(true)
  })
})

describe('a consumer that is too slow', () => {
  test.each([
    ['drop-oldest', ['3', '4']],
    ['drop-newest', ['1', '2', '5']],
  ] as const)('with %s still learns of a gap', async (overflow, seen) => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { highWaterMark: 2, overflow })
    await subscription.ready
    const isDropOldest = overflow === 'drop-oldest'
    if (!isDropOldest) broker.publish(['a', { payload: '1' }], ['a', { payload: '2' }])
    await settled()
    const connected = new Promise((resolve) => client.once('connect', resolve))
    broker.drop()
    await connected
    await settled()
    if (isDropOldest) broker.publish(...['1', '2', '3', '4'].map((payload) => ['a', { payload }] as const))
    else broker.publish(['a', { payload: '3' }], ['a', { payload: '4' }])
    await settled()
    const loop = subscription[Symbol.asyncIterator]()
    const messages: Message[] = []
    for (let count = 0; count < 2; count++) messages.push((await loop.next()).value as Message)
    if (!isDropOldest) {
      broker.publish(['a', { payload: '5' }])
      messages.push((await loop.next()).value as Message)
    }
    expect(texts(messages)).toEqual(seen)
    expect(messages.map(({ afterGap }) => afterGap)).toEqual(
      isDropOldest ? [true, false] : [false, false, true],
    )
  })

  test.each(['messages', 'batches'] as const)(
    'learns of a gap by %s when the first payload behind it does not fit',
    async (way) => {
      const broker = new ScriptedBroker()
      const client = await broker.client()
      const subscription = client.messages('a', { schema: z.number() })
      await subscription.ready
      const connected = new Promise((resolve) => client.once('connect', resolve))
      broker.drop()
      await connected
      await settled()
      broker.publish(['a', { payload: 'x' }], ['a', { payload: '1' }], ['a', { payload: '2' }])
      await settled()
      const messages =
        way === 'messages' ? await subscription.take(2) : ((await subscription.batches().next()).value ?? [])
      expect(messages.map(({ value, afterGap }) => [value, afterGap])).toEqual([
        [1, true],
        [2, false],
      ])
    },
  )

  const flood = (broker: ScriptedBroker, count: number): void => {
    broker.publish(...Array.from({ length: count }, (_, n) => ['a', { payload: String(n) }] as const))
  }

  test('loses the oldest of QoS 0, counted and told', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const dropped: string[] = []
    client.on('dropped', (event) => dropped.push('message' in event ? (event.message?.text() ?? '') : ''))
    const subscription = client.messages('a', { highWaterMark: 3 })
    flood(broker, 5)
    await settled()
    expect(dropped).toEqual(['0', '1'])
    expect([subscription.dropped, subscription.queued, client.stats.dropped]).toEqual([2, 3, 2])
    expect(texts(await subscription.take(3))).toEqual(['2', '3', '4'])
  })

  test('loses the newest where that is asked for', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { highWaterMark: { messages: 3 }, overflow: 'drop-newest' })
    flood(broker, 5)
    await settled()
    expect(subscription.dropped).toBe(2)
    expect(texts(await subscription.take(3))).toEqual(['0', '1', '2'])
  })

  test('is ended with QueueFullError where that is asked for, after what had come', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { highWaterMark: 3, overflow: 'error' })
    flood(broker, 5)
    const seen: string[] = []
    const loop = (async () => {
      await settled()
      for await (const message of subscription) seen.push(message.text())
    })()
    await expect(loop).rejects.toBeInstanceOf(QueueFullError)
    expect(seen).toEqual(['0', '1', '2', '3'])
    await broker.next('unsubscribe')
  })

  test('does not keep what others have too, when a loop that it ended is left before it has read everything', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const slow = client.messages('a', { qos: 1, highWaterMark: 1, overflow: 'error' })
    const other = client.messages('a', { qos: 1 })
    broker.publish(['a', { payload: '0' }], ['a', { payload: '1', qos: 1 }], ['a'], ['a'])
    const all = other.take(4)
    await settled()
    for await (const message of slow) {
      expect(message.text()).toBe('0')
      break
    }
    expect((await all)[1]?.text()).toBe('1')
    await settled()
    expect(client.stats.unacknowledged).toBe(0)
    expect(broker.all('puback')).toHaveLength(1)
  })

  test('is bounded by bytes of payload too', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { highWaterMark: { bytes: 10 } })
    broker.publish(...['xxxx', 'yyyy', 'zzzz'].map((payload) => ['a', { payload }] as const))
    await settled()
    expect(texts(await subscription.take(2))).toEqual(['yyyy', 'zzzz'])
  })

  test('never loses QoS 1: those are not acknowledged', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a', { qos: 1, highWaterMark: 2 })
    broker.publish(...Array.from({ length: 10 }, (_, n) => ['a', { payload: String(n), qos: 1 }] as const))
    await settled()
    expect([subscription.queued, subscription.dropped]).toEqual([10, 0])
    expect(broker.all('puback')).toEqual([])
    expect(client.stats.unacknowledged).toBe(10)
  })

  test('stops neither others nor PINGRESP nor acknowledgements', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    client.messages('slow', { qos: 1, highWaterMark: 1 })
    const quick = client.messages('quick')
    const ping = client.ping()
    broker.publish(...Array.from({ length: 100 }, () => ['slow', { qos: 1 }] as const), [
      'quick',
      { payload: 'here' },
    ])
    broker.send({ type: 'pingresp' })
    expect((await quick.first()).text()).toBe('here')
    expect(await ping).toBeGreaterThanOrEqual(0)
    await client.publish('out', 'x', { qos: 1 }).acked
  })

  test('wrong marks and policies are refused', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    expect(() => client.messages('a', { highWaterMark: 0 })).toThrow(/highWaterMark/)
    expect(() => client.messages('a', { overflow: 'keep' as 'error' })).toThrow(/overflow/)
    expect(() => client.messages('a', { qos: 3 as 2 })).toThrow(/qos/)
    expect(() => client.messages('a/#/b')).toThrow(/MQTT-4.7.1-1/)
    expect(() => client.messages([])).toThrow(/filters/)
    expect(() => client.messages('$share/g/a', { noLocal: true })).toThrow(/noLocal/)
  })
})

import type { Client, Message, Subscription } from 'mqtt-await'
import { describe, expect, test } from 'vitest'
import { ScriptedBroker, settled } from './scripted-broker.ts'

const acked = (broker: ScriptedBroker): number[] => broker.all('puback').map(({ packetId }) => packetId)

async function start(
  version: 4 | 5 = 5,
): Promise<{ broker: ScriptedBroker; client: Client; subscription: Subscription }> {
  const broker = new ScriptedBroker(version)
  const client = await broker.client()
  const subscription = client.messages('a', { qos: 2 })
  await subscription.ready
  return { broker, client, subscription }
}

describe('auto', () => {
  test('acknowledges when the loop asks for the next one', async () => {
    const { broker, subscription } = await start()
    const iterator = subscription[Symbol.asyncIterator]()
    const ids = broker.publish(['a', { qos: 1 }], ['a', { qos: 1 }])
    await iterator.next()
    await settled()
    expect(acked(broker)).toEqual([])
    await iterator.next()
    await settled()
    expect(acked(broker)).toEqual([ids[0]])
    const third = iterator.next()
    await settled()
    expect(acked(broker)).toEqual(ids)
    await iterator.return()
    expect((await third).done).toBe(true)
  })

  test('withholds PUBREC of a QoS 2 message', async () => {
    const { broker, subscription } = await start()
    const iterator = subscription[Symbol.asyncIterator]()
    const [id] = broker.publish(['a', { qos: 2 }])
    await iterator.next()
    await settled()
    expect(broker.all('pubrec')).toEqual([])
    void iterator.next()
    expect((await broker.next('pubcomp')).packetId).toBe(id)
  })

  test('acknowledges the last one a turn after the loop was left', async () => {
    const { broker, subscription } = await start()
    const [id] = broker.publish(['a', { qos: 1 }])
    for await (const _ of subscription) break
    // Everything of this turn is over: microtasks, ticks, and the flush that they have scheduled.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    expect(acked(broker)).toEqual([])
    await settled()
    expect(acked(broker)).toEqual([id])
  })

  test('acknowledges before DISCONNECT what was in hand when the loop was left', async () => {
    const { broker, client, subscription } = await start()
    broker.publish(['a', { qos: 1 }])
    for await (const _ of subscription) break
    await client.disconnect()
    const kinds = broker.received.map(({ type }) => type)
    expect(kinds.indexOf('puback')).toBeGreaterThan(0)
    expect(kinds.indexOf('puback')).toBeLessThan(kinds.indexOf('disconnect'))
  })

  test('leaves what was not handed out unacknowledged for whoever asks next', async () => {
    const { broker, client, subscription } = await start()
    const ids = broker.publish(
      ['a', { payload: '1', qos: 1 }],
      ['a', { payload: '2', qos: 1 }],
      ['a', { payload: '3', qos: 1 }],
    )
    expect((await subscription.first()).text()).toBe('1')
    await settled()
    expect(acked(broker)).toEqual([ids[0]])
    const rest = await client.messages('a', { qos: 1 }).take(2)
    expect(rest.map((message) => message.text())).toEqual(['2', '3'])
    await settled()
    expect(acked(broker)).toEqual(ids)
  })
})

describe('manual', () => {
  test('acknowledges by ack() and nack(), in the order of arrival [MQTT-4.6.0-2]', async () => {
    const { broker, client } = await start()
    const subscription = client.messages('m', { qos: 1, ack: 'manual' })
    const ids = broker.publish(['m', { qos: 1 }], ['m', { qos: 1 }], ['m', { qos: 1 }])
    const iterator = subscription[Symbol.asyncIterator]()
    const messages: Message[] = []
    for (let n = 0; n < 3; n++) messages.push((await iterator.next()).value as Message)
    messages[2]?.ack()
    messages[1]?.nack(0x97)
    await settled()
    expect(acked(broker)).toEqual([])
    messages[0]?.ack()
    await settled()
    expect(broker.all('puback').map(({ packetId, reasonCode }) => [packetId, reasonCode])).toEqual([
      [ids[0], 0],
      [ids[1], 0x97],
      [ids[2], 0],
    ])
    // Again is harmless.
    messages[0]?.ack()
    messages[0]?.nack()
    await settled()
    expect(broker.all('puback')).toHaveLength(3)
  })

  test('refuses reason codes that PUBACK may not carry, and acknowledges nothing then', async () => {
    const { broker, client } = await start()
    const subscription = client.messages('m', { qos: 1, ack: 'manual' })
    broker.publish(['m', { qos: 1 }])
    const { value } = await subscription[Symbol.asyncIterator]().next()
    expect(() => value?.nack(0x8e)).toThrow(/0x80, 0x83/)
    expect(() => value?.nack(0)).toThrow(/reasonCode|reason code/)
    await settled()
    expect(acked(broker)).toEqual([])
  })

  test('nack() is a plain acknowledgement on 3.1.1', async () => {
    const { broker, client } = await start(4)
    const subscription = client.messages('m', { qos: 1, ack: 'manual' })
    const [id] = broker.publish(['m', { qos: 1 }])
    const { value } = await subscription[Symbol.asyncIterator]().next()
    value?.nack()
    expect((await broker.next('puback')).packetId).toBe(id)
  })
})

describe('receipt', () => {
  test('acknowledges at once, as far as the queue has room', async () => {
    const { broker, client } = await start()
    const subscription = client.messages('r', { qos: 1, ack: 'receipt', highWaterMark: 2 })
    const ids = broker.publish(...Array.from({ length: 4 }, () => ['r', { qos: 1 }] as const))
    await settled()
    expect(acked(broker)).toEqual(ids.slice(0, 2))
    await subscription.take(4)
    await settled()
    expect(acked(broker)).toEqual(ids)
  })
})

describe('a message of several subscriptions', () => {
  test('is acknowledged when the last of them is done', async () => {
    const { broker, client, subscription } = await start(4)
    const other = client.messages('+', { qos: 1, ack: 'manual' })
    const seen: string[] = []
    client.on('message', (message) => seen.push(message.topic))
    const [id] = broker.publish(['a', { payload: 'x', qos: 1 }])
    const mine = subscription[Symbol.asyncIterator]()
    const theirs = (await other[Symbol.asyncIterator]().next()).value
    expect((await mine.next()).value?.params).toEqual([])
    expect(theirs?.params).toEqual(['a'])
    expect(seen).toEqual(['a'])
    void mine.next()
    await settled()
    expect(acked(broker)).toEqual([])
    theirs?.ack()
    await settled()
    expect(acked(broker)).toEqual([id])
  })

  test('carries the first failure that any of them reports', async () => {
    const { broker, client, subscription } = await start()
    const other = client.messages('+', { qos: 1, ack: 'manual' })
    await other.ready
    broker.publish([
      'a',
      { qos: 1, ids: [broker.idOf('a'), broker.idOf('+')], properties: { contentType: 'text' } },
    ])
    const theirs = (await other[Symbol.asyncIterator]().next()).value
    theirs?.nack(0x87)
    const mine = subscription[Symbol.asyncIterator]()
    const message = (await mine.next()).value
    expect([message?.properties.contentType, theirs?.properties.contentType]).toEqual(['text', 'text'])
    void mine.next()
    expect(await broker.next('puback')).toMatchObject({ reasonCode: 0x87 })
  })

  test('is not held back by one that is left without having taken it', async () => {
    const { broker, client, subscription } = await start(4)
    const other = client.messages('+', { qos: 1 })
    const [id] = broker.publish(['a', { qos: 1 }])
    const iterator = subscription[Symbol.asyncIterator]()
    await iterator.next()
    void iterator.next()
    await settled()
    expect(acked(broker)).toEqual([])
    await other.close()
    await settled()
    expect(acked(broker)).toEqual([id])
  })
})

describe('listeners of "message"', () => {
  test('are a consumer that is done when they have returned', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.subscribe('a', { qos: 1 })
    const seen: string[] = []
    client.on('message', (message) => {
      seen.push(message.text())
      expect(acked(broker)).toHaveLength(seen.length - 1)
    })
    const [id] = broker.publish(['a', { payload: '1', qos: 1 }])
    await settled()
    expect([seen, acked(broker)]).toEqual([['1'], [id]])
  })

  test('that throw are reported, and the message is acknowledged', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    client.on('message', () => {
      throw new Error('of the listener')
    })
    await client.subscribe('a', { qos: 1 })
    broker.publish(['a', { qos: 1 }])
    await settled()
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_MQTT_LISTENER' })])
    expect(acked(broker)).toHaveLength(1)
  })

  test('nobody listens to a plain subscription: it is acknowledged and gone', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.subscribe('a', { qos: 1 })
    broker.publish(['a', { qos: 1 }])
    await settled()
    expect(acked(broker)).toHaveLength(1)
  })
})

import { SubscribeError } from 'mqtt-await'
import { describe, expect, test } from 'vitest'
import { ScriptedBroker, settled } from './scripted-broker.ts'

describe('what the server is asked for', () => {
  test('is at least one filter', async () => {
    const client = await new ScriptedBroker().client()
    await expect(client.subscribe([])).rejects.toMatchObject({ code: 'ERR_MQTT_OPTIONS', path: 'filters' })
  })

  test('one subscription per filter, however many want it; the last to go unsubscribes', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const one = client.messages('a', { retainHandling: 2 })
    const other = client.messages('a', { retainHandling: 2 })
    await Promise.all([one.ready, other.ready])
    expect(broker.all('subscribe')).toHaveLength(1)
    await one.close()
    expect(broker.all('unsubscribe')).toHaveLength(0)
    await other.close()
    expect(broker.all('unsubscribe')).toHaveLength(1)
  })

  test('a claim with a higher QoS renews it; one with a lower does not', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const options = { retainHandling: 2 } as const
    await client.messages('a', options).ready
    await client.messages('a', { qos: 2, ...options }).ready
    const low = await client.messages('a', { qos: 1, ...options }).ready
    expect(broker.all('subscribe').map(({ filters }) => filters[0]?.qos)).toEqual([0, 2])
    expect(low[0]?.grantedQos).toBe(2)
  })

  test('noLocal only while everybody wants it, retainAsPublished as soon as somebody does', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.messages('a', { noLocal: true, retainHandling: 2 }).ready
    await client.messages('a', { noLocal: false, retainAsPublished: true, retainHandling: 2 }).ready
    expect(broker.all('subscribe').map(({ filters }) => filters[0])).toMatchObject([
      { noLocal: true, retainAsPublished: false },
      { noLocal: false, retainAsPublished: true },
    ])
  })

  test('filters left while offline are unsubscribed when the session is still there', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client({ cleanStart: false, sessionExpiryInterval: 60 })
    const subscription = client.messages('a')
    await subscription.ready
    broker.connack = { sessionPresent: true }
    broker.drop()
    await expect.poll(() => client.connected).toBe(false)
    await subscription.close()
    await expect.poll(() => broker.all('unsubscribe').length).toBe(1)
    expect(broker.all('unsubscribe')[0]?.filters).toEqual(['a'])
  })

  test('everything again when the server has lost the session, with what was merged', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.messages('a').ready
    await client.messages('a', { qos: 1 }).ready
    await client.messages('b/#', { qos: 2 }).ready
    const before = broker.all('subscribe').length
    broker.drop()
    await expect.poll(() => broker.all('subscribe').length).toBeGreaterThan(before)
    await settled()
    const again = broker
      .all('subscribe')
      .slice(before)
      .flatMap(({ filters }) => filters)
    expect(again.map(({ filter, qos }) => [filter, qos])).toEqual([
      ['a', 1],
      ['b/#', 2],
    ])
  })

  test('3.1.1: several filters in one SUBSCRIBE', async () => {
    const broker = new ScriptedBroker(4)
    const client = await broker.client()
    await client.messages(['a', 'b', 'c']).ready
    expect(broker.all('subscribe').map(({ filters }) => filters.length)).toEqual([3])
  })
})

describe('refusals', () => {
  test('of a renewal end who asked for it; who was there before keeps its subscription', async () => {
    const broker = new ScriptedBroker()
    broker.suback = ({ filters }) => filters.map(({ qos }) => (qos === 2 ? 0x87 : qos))
    const client = await broker.client()
    const old = client.messages('a')
    await old.ready
    await expect(client.messages('a', { qos: 2 }).ready).rejects.toBeInstanceOf(SubscribeError)
    await settled()
    expect(broker.all('subscribe').map(({ filters }) => filters[0]?.qos)).toEqual([0, 2, 0])
    broker.publish(['a', { payload: 'still', ids: [broker.idOf('a')] }])
    expect((await old.first()).text()).toBe('still')
  })

  test('after a lost session end the loop', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('a')
    const loop = (async () => {
      for await (const _ of subscription);
    })()
    await subscription.ready
    broker.suback = () => [0x87]
    broker.drop()
    await expect(loop).rejects.toMatchObject({ filter: 'a', reasonCode: 0x87 })
  })

  test('subscribe(): per filter, and rejected only when none was granted', async () => {
    const broker = new ScriptedBroker()
    broker.suback = ({ filters }) => filters.map(({ filter, qos }) => (filter.startsWith('no') ? 0x87 : qos))
    const client = await broker.client()
    expect(await client.subscribe(['yes', { filter: 'no', qos: 1 }], { qos: 2 })).toEqual([
      { filter: 'yes', reasonCode: 2, grantedQos: 2 },
      { filter: 'no', reasonCode: 0x87, grantedQos: undefined },
    ])
    await expect(client.subscribe(['no', 'none'])).rejects.toMatchObject({ filter: 'no', reasonCode: 0x87 })
  })

  test('subscribe() of the same filter twice settles both, and so does an unsubscribe before the answer', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const outcomes = await Promise.all([client.subscribe('a'), client.subscribe('a', { qos: 1 })])
    expect(outcomes.map((each) => each[0]?.filter)).toEqual(['a', 'a'])
    const [, gone] = await Promise.all([client.subscribe('b'), client.unsubscribe('b')])
    expect(gone).toEqual([{ filter: 'b', reasonCode: 0 }])
  })
})

describe('overlapping filters', () => {
  test('5.0, a copy per subscription: each consumer gets its own, once', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const wide = client.messages('a/#')
    const narrow = client.messages('a/b')
    const both = client.messages(['a/#', 'a/+'], { retainHandling: 2 })
    await Promise.all([wide.ready, narrow.ready, both.ready])
    const copies = ['a/#', 'a/b', 'a/+'].map((filter) => ['a/b', { ids: [broker.idOf(filter)] }] as const)
    broker.publish(...copies)
    await settled()
    expect([wide.queued, narrow.queued, both.queued]).toEqual([1, 1, 1])
  })

  test('5.0, one copy with all identifiers: the same', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const wide = client.messages('a/#')
    const narrow = client.messages('a/b')
    const both = client.messages(['a/#', 'a/+'], { retainHandling: 2 })
    await Promise.all([wide.ready, narrow.ready, both.ready])
    broker.publish(['a/b', { ids: ['a/#', 'a/b', 'a/+'].map((filter) => broker.idOf(filter)) }])
    await settled()
    expect([wide.queued, narrow.queued, both.queued]).toEqual([1, 1, 1])
  })

  test('3.1.1: each consumer once per copy, found by topic', async () => {
    const broker = new ScriptedBroker(4)
    const client = await broker.client()
    const wide = client.messages('a/#')
    const both = client.messages(['a/b', 'a/+'])
    const dollar = client.messages('#')
    await settled()
    broker.publish(['a/b'], ['a'], ['$SYS/x'], ['a/b/c'])
    await settled()
    expect([wide.queued, both.queued, dollar.queued]).toEqual([3, 1, 3])
  })

  test('a copy for a consumer that has gone is not given to another', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const wide = client.messages('a/#')
    const narrow = client.messages('a/b')
    await Promise.all([wide.ready, narrow.ready])
    const gone = broker.idOf('a/b')
    await narrow.close()
    broker.publish(['a/b', { ids: [gone] }], ['a/b', { ids: [broker.idOf('a/#')] }])
    await settled()
    expect(wide.queued).toBe(1)
  })

  test('identifiers that nobody here has given out go by topic', async () => {
    const broker = new ScriptedBroker()
    broker.connack = { sessionPresent: true }
    const client = broker.idleClient({ cleanStart: false, sessionExpiryInterval: 60 })
    const subscription = client.messages('a/+')
    await client.connect()
    broker.publish(['a/b', { ids: [1] }], ['x', { ids: [broker.idOf('a/+')] }])
    expect((await subscription.first()).topic).toBe('a/b')
  })

  test('shared subscriptions match by what stands behind the group', async () => {
    const broker = new ScriptedBroker(4)
    const client = await broker.client()
    const shared = client.messages('$share/group/jobs/+')
    broker.publish(['jobs/1'])
    const message = await shared.first()
    expect(message.params).toEqual(['1'])
  })
})

describe('retained messages', () => {
  for (const version of [4, 5] as const) {
    test(`${version}: a later subscription to the filter gets them; an earlier one not again`, async () => {
      const broker = new ScriptedBroker(version)
      const client = await broker.client()
      const ids = (): { ids?: number[] } => (version === 5 ? { ids: [broker.idOf('a/#')] } : {})
      const early = client.messages('a/#')
      await early.ready
      broker.publish(['a/1', { retain: true, ...ids() }], ['a/2', { retain: true, ...ids() }])
      await settled()
      expect(early.queued).toBe(2)
      const late = client.messages('a/#')
      await late.ready
      expect(broker.all('subscribe')).toHaveLength(2)
      broker.publish(['a/1', { retain: true, ...ids() }], ['a/2', { retain: true, ...ids() }], ['a/1', ids()])
      await settled()
      expect([early.queued, late.queued]).toEqual([3, 3])
    })
  }

  test('two subscriptions in one turn share one SUBSCRIBE and both get them', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const [one, other] = [client.messages('a'), client.messages('a')]
    await Promise.all([one.ready, other.ready])
    expect(broker.all('subscribe')).toHaveLength(1)
    broker.publish(['a', { retain: true }])
    await settled()
    expect([one.queued, other.queued]).toEqual([1, 1])
  })

  test('come again to everybody when the session was lost', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const early = client.messages('a')
    await client.messages('a').ready
    broker.publish(['a', { retain: true }])
    await settled()
    expect(early.queued).toBe(1)
    broker.drop()
    await expect.poll(() => broker.all('connect').length).toBe(2)
    await settled()
    broker.publish(['a', { retain: true }])
    await settled()
    expect(early.queued).toBe(2)
  })

  test('are not for who has asked for none; what was QoS 1 is acknowledged all the same', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const none = client.messages('a', { qos: 1, retainHandling: 2 })
    const all = client.messages('a', { qos: 1 })
    await Promise.all([none.ready, all.ready])
    broker.publish(['a', { retain: true, qos: 1 }])
    await settled()
    expect([none.queued, all.queued]).toEqual([0, 1])
    await all.first()
    const again = client.messages('a', { qos: 1, retainHandling: 2 })
    broker.publish(['a', { retain: true, qos: 1 }])
    await settled()
    expect(again.queued).toBe(0)
    expect(broker.all('puback')).toHaveLength(2)
  })
})

describe('what nobody wants yet', () => {
  test('is what follows when a listener has closed the client', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.subscribe('a', { qos: 1 })
    const seen: string[] = []
    client.on('message', (message) => {
      seen.push(message.text())
      void client.close()
    })
    broker.publish(['a', { payload: '1', qos: 1 }], ['a', { payload: '2', qos: 1 }])
    await client.closed
    await settled()
    expect(seen).toEqual(['1'])
  })

  test('goes to a listener for as long as it listens', async () => {
    const broker = new ScriptedBroker()
    broker.connack = { sessionPresent: true }
    const client = await broker.client({ cleanStart: false, sessionExpiryInterval: 100 })
    const ids = broker.publish(...['1', '2', '3'].map((payload) => ['a', { payload, qos: 1 }] as const))
    await settled()
    const seen: string[] = []
    client.once('message', (message) => seen.push(message.text()))
    await settled()
    expect(seen).toEqual(['1'])
    expect(broker.all('puback').map(({ packetId }) => packetId)).toEqual(ids.slice(0, 1))
    const rest = await client.messages('a', { qos: 1 }).take(2)
    expect(rest.map((message) => message.text())).toEqual(['2', '3'])
  })

  const inherited = async (): Promise<{
    broker: ScriptedBroker
    client: ReturnType<ScriptedBroker['idleClient']>
  }> => {
    const broker = new ScriptedBroker()
    broker.connack = { sessionPresent: true }
    const client = await broker.client({ cleanStart: false, sessionExpiryInterval: 60 })
    return { broker, client }
  }

  test('is held, unacknowledged, until somebody asks for it', async () => {
    const { broker, client } = await inherited()
    broker.publish(['a', { payload: '1', qos: 1 }], ['b', { payload: '2', qos: 1 }], ['a', { payload: '3' }])
    await settled()
    expect(broker.all('puback')).toEqual([])
    const messages = await client.messages('a', { qos: 1 }).take(2)
    expect(messages.map((message) => message.text())).toEqual(['1', '3'])
    const seen: string[] = []
    client.on('message', (message) => seen.push(message.text()))
    await settled()
    expect(seen).toEqual(['2'])
    expect(broker.all('puback')).toHaveLength(2)
  })

  test('is bounded at QoS 0', async () => {
    const { broker, client } = await inherited()
    broker.publish(...Array.from({ length: 1_010 }, (_, n) => ['a', { payload: String(n) }] as const))
    await settled()
    expect(client.stats.dropped).toBe(10)
    expect((await client.messages('a').first()).text()).toBe('10')
  })

  test('messages() before connect() takes what a kept session delivers at once', async () => {
    const broker = new ScriptedBroker()
    broker.connack = { sessionPresent: true }
    const client = broker.idleClient({ cleanStart: false, sessionExpiryInterval: 60 })
    const subscription = client.messages('a', { qos: 1 })
    const connected = client.connect()
    await broker.next('connect')
    broker.publish(['a', { payload: 'kept', qos: 1 }])
    await connected
    expect((await subscription.first()).text()).toBe('kept')
  })
})

describe('unsubscribe()', () => {
  test('ends a plain subscription, and one that only the server has; not what a loop needs', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const loop = client.messages('a', { retainHandling: 2 })
    await client.subscribe(['a', 'b'])
    expect(await client.unsubscribe(['a', 'b', 'c'])).toEqual([
      { filter: 'a', reasonCode: 0 },
      { filter: 'b', reasonCode: 0 },
      { filter: 'c', reasonCode: 0 },
    ])
    expect(broker.all('unsubscribe').map(({ filters }) => filters)).toEqual([['b', 'c']])
    broker.publish(['a', { payload: 'x' }])
    expect((await loop.first()).text()).toBe('x')
  })
})

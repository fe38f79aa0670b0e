import { MqttError, topic } from 'mqtt-await'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { readPayload } from './payloads.ts'
import { ScriptedBroker, settled } from './scripted-broker.ts'

const reading = z.object({ celsius: z.number(), at: z.string().optional() })

describe('a template', () => {
  test('is a filter, makes topics and reads them', () => {
    const temperature = topic('site/{site}/temp/{sensor}')
    expect(temperature.filter).toBe('site/+/temp/+')
    expect(temperature.format({ site: 'north', sensor: '7' })).toBe('site/north/temp/7')
    expect(temperature.parse('site/north/temp/7')).toEqual({ site: 'north', sensor: '7' })
    for (const other of ['site/north/temp', 'site/north/temp/7/8', 'plant/north/temp/7']) {
      expect(temperature.parse(other)).toBeUndefined()
    }
  })

  test('may end with a name for all further levels', () => {
    const logs = topic('log/{host}/{path...}')
    expect(logs.filter).toBe('log/+/#')
    expect(logs.format({ host: 'a', path: 'var/log' })).toBe('log/a/var/log')
    expect(logs.parse('log/a/var/log')).toEqual({ host: 'a', path: 'var/log' })
    expect(logs.parse('log/a')).toEqual({ host: 'a', path: '' })
  })

  test.each(['a/+/b', 'a/#', 'a/{x}y', 'a/{x}/{x}', 'a/{x...}/b', 'a/{}', 'a/{1}', ''])(
    '%j is refused',
    (template) => {
      expect(() => topic(template)).toThrow(/template/)
    },
  )

  test.each(['', 'a/b', 'a+', '#', '\0'])('the level %j is refused', (sensor) => {
    const build = (): string => topic('temp/{sensor}').format({ sensor })
    if (sensor === '') expect(build()).toBe('temp/')
    else expect(build).toThrow(/params\.sensor/)
  })
})

describe('a typed topic', () => {
  test('publishes JSON, and gives params and value', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const temperature = topic('site/{site}/temp/{sensor}', reading)
    const subscription = client.messages(temperature)
    temperature.publish(client, { site: 'north', sensor: '7' }, { celsius: 21.5 })
    const sent = await broker.next('publish')
    expect([sent.topic, readPayload(sent)]).toEqual(['site/north/temp/7', '{"celsius":21.5}'])
    broker.publish([sent.topic, { payload: sent.payload }])
    const message = await subscription.first()
    expect([message.params.site, message.params.sensor, message.value.celsius]).toEqual(['north', '7', 21.5])
  })

  test('in a shared group and with a handler too', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const temperature = topic('site/{site}/temp/{sensor}', reading)
    const seen: unknown[] = []
    client.handle(temperature, ({ params, value }) => seen.push([params.site, value.celsius]), { share: 'g' })
    expect((await broker.next('subscribe')).filters[0]?.filter).toBe('$share/g/site/+/temp/+')
    broker.publish(['site/x/temp/y', { payload: '{"celsius":1}', qos: 1 }])
    await settled()
    expect(seen).toEqual([['x', 1]])
  })

  test('of text and of bytes', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const level = topic('level', z.coerce.number(), { format: 'text' })
    const blob = topic('blob', z.instanceof(Uint8Array), { format: 'bytes' })
    const [levels, blobs] = [client.messages(level), client.messages(blob)]
    broker.publish(['level', { payload: ' 7 ' }], ['blob', { payload: Uint8Array.of(1, 2) }])
    expect((await levels.first()).value).toBe(7)
    expect([...(await blobs.first()).value]).toEqual([1, 2])
  })
})

describe.each([
  ['zod', reading],
  ['zod, asynchronous', reading.refine(async ({ celsius }) => celsius < 100)],
  ['valibot', v.object({ celsius: v.pipe(v.number(), v.maxValue(99)) })],
  [
    'valibot, asynchronous',
    v.objectAsync({
      celsius: v.pipeAsync(
        v.number(),
        v.checkAsync(async (n) => n < 100),
      ),
    }),
  ],
] as const)('a schema of %s', (_name, schema) => {
  const bad = ['not json', '{"celsius":"warm"}'] as const

  test('passes over what does not fit, counted and acknowledged', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const reasons: string[] = []
    client.on('dropped', ({ reason }) => reasons.push(reason))
    const subscription = client.messages('t', { qos: 1, schema })
    const iterator = subscription[Symbol.asyncIterator]()
    const next = iterator.next()
    const ids = broker.publish(...bad.map((payload) => ['t', { payload, qos: 1 }] as const), [
      't',
      { payload: '{"celsius":5}', qos: 1 },
    ])
    expect((await next).value?.value.celsius).toBe(5)
    await settled()
    expect(broker.all('puback').map(({ packetId, reasonCode }) => [packetId, reasonCode])).toEqual([
      [ids[0], 0],
      [ids[1], 0],
    ])
    expect(client.stats.dropped).toBe(2)
    expect(reasons[0]).toMatch(/not fit its schema/)
    expect(reasons[1]).toMatch(/celsius/)
    await iterator.return()
  })

  test('refuses it with 0x99 where that is asked for', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    void client
      .messages('t', { qos: 1, schema, onInvalid: 'nack' })
      .first()
      .catch(() => {})
    broker.publish(['t', { payload: bad[1], qos: 1 }])
    expect(await broker.next('puback')).toMatchObject({ reasonCode: 0x99 })
  })

  test('ends the loop where that is asked for', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const subscription = client.messages('t', { qos: 1, schema, onInvalid: 'throw' })
    broker.publish(['t', { payload: bad[1], qos: 1 }])
    const loop = (async () => {
      for await (const _ of subscription);
    })()
    const error = await loop.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(MqttError)
    expect(error).toMatchObject({ code: 'ERR_MQTT_PAYLOAD' })
    await broker.next('unsubscribe')
  })

  test('works on batches', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const batches = client.messages('t', { schema }).batches()
    const next = batches.next()
    broker.publish(
      ['t', { payload: '{"celsius":1}' }],
      ['t', { payload: bad[0] }],
      ['t', { payload: '{"celsius":2}' }],
    )
    expect((await next).value?.map(({ value }) => value.celsius)).toEqual([1, 2])
    await batches.return()
  })
})

import { Client, MqttError, OptionsError, TimeoutError } from 'mqtt-await'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeMosquitto, Mosquitto, startAedes } from '../support/brokers.ts'
import { ScriptedBroker, settled } from './scripted-broker.ts'

async function connected(url: string, options: object = {}): Promise<Client> {
  const client = new Client(url, options)
  onTestFinished(async () => {
    await client.close()
  })
  await client.connect()
  return client
}

describe('request()', () => {
  test('that throws leaves no promise behind that fails when the client ends', async () => {
    const unhandled: unknown[] = []
    const record = (reason: unknown): void => {
      unhandled.push(reason)
    }
    process.on('unhandledRejection', record)
    onTestFinished(() => {
      process.off('unhandledRejection', record)
    })
    const client = new ScriptedBroker().idleClient()
    await expect(client.request('wild/#')).rejects.toThrow(OptionsError)
    await client.close()
    await settled()
    expect(unhandled).toEqual([])
  })

  test('with a topic of its own for each answer lets go of them', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    for (let count = 0; count < 50; count++) {
      const answer = client.request('ask', 'x', { responseTopic: `answer/${count}` })
      const { properties } = await broker.next(
        'publish',
        (packet) => packet.properties?.responseTopic === `answer/${count}`,
      )
      broker.publish([
        `answer/${count}`,
        {
          payload: String(count),
          properties: { correlationData: properties?.correlationData ?? new Uint8Array() },
        },
      ])
      expect((await answer).text()).toBe(String(count))
    }
    await settled()
    expect(broker.all('subscribe').length - broker.all('unsubscribe').length).toBe(16)
  })

  test('may take any time', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const signal = AbortSignal.timeout(100)
    await expect(
      client.request('ask', 'x', { timeoutMs: Number.POSITIVE_INFINITY, signal }),
    ).rejects.toMatchObject({ name: 'TimeoutError', code: 23 })
    await expect(client.request('ask', 'x', { timeoutMs: Number.NaN })).rejects.toMatchObject({
      path: 'timeoutMs',
    })
  })

  test('publishes with a Response Topic of its own and Correlation Data, and takes the answer that carries them', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const answer = client.request('ask', 'question', { timeoutMs: 5_500 })
    const asked = await broker.next('publish')
    const {
      responseTopic = '',
      correlationData = new Uint8Array(),
      messageExpiryInterval,
    } = asked.properties ?? {}
    expect(responseTopic).toMatch(/^mqtt-await\/response\/[0-9a-f]{8}$/)
    // Whoever would work on it later would work for nobody.
    expect([asked.qos, messageExpiryInterval]).toEqual([1, 6])
    const other = Uint8Array.from(correlationData, (byte, index) => (index === 7 ? byte ^ 1 : byte))
    broker.publish(
      [responseTopic, { payload: 'for somebody else', properties: { correlationData: other } }],
      [responseTopic, { payload: 'without' }],
      [responseTopic, { payload: 'answer', properties: { correlationData } }],
    )
    expect((await answer).text()).toBe('answer')
  })

  test('asks below the Response Information of the server', async () => {
    const broker = new ScriptedBroker()
    broker.connack = { properties: { responseInformation: 'private/me/' } }
    const client = await broker.client({ requestResponseInformation: true })
    void client.request('ask', '', { signal: AbortSignal.timeout(50) }).catch(() => {})
    expect((await broker.next('publish')).properties?.responseTopic).toMatch(/^private\/me\/[0-9a-f]{8}$/)
  })

  test('rejects after its time, by its signal, with the end of the client, and leaves nothing behind', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await expect(client.request('ask', '', { timeoutMs: 5 })).rejects.toBeInstanceOf(TimeoutError)
    const abort = new AbortController()
    const aborted = client.request('ask', '', { signal: abort.signal })
    abort.abort(new Error('mine'))
    await expect(aborted).rejects.toThrow('mine')
    await expect(
      client.request('ask', '', { signal: AbortSignal.abort(new Error('early')) }),
    ).rejects.toThrow('early')
    const ended = client.request('ask', '')
    void client.close()
    await expect(ended).rejects.toMatchObject({ code: 'ERR_MQTT_CLOSED' })
  })

  test('rejects at once when the server has nobody to give it to', async () => {
    const broker = new ScriptedBroker()
    broker.puback = () => 0x10
    const client = await broker.client()
    await expect(client.request('nobody', '')).rejects.toMatchObject({ code: 'ERR_MQTT_NO_RESPONDER' })
  })

  test('rejects when the subscription for the answer is refused', async () => {
    const broker = new ScriptedBroker()
    broker.suback = () => [0x87]
    const client = await broker.client()
    await expect(client.request('ask', '')).rejects.toMatchObject({
      code: 'ERR_MQTT_SUBSCRIBE',
      reasonCode: 0x87,
    })
  })

  test('needs MQTT 5.0', async () => {
    const broker = new ScriptedBroker(4)
    const client = await broker.client()
    await expect(client.request('ask', '')).rejects.toBeInstanceOf(OptionsError)
  })
})

describe('respond()', () => {
  test.each([
    [null, undefined],
    [5, 'payload'],
    [{ sum: 3 }, 'sum'],
  ])('answers when its handler gives %j', async (given, named) => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.respond('ask', () => given as never).ready
    const properties = { responseTopic: 'answer', correlationData: Uint8Array.of(1) }
    broker.publish(['ask', { qos: 1, properties }])
    const answer = await broker.next('publish')
    expect(answer.topic).toBe('answer')
    expect(answer.properties?.correlationData).toEqual(Uint8Array.of(1))
    const text = answer.properties?.userProperties?.find(([name]) => name === 'mqtt-await-error')?.[1]
    if (named === undefined) expect(text).toBeUndefined()
    else expect(text).toContain(named)
    await broker.next('puback')
  })

  test('answers to the Response Topic with the Correlation Data, then acknowledges the request', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    client.respond('ask', (request) => ({ payload: request.text().toUpperCase(), contentType: 'text/plain' }))
    await broker.next('subscribe')
    const correlationData = Uint8Array.of(1, 2, 3)
    broker.publish(['ask', { payload: 'x', qos: 1, properties: { responseTopic: 'back', correlationData } }])
    const answer = await broker.next('publish')
    expect(answer).toMatchObject({ topic: 'back', qos: 1, properties: { contentType: 'text/plain' } })
    expect([...(answer.properties?.correlationData ?? [])]).toEqual([1, 2, 3])
    await broker.next('puback')
  })

  test('what is no request is dropped and counted', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    client.respond('ask', () => 'x')
    await broker.next('subscribe')
    broker.publish(['ask', { qos: 1 }])
    await broker.next('puback')
    await settled()
    expect([client.stats.dropped, broker.all('publish')]).toEqual([1, []])
  })
})

const suite = (
  name: string,
  count: number,
  launch: () => Promise<AsyncDisposable & { readonly address: string }>,
): void => {
  let broker: AsyncDisposable & { readonly address: string }
  beforeAll(async () => {
    broker = await launch()
  })
  afterAll(async () => {
    await broker[Symbol.asyncDispose]()
  })

  test(`${name}: ${count} requests at once get each its own answer`, async () => {
    // aedes 2.0.0-beta.1 heeds no Receive Maximum, so it must not be exceeded.
    const server = await connected(broker.address, { receiveMaximum: 65_535 })
    const client = await connected(broker.address)
    const doubling = server.respond('double', async (request) => String(Number(request.text()) * 2))
    await doubling.ready
    const answers = await Promise.all(
      Array.from({ length: count }, async (_, n) =>
        Number((await client.request('double', String(n))).text()),
      ),
    )
    expect(answers).toEqual(Array.from({ length: count }, (_, n) => n * 2))
  })

  test(`${name}: what the responder throws travels back`, async () => {
    const server = await connected(broker.address)
    const client = await connected(broker.address)
    const responding = server.respond('fail', () => {
      throw Object.assign(new Error('out of stock'), { code: 'E_STOCK' })
    })
    await responding.ready
    const error = await client.request('fail', '').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(MqttError)
    expect(error).toMatchObject({
      code: 'ERR_MQTT_RESPONDER',
      reasonString: 'out of stock',
      cause: { code: 'E_STOCK' },
    })
    expect(server.stats.errors).toBe(0)
  })
}

describe('with aedes', () => {
  suite('aedes', 1_000, async () => {
    const broker = await startAedes()
    return { address: broker.url, [Symbol.asyncDispose]: () => broker.close() }
  })
})

describeMosquitto('with Mosquitto', () => {
  suite('Mosquitto', 2_000, async () => {
    const broker = await Mosquitto.start({ settings: ['max_inflight_messages 1000'] })
    return { address: broker.url(), [Symbol.asyncDispose]: () => broker.dispose() }
  })
})

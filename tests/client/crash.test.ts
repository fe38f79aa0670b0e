import { Client, type QoS } from 'mqtt-await'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'
import { Program } from '../support/program.ts'

/** A process that dies in the body of its loop leaves the message unacknowledged: the next one gets it. */
describeMosquitto('an uncaught exception in the body of a loop', () => {
  let broker: Mosquitto
  beforeAll(async () => {
    broker = await Mosquitto.start()
  })
  afterAll(() => broker.dispose())

  test.each([
    [1, 'throw'],
    [2, 'throw'],
    [1, 'exit'],
  ] as const)(
    'QoS %s, %s: the next process gets that message again, and none of those before',
    async (qos: QoS, how) => {
      const program = new Program('tests/client/crashing-consumer.ts', [broker.url(), String(qos), how])
      onTestFinished(() => program.kill())
      await program.prints(/^ready$/m)
      await using producer = new Client(broker.url())
      await producer.connect()
      for (let n = 1; n <= 5; n++) producer.publish('work', String(n), { qos })
      await producer.flush()
      expect(await program.ended).not.toBe(0)
      expect(program.output).toBe('ready\nbegun 1\nbegun 2\nbegun 3\n')
      if (how === 'throw') expect(program.errors).toContain('the body has a bug')

      const next = new Client(broker.url(), {
        clientId: 'crashing',
        cleanStart: false,
        sessionExpiryInterval: 600,
      })
      onTestFinished(async () => {
        await next.close()
      })
      const subscription = next.messages('work', { qos })
      await next.connect()
      expect(next.connection?.sessionPresent).toBe(true)
      const texts = (await subscription.take(3, { timeoutMs: 10_000 })).map((message) => message.text())
      expect(texts).toEqual(['3', '4', '5'])
      await next.disconnect({ sessionExpiryInterval: 0 })
    },
    60_000,
  )
})

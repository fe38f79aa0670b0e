import { Client } from 'mqtt-await'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'
import { Program } from '../support/program.ts'

/** The examples of receiving do what their first comments say. */
describeMosquitto('examples of receiving', () => {
  let broker: Mosquitto
  beforeAll(async () => {
    broker = await Mosquitto.start({ settings: ['max_queued_messages 0'] })
  })
  afterAll(() => broker.dispose())

  function example(name: string, ...parameters: string[]): Program {
    const program = new Program(`examples/${name}.ts`, parameters, { MQTT_URL: broker.url() })
    onTestFinished(() => program.kill())
    return program
  }

  async function output(name: string): Promise<string> {
    const program = example(name)
    expect(await program.ended, program.output + program.errors).toBe(0)
    expect(program.errors).toBe('')
    return program.output
  }

  test('remote-procedures', async () => {
    expect(await output('remote-procedures')).toBe(
      '{ total: 6 }\n[ { total: 5 }, { total: 10 }, { total: 15 } ]\nThe responder has failed: harbour has no beer\n',
    )
  })

  test('typed-topics', async () => {
    expect(await output('typed-topics')).toMatch(
      /^dropped: The payload of a message on "site\/north\/temp\/roof" does not fit its schema: celsius: .*\nnorth, door: 18.5 °C\nsouth, roof: 31 °C\n$/,
    )
  })

  test('subscriber', async () => {
    const program = example('subscriber', 'news/#', 'alarms')
    const client = new Client(broker.url())
    onTestFinished(async () => {
      await client.close()
    })
    await client.connect()
    // It prints nothing before the first message: retained ones are there whenever it comes.
    await client.publish('news/today', 'it rains', { qos: 1, retain: true }).acked
    await program.prints(/^news\/today it rains$/m)
    await client.publish('alarms', 'fire', { qos: 1 }).acked
    await client.publish('elsewhere', 'nothing', { qos: 1 }).acked
    await program.prints(/^alarms fire$/m)
    program.kill('SIGINT')
    expect(await program.ended, program.errors).toBe(0)
    expect(program.output).toBe('news/today it rains\nalarms fire\n')
  })

  test('slow-consumer', async () => {
    const text = await output('slow-consumer')
    expect(text).toMatch(/^orders: all 200 in their order, the connection lost 0 times\n/)
    expect(text).toMatch(/^ticks: kept 196 197 198 199 200, dropped 195$/m)
  })

  test('worker-pool: three processes share the jobs, and one that is killed loses none', async () => {
    const workers = ['alice', 'bob', 'carol'].map((name) => ({ name, program: example('worker-pool', name) }))
    await Promise.all(
      workers.map(({ name, program }) => program.prints(new RegExp(`^${name} is ready$`, 'm'))),
    )
    const client = new Client(broker.url())
    onTestFinished(async () => {
      await client.close()
    })
    await client.connect()
    const count = 600
    for (let n = 0; n < count; n++) client.publish(`jobs/${n}`, '10', { qos: 1 })
    await client.flush()
    const killed = workers[1]?.program as Program
    await killed.prints(/^bob did/m)
    killed.kill('SIGKILL')
    await killed.ended

    const survivors = workers.filter(({ program }) => program !== killed)
    const did = (program: Program): number[] =>
      [...program.output.matchAll(/did (\d+)/g)].map(([, n]) => Number(n))
    const all = (): number =>
      new Set([...did(killed), ...survivors.flatMap(({ program }) => did(program))]).size
    await expect.poll(all, { timeout: 40_000, interval: 100 }).toBe(count)
    // Each has had its share, and somebody has worked off what the killed one had in hand.
    for (const { program } of survivors) expect(did(program).length).toBeGreaterThan(50)
    expect(survivors.map(({ program }) => program.output).join('')).toMatch(/did \d+ for bob/)
    for (const { program } of survivors) {
      program.kill('SIGTERM')
      expect(await program.ended).toBe(0)
    }
  }, 90_000)
})

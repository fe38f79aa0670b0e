import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'mqtt-await'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { BreakableLine } from '../../examples/demo/breakable-line.ts'
import { aedes, mosquitto, type RealBroker } from '../interop/real-brokers.ts'
import { Program } from '../support/program.ts'

/** Every example does what its first comment says, on a broker of its own, and its process ends by itself. */

let broker: RealBroker
beforeAll(async () => {
  broker = await (mosquitto.available ? mosquitto : aedes).launch()
})
afterAll(() => broker.dispose())

function example(name: string, parameters: readonly string[] = [], url = broker.url): Program {
  const program = new Program(`examples/${name}.ts`, parameters, { MQTT_URL: url })
  onTestFinished(() => program.kill())
  return program
}

async function success(program: Program): Promise<string> {
  expect(await program.ended, program.output + program.errors).toBe(0)
  expect(program.errors).toBe('')
  return program.output
}

// Each starts processes that compile TypeScript first.
describe('examples', { timeout: 120_000 }, () => {
  test('quick-start', async () => {
    expect(await success(example('quick-start'))).toBe('sensors/kitchen/temp 21.5\n')
  })

  test('publish-and-wait', async () => {
    const output = await success(example('publish-and-wait'))
    expect(output).toMatch(
      /orders\/1 accepted with reason code (?:0|16)\n100 of 100 accepted\nall 1,000 acknowledged\n/,
    )
  })

  test('reconnect-and-state', async () => {
    const line = await BreakableLine.to(new URL(broker.url))
    onTestFinished(() => line.close())
    const program = example('reconnect-and-state', [], line.url)
    await program.prints(/heartbeat 5 acknowledged/)
    line.cut()
    const output = await success(program)
    expect(output.match(/^state: \w+/gm)).toEqual([
      'state: connecting',
      'state: connected',
      'state: reconnecting',
      'state: connected',
      'state: disconnecting',
      'state: closed',
    ])
    expect(output.match(/^heartbeat \d+ acknowledged$/gm)).toHaveLength(20)
  })

  test('presence', async () => {
    const alice = example('presence', ['alice'])
    await alice.prints(/alice: online/)
    const bob = example('presence', ['bob'])
    await alice.prints(/bob: online/)
    bob.kill('SIGKILL')
    await alice.prints(/bob: gone without a word/)
    alice.kill('SIGTERM')
    await success(alice)
  })

  test('retained-state', async () => {
    const output = await success(example('retained-state'))
    expect(output).toBe('lamps/desk is on (state)\nlamps/door is off (state)\nforgotten\n')
  })

  test('durable-session', async () => {
    const place = mkdtempSync(join(tmpdir(), 'durable-session-'))
    onTestFinished(() => rmSync(place, { recursive: true, force: true }))
    const lines = [
      'stored: from here on no crash of this process loses it',
      'working on measured 21.5',
      'done',
      '',
    ]
    expect(await success(example('durable-session', [place]))).toBe(['a new session', ...lines].join('\n'))
    const again = await success(example('durable-session', [place]))
    expect(again).toBe(['going on with the session of the last process', ...lines].join('\n'))
  })

  test('graceful-shutdown', async () => {
    const client = new Client(broker.url)
    onTestFinished(async () => {
      await client.close()
    })
    await client.connect()
    const program = example('graceful-shutdown')
    await program.prints(/ready/)
    const results = client.messages('results', { qos: 1 })
    await results.ready
    const first = results.first()
    for (let job = 0; job < 10; job++) client.publish('jobs/any', `job ${job}`, { qos: 1 })
    await first
    program.kill('SIGTERM')
    const output = await success(program)
    expect(output).toMatch(/SIGTERM: finishing\n\d+ jobs done, 0 results left behind\n/)
  })

  test('stream-file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stream-file-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'lines.log')
    writeFileSync(path, Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join(''))
    expect(await success(example('stream-file', [path]))).toBe('5000 lines, every one acknowledged\n')
  })

  test('demo, with its own broker', async () => {
    const output = await success(example('demo/main', ['--readings', '200']))
    expect(output).toContain('every reading arrived once')
  }, 120_000)

  test.skipIf(!mosquitto.available).each(['5', '4'])(
    'demo, with another broker, MQTT %s',
    async (protocol) => {
      const parameters = ['--readings', '200', '--protocol', protocol, '--url', broker.url]
      expect(await success(example('demo/main', parameters))).toContain('every reading arrived once')
    },
    60_000,
  )
})

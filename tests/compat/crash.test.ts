import { existsSync, readFileSync } from 'node:fs'
import { Client } from 'mqtt-await'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { programPlace } from '../store/program-place.ts'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'
import { Program } from '../support/program.ts'

/** `CRASH_ROUNDS=100` for more. */
const rounds = Number(process.env['CRASH_ROUNDS'] ?? 6)
/** QoS 2 messages that are under way while the receiver lives. */
const PER_ROUND = 40

describeMosquitto(`a receiver with a session store, killed with SIGKILL, ${rounds} rounds`, () => {
  let broker: Mosquitto

  beforeAll(async () => {
    broker = await Mosquitto.start({ settings: ['max_queued_messages 0'] })
  })

  afterAll(async () => {
    await broker?.dispose()
  })

  test('is told every QoS 2 message, and again at most what its callback was just at', {
    timeout: 30_000 + rounds * 4000,
  }, async () => {
    using place = programPlace(new URL('crash-program.ts', import.meta.url))
    const args = [place.store, place.record, String(broker.port())]
    const start = (): Program => new Program(place.program, args, {}, [])
    const told = (): string[] =>
      existsSync(place.record) ? readFileSync(place.record, 'utf8').trim().split('\n') : []
    const first = start()
    await first.prints(/subscribed/)
    first.kill('SIGKILL')
    await first.ended
    await using publisher = new Client(broker.url())
    await publisher.connect()
    let sent = 0
    for (let round = 0; round < rounds; round++) {
      const receiver = start()
      await receiver.prints(/connected/)
      // In the middle of it, not after it.
      const killed = new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 25)).then(() => {
        receiver.kill('SIGKILL')
        return receiver.ended
      })
      for (let count = 0; count < PER_ROUND; count++) {
        publisher.publish('crash', String(sent++), { qos: 2 })
        await new Promise((resolve) => setTimeout(resolve, count % 3))
      }
      await killed
    }
    await publisher.flush()
    const last = start()
    const until = performance.now() + 20_000
    while (new Set(told()).size < sent && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    last.kill('SIGKILL')
    await last.ended
    const lines = told()
    expect(new Set(lines).size, `${sent} sent`).toBe(sent)
    const again = lines.length - sent
    console.info(`${sent} messages, ${rounds} kills, told again ${again}`)
    // What was told and not yet on record when a process died: a turn of the event loop's worth each time.
    expect(again).toBeLessThanOrEqual(rounds * 20)
  })
})

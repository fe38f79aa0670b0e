import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, type QoS } from 'mqtt-await'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Mosquitto } from '../support/brokers.ts'
import { ChaosProxy } from '../support/chaos-proxy.ts'
import {
  bundleForBrowser,
  describeChromium,
  launchChromium,
  type PageServer,
  servePages,
  Tab,
} from '../support/chromium.ts'
import type { BackgroundReport, ClientReport } from './pages/background.ts'

/** Timers run once a second at first, and from then on once a minute. */
const THROTTLED_AFTER_S = 3
/** The minutes are those of the clock: in so much time there is at most one between two long waits, one of which is half of it. */
const HIDDEN_MS = 56_000

describeChromium('in a tab of Chromium that is behind another one', () => {
  let broker: Mosquitto
  let browser: Browser
  let server: PageServer

  beforeAll(async () => {
    server = await servePages(await bundleForBrowser(resolve(import.meta.dirname, 'pages/background.ts')))
    broker = await Mosquitto.start({ listeners: ['ws', 'tcp'] })
    browser = await launchChromium({ throttledAfter: THROTTLED_AFTER_S })
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
    await broker?.dispose()
    await server?.close()
  })

  /** The longest time between two of these, the ends of the time that is looked at included. */
  const longestGap = (times: readonly number[], from: number, to: number): number => {
    const inside = [from, ...times.filter((at) => at > from && at < to), to]
    return Math.max(...inside.slice(1).map((at, index) => at - (inside[index] ?? 0)))
  }

  test('live connections stay, dead ones are found, messages come in time, and what waits goes on when it is seen', async () => {
    await using deaf = await ChaosProxy.start(broker.port('ws'), 1, () => ({}))
    await using cut = await ChaosProxy.start(broker.port('ws'), 1, () => ({}))
    const tab = await Tab.open(browser, `${server.url}/background`)
    // Until the page is there, what is evaluated may end with the empty one before it.
    const isThere = (): Promise<boolean> => tab.evaluate(() => 'background' in globalThis).catch(() => false)
    await expect.poll(isThere, { timeout: 10_000 }).toBe(true)
    const start = (name: string, url: string, options: object): Promise<void> =>
      tab.evaluate(([name, url, options]) => background.start(name, url, options), [
        name,
        url,
        options,
      ] as const)
    // The least that is fair: a timer that comes a second late is in time for the server, which waits for 1.5 times as long.
    await start('shortest', broker.url('ws'), { keepAlive: 4 })
    await start('short', broker.url('ws'), { keepAlive: 10, ackTimeoutMs: 2_000 })
    await start('deaf', `ws://localhost:${deaf.port}`, {
      keepAlive: 4,
      reconnect: { minDelayMs: 5, maxDelayMs: 50 },
    })
    await start('cut', `ws://localhost:${cut.port}`, {
      keepAlive: 10,
      reconnect: { minDelayMs: 600_000, maxDelayMs: 600_000, jitter: 'none' },
    })
    const front = await Tab.open(browser, 'about:blank')
    await front.show()
    const hiddenAt = Date.now()

    const publisher = new Client(broker.url('tcp'))
    await publisher.connect()
    const publish = (topic: string, qos: QoS): Promise<unknown> =>
      publisher.publish(topic, String(Date.now()), { qos }).acked
    // More at a time than a WebSocket takes at once: it is asked by a timer whether it has room again, and by what arrives.
    const rounds = 10
    const publishMuch = (qos: QoS): Promise<number> =>
      tab.evaluate(([url, rounds, qos]) => background.publishMuch(url, rounds, qos), [
        broker.url('ws'),
        rounds,
        qos,
      ] as const)
    let sending: Promise<number> | undefined
    let published = 0
    let deafAt = 0
    for (let elapsed = 0; elapsed < HIDDEN_MS; elapsed = Date.now() - hiddenAt) {
      // What is only received spares no ping; what is acknowledged moves the next one, until it ends in the middle of a minute.
      await publish('shortest', 0)
      published++
      if (elapsed < HIDDEN_MS / 2) await publish('short', 1)
      else if (deafAt === 0) {
        deafAt = Date.now()
        sending = publishMuch(0)
        deaf.cut('black-hole')
        cut.cut()
      }
      await delay(1_700)
    }
    const sentMs = await sending
    const ackedMs = await publishMuch(1)
    const before = await tab.evaluate(() => background.report)
    const shownAt = Date.now()
    await tab.show()
    await expect.poll(async () => (await reportOf(tab, 'cut')).connects, { timeout: 5_000 }).toHaveLength(2)
    await publish('cut', 1)
    await expect.poll(async () => (await reportOf(tab, 'cut')).messages, { timeout: 5_000 }).toHaveLength(1)
    const after = await tab.evaluate(() => background.report)
    await publisher.close()

    // First of all: was it hidden, and slowed down?
    expect(after.visibility.map(([, state]) => state)).toEqual(['visible', 'hidden', 'visible'])
    expect(longestGap(after.ticks, hiddenAt, shownAt)).toBeGreaterThan(20_000)

    expect(ackedMs).toBeLessThan(rounds * 500)
    // For nothing arrives then: a timer that comes once a second.
    expect(sentMs).toBeLessThan(rounds * 2_500)

    for (const [name, keepAlive] of [
      ['shortest', 4],
      ['short', 10],
    ] as const) {
      const { losses, connects, sent, messages } = before.clients[name] as ClientReport
      expect(losses, name).toEqual([])
      expect(connects, name).toHaveLength(1)
      const times = sent.map(([at]) => at)
      expect(longestGap(times, hiddenAt, shownAt), name).toBeLessThan(keepAlive * 1_500)
      expect(Math.max(...messages.map(([at, text]) => at - Number(text))), name).toBeLessThan(2_000)
    }
    expect(before.clients['shortest']?.messages).toHaveLength(published)

    const dead = before.clients['deaf'] as ClientReport
    expect(dead.losses).toHaveLength(1)
    expect(dead.losses[0]?.[1]).toMatch(/no answer within the keep-alive time/)
    // One and a half keep-alives, three timers that come a second late each, and the second that is given to the answer.
    expect((dead.losses[0]?.[0] ?? 0) - deafAt).toBeLessThan(10_500)
    expect(dead.connects).toHaveLength(2)

    expect(before.clients['cut']?.connects).toHaveLength(1)
    expect((after.clients['cut']?.connects[1] ?? 0) - shownAt).toBeLessThan(2_000)
  }, 100_000)
})

async function reportOf(tab: Tab, name: string): Promise<ClientReport> {
  const report: BackgroundReport = await tab.evaluate(() => background.report)
  return report.clients[name] as ClientReport
}

import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Mosquitto } from '../support/brokers.ts'
import { ChaosProxy } from '../support/chaos-proxy.ts'
import {
  bundleForBrowser,
  describeChromium,
  launchChromium,
  type PageServer,
  servePages,
} from '../support/chromium.ts'
import type {} from './pages/page.ts'

const pages = resolve(import.meta.dirname, 'pages')

describeChromium('in Chromium, against Mosquitto over WebSocket', () => {
  let broker: Mosquitto
  let browser: Browser
  let server: PageServer
  let page: Page
  const failures: string[] = []

  beforeAll(async () => {
    const [pageFiles, workerFiles] = await Promise.all([
      bundleForBrowser(`${pages}/page.ts`),
      bundleForBrowser(`${pages}/worker.ts`),
    ])
    server = await servePages(new Map([...pageFiles, ...workerFiles]))
    broker = await Mosquitto.start({ listeners: ['ws'] })
    browser = await launchChromium()
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
    await broker?.dispose()
    await server?.close()
  })

  beforeEach(async () => {
    failures.length = 0
    page = await browser.newPage()
    page.on('pageerror', (error) => failures.push(String(error)))
    await page.goto(`${server.url}/page`)
    await page.waitForFunction('globalThis.api !== undefined')
  })

  afterEach(async () => {
    await page.close()
    expect(failures).toEqual([])
  })

  /** Leads to the broker and can be cut. */
  const startProxy = (): Promise<ChaosProxy> => ChaosProxy.start(broker.port('ws'), 1, () => ({}))

  test.each([4, 5] as const)(
    'a page iterates and publishes at every QoS, version %i',
    async (protocolVersion) => {
      const received = await page.evaluate(
        ([url, version]) => api.roundTrip(url, { protocolVersion: version }),
        [broker.url('ws'), protocolVersion] as const,
      )
      expect(received.sort()).toEqual(['0: qos 0, 0', '1: qos 1, 1', '2: qos 2, 2'])
    },
  )

  test.each([4, 5] as const)('so does a Web Worker, version %i', async (protocolVersion) => {
    const answer = await page.evaluate(([url, version]) => api.inWorker(url, version), [
      broker.url('ws'),
      protocolVersion,
    ] as const)
    const { received } = answer as { received: string[] }
    expect(answer).not.toHaveProperty('error')
    expect(received.sort()).toEqual(['0: qos 0, 0', '1: qos 1, 1', '2: qos 2, 2'])
  })

  test('a page survives cuts: nothing of QoS 1 and 2 is lost', async () => {
    await using proxy = await startProxy()
    let cuts = 0
    await page.exposeFunction('cut', () => {
      cuts++
      proxy.cut()
    })
    const result = await page.evaluate(async (url) => {
      const { cut } = globalThis as unknown as { cut(): Promise<void> }
      const client = new api.mqtt.Client(url, {
        clientId: 'page-cut',
        sessionExpiryInterval: 60,
        reconnect: { minDelayMs: 5, maxDelayMs: 50 },
      })
      await client.connect()
      const messages = client.messages('cut/#', { qos: 2 })
      await messages.ready
      const acked: Promise<unknown>[] = []
      const producing = (async () => {
        for (let index = 0; index < 200; index++) {
          acked.push(client.publish('cut/1', `1:${index}`, { qos: 1 }).acked)
          acked.push(client.publish('cut/2', `2:${index}`, { qos: 2 }).acked)
          if (index % 50 === 25) await cut()
        }
        await Promise.all(acked)
      })()
      const counts = new Map<string, number>()
      for await (const message of messages) {
        counts.set(message.text(), (counts.get(message.text()) ?? 0) + 1)
        if (counts.size === 400) break
      }
      await producing
      const { connections } = client.stats
      await client.disconnect()
      return { received: counts.size, connections, state: client.state }
    }, `ws://localhost:${proxy.port}`)
    expect(cuts).toBe(4)
    expect(result).toMatchObject({ received: 400, state: 'closed' })
    expect(result.connections).toBeGreaterThan(1)
  })

  const events: [string, (page: Page) => Promise<void>][] = [
    [
      'the network is back (online)',
      async (of) => {
        await of.context().setOffline(true)
        await of.context().setOffline(false)
      },
    ],
    [
      'the page is seen again (visibilitychange)',
      (of) => of.evaluate(() => void document.dispatchEvent(new Event('visibilitychange'))),
    ],
  ]

  test.each(events)('a client that waits for its next attempt makes it when %s', async (_name, happen) => {
    await using proxy = await startProxy()
    await page.evaluate(async (url) => {
      const client = new api.mqtt.Client(url, {
        clientId: 'page-online',
        reconnect: { minDelayMs: 600_000, maxDelayMs: 600_000, jitter: 'none' },
      })
      await client.connect()
      const page = globalThis as unknown as { waiting: boolean; back: Promise<string>; client: unknown }
      page.client = client
      client.on('reconnecting', () => {
        page.waiting = true
        page.back = new Promise((resolve) => client.on('connect', () => resolve(client.state)))
      })
    }, `ws://localhost:${proxy.port}`)
    proxy.cut()
    await page.waitForFunction('globalThis.waiting')
    expect(await page.evaluate('globalThis.client.state')).toBe('reconnecting')
    await happen(page)
    expect(await page.evaluate('globalThis.back')).toBe('connected')
    expect(proxy.connections).toBe(2)
    await page.evaluate('globalThis.client.close()')
  })

  test('a tab that is stopped with a ping under way finds its connection alive afterwards', async () => {
    // The answer to the ping is on its way when the page stops, and lies unread behind the timer that judges it.
    await using proxy = await ChaosProxy.start(broker.port('ws'), 1, () => ({ delayMs: 150 }))
    const pinged = new Promise<void>((resolve) => void page.exposeFunction('pinged', resolve))
    await page.evaluate(async (url) => {
      const scope = globalThis as unknown as {
        client: InstanceType<typeof api.mqtt.Client>
        longestStop: number
        pinged(): Promise<void>
      }
      scope.client = new api.mqtt.Client(url, { clientId: 'page-stopped', keepAlive: 4 })
      scope.client.on('packetsend', ({ type }) => type === 'pingreq' && void scope.pinged())
      await scope.client.connect()
      scope.longestStop = 0
      let last = performance.now()
      setInterval(() => {
        scope.longestStop = Math.max(scope.longestStop, performance.now() - last)
        last = performance.now()
      }, 10)
    }, `ws://localhost:${proxy.port}`)
    await pinged
    const devtools = await page.context().newCDPSession(page)
    // Chromium freezes pages that have long been hidden; to stop their scripts comes to the same.
    await devtools.send('Debugger.enable')
    await devtools.send('Debugger.pause')
    // Past the time by which the answer is due, two seconds after the ping, and before the server gives up, six after it.
    await delay(3_500)
    await devtools.send('Debugger.resume')
    await devtools.send('Debugger.disable')
    const result = await page.evaluate(async () => {
      const scope = globalThis as unknown as {
        client: InstanceType<typeof api.mqtt.Client>
        longestStop: number
      }
      const { client } = scope
      // Timers run again, and the verdict on the ping is out by the time that two more are answered.
      for (let round = 0; round < 2; round++) await client.ping()
      await client.publish('page/stopped', 'x', { qos: 1 }).acked
      const { connections } = client.stats
      await client.disconnect()
      return { connections, longestStop: scope.longestStop, lastError: client.lastError?.message }
    })
    expect(result).toMatchObject({ connections: 1, lastError: undefined })
    expect(result.longestStop).toBeGreaterThan(3_000)
    expect(proxy.connections).toBe(1)
  }, 40_000)

  test('what a browser can not do is one clear error', async () => {
    const errors = await page.evaluate(async (url) => {
      const attempt = (options: object): Promise<string> =>
        new api.mqtt.Client({ url, reconnect: false, ...options }).connect().then(
          () => 'connected',
          (error: Error) => `${error.name}: ${error.message}`,
        )
      return [
        await attempt({ url: 'mqtt://localhost' }),
        await attempt({ websocket: { headers: { authorization: 'x' } } }),
        await attempt({ url: 'ws://localhost:1' }),
      ]
    }, broker.url('ws'))
    expect(errors[0]).toMatch(/OptionsError: .*ws: or wss:/)
    expect(errors[1]).toMatch(/OptionsError: .*headers/)
    expect(errors[2]).toMatch(/ConnectError: Could not connect to ws:\/\/localhost:1/)
  })
})

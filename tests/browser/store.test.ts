import { resolve } from 'node:path'
import { Client } from 'mqtt-await'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Mosquitto } from '../support/brokers.ts'
import {
  bundleForBrowser,
  describeChromium,
  launchChromium,
  type PageServer,
  servePages,
} from '../support/chromium.ts'
import type {} from './pages/store.ts'

describeChromium('a session in IndexedDB', () => {
  let broker: Mosquitto
  let browser: Browser
  let server: PageServer
  let context: BrowserContext

  beforeAll(async () => {
    const page = resolve(import.meta.dirname, 'pages/store.ts')
    server = await servePages(await bundleForBrowser(page, false, []))
    broker = await Mosquitto.start({ listeners: ['ws', 'tcp'] })
    browser = await launchChromium()
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
    await broker?.dispose()
    await server?.close()
  })

  beforeEach(async () => {
    context = await browser.newContext()
    return () => context.close()
  })

  async function openTab(): Promise<Page> {
    const page = await context.newPage()
    await page.goto(`${server.url}/store`)
    await page.waitForFunction('globalThis.storeApi !== undefined')
    return page
  }

  test('a tab that is closed leaves its queue to the next one: in order, and each once', async () => {
    const subscriber = new Client(broker.url('tcp'))
    await subscriber.connect()
    const messages = subscriber.messages('tab/#', { qos: 2 })
    await messages.ready

    const first = await openTab()
    // Never connected; most of it is in IndexedDB alone.
    await first.evaluate(async () => {
      const { mqtt, store } = storeApi
      const client = new mqtt.Client('ws://127.0.0.1:1', {
        clientId: 'tab',
        store: store.levelStore('kept'),
        queue: { memoryMessages: 50 },
      })
      const publications = Array.from({ length: 500 }, (_, n) =>
        client.publish('tab/queue', String(n), { qos: 2 }),
      )
      await Promise.all(publications.map(({ stored }) => stored))
    })
    await first.close({ runBeforeUnload: false })

    const second = await openTab()
    const sent = await second.evaluate(async (url) => {
      const { mqtt, store } = storeApi
      const client = new mqtt.Client(url, { clientId: 'tab', store: store.levelStore('kept') })
      await client.connect()
      const { queuedMessages, inFlight } = client.stats
      await client.flush()
      await client.disconnect()
      return queuedMessages + inFlight
    }, broker.url('ws'))
    expect(sent).toBe(500)
    const seen: string[] = []
    for await (const message of messages) if (seen.push(message.text()) === 500) break
    expect(seen).toEqual(Array.from({ length: 500 }, (_, n) => String(n)))
    await subscriber.disconnect()
  })

  test('two tabs: the second is told, and can have the session when the first is gone', async () => {
    const open = (page: Page): Promise<string> =>
      page.evaluate(async (url) => {
        const { mqtt, store } = storeApi
        const client = new mqtt.Client(url, { clientId: 'tabs', store: store.levelStore('shared') })
        return client.connect().then(
          ({ sessionPresent }) => `connected, session ${sessionPresent ? 'present' : 'new'}`,
          (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
        )
      }, broker.url('ws'))
    const first = await openTab()
    const second = await openTab()
    expect(await open(first)).toBe('connected, session new')
    expect(await open(second)).toMatch(/^ERR_MQTT_STORE_LOCKED: .*in use by another client/)
    await first.close()
    // The browser takes a moment to give the lock of a closed tab back.
    await expect.poll(() => open(second), { timeout: 10_000 }).toBe('connected, session present')
  })

  test('a tab that is closed in the midst of its work gets again what it had not finished, and nothing twice', async () => {
    const publisher = new Client(broker.url('tcp'))
    await publisher.connect()
    const read = (page: Page, count: number): Promise<string[]> =>
      page.evaluate(
        async ([url, count]) => {
          const { mqtt, store } = storeApi
          const client = new mqtt.Client(url, { clientId: 'reader', store: store.levelStore('reader') })
          const messages = client.messages('work', { qos: 2 })
          await client.connect()
          await messages.ready
          const finished: string[] = []
          // Never left: the tab goes while the body works on the next one.
          await new Promise<void>((done) => {
            void (async () => {
              for await (const message of messages) {
                if (finished.length === count) {
                  done()
                  await new Promise(() => {})
                }
                finished.push(message.text())
              }
            })()
            if (count === 0) done()
          })
          return finished
        },
        [broker.url('ws'), count] as const,
      )
    const first = await openTab()
    await read(first, 0)
    const sent = Array.from({ length: 40 }, (_, n) => String(n))
    await Promise.all(sent.map((text) => publisher.publish('work', text, { qos: 2 }).acked))
    await first.close()
    const second = await openTab()
    const begun = await read(second, 15)
    await second.close()
    const third = await openTab()
    const rest = await read(third, 24)
    expect([...begun, ...rest]).toEqual(sent.slice(0, 39))
    await publisher.disconnect()
  })
})

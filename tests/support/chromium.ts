import { existsSync, readdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { type Browser, type CDPSession, chromium } from 'playwright-core'
import { describe, type SuiteAPI } from 'vitest'
import { browserFiles } from '../../tsup.config.ts'
import { mosquittoPath } from './brokers.ts'

const source = resolve(import.meta.dirname, '../../src')

export const chromiumPath: string | undefined = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path))

/** `describe` for what needs Chromium and Mosquitto; skipped, and loudly reported, where one of them is missing. */
export const describeChromium: SuiteAPI = (
  chromiumPath === undefined || mosquittoPath === undefined ? describe.skip : describe
) as SuiteAPI

export interface ChromiumOptions {
  /**
   * Hidden pages are slowed down as they are for users: timers run once a second, and those that were set by timers once a
   * minute after so many seconds (of themselves: five minutes). @default not at all
   */
  readonly throttledAfter?: number
}

export function launchChromium({ throttledAfter }: ChromiumOptions = {}): Promise<Browser> {
  const isThrottled = throttledAfter !== undefined
  return chromium.launch({
    executablePath: chromiumPath ?? '',
    // With these Playwright keeps hidden pages running at full speed.
    ignoreDefaultArgs: isThrottled
      ? [
          '--disable-background-timer-throttling',
          '--disable-backgrounding-occluded-windows',
          '--disable-renderer-backgrounding',
        ]
      : [],
    args: [
      ...(isThrottled
        ? [`--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/${throttledAfter}`]
        : []),
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/**
 * A tab that Playwright does not know of. Those that it does are made to believe that they have the focus: they are visible for
 * ever. Each is in front of the others when it has been opened.
 */
export class Tab {
  readonly #devtools: CDPSession
  readonly #targetId: string
  readonly #sessionId: string
  #calls = 0

  private constructor(devtools: CDPSession, targetId: string, sessionId: string) {
    this.#devtools = devtools
    this.#targetId = targetId
    this.#sessionId = sessionId
  }

  static async open(browser: Browser, url: string): Promise<Tab> {
    const devtools = await browser.newBrowserCDPSession()
    const { targetId } = await devtools.send('Target.createTarget', { url })
    const { sessionId } = await devtools.send('Target.attachToTarget', { targetId, flatten: false })
    return new Tab(devtools, targetId, sessionId)
  }

  /** Brings it to the front: the one that was there is hidden. */
  async show(): Promise<void> {
    await this.#devtools.send('Target.activateTarget', { targetId: this.#targetId })
  }

  /** As Playwright's: calls a function in the page and waits for what it resolves with. */
  evaluate<R, A = undefined>(call: (argument: A) => R | Promise<R>, argument?: A): Promise<R> {
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      const onMessage = ({ sessionId, message }: { sessionId: string; message: string }): void => {
        const answer = JSON.parse(message) as {
          readonly id?: number
          readonly error?: { readonly message: string }
          readonly result?: {
            readonly result: { readonly value: R }
            readonly exceptionDetails?: { readonly exception?: { readonly description?: string } }
          }
        }
        if (sessionId !== this.#sessionId || answer.id !== id) return
        this.#devtools.off('Target.receivedMessageFromTarget', onMessage)
        const thrown = answer.result?.exceptionDetails
        if (answer.error !== undefined) reject(new Error(answer.error.message))
        else if (thrown !== undefined) reject(new Error(thrown.exception?.description ?? 'the page threw'))
        else resolve(answer.result?.result.value as R)
      }
      this.#devtools.on('Target.receivedMessageFromTarget', onMessage)
      const expression = `(${call})(${JSON.stringify(argument)})`
      const params = { expression, awaitPromise: true, returnByValue: true }
      this.#devtools
        .send('Target.sendMessageToTarget', {
          sessionId: this.#sessionId,
          message: JSON.stringify({ id, method: 'Runtime.evaluate', params }),
        })
        .catch(reject)
    })
  }
}

/** The package as the `browser` condition gives it, from its sources: what tsup.config.ts does for dist/browser. */
const browserCondition: Plugin = {
  name: 'browser-condition',
  setup(builder) {
    builder.onResolve({ filter: /^mqtt-await$/ }, () => ({ path: `${source}/index.ts` }))
    builder.onResolve({ filter: /^mqtt-await\/store$/ }, () => ({ path: `${source}/store.ts` }))
  },
}

/**
 * Bundles an entry for browsers, with all its dependencies and no polyfill: an import of a module of Node is an error
 * of the build. Gives each output file; the first is the entry, the others are what it loads when needed.
 */
export async function bundleForBrowser(
  entryPoint: string,
  minify = false,
  external: readonly string[] = ['level'],
): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    bundle: true,
    minify,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    splitting: true,
    outdir: '/',
    write: false,
    // By default without optional peers: they are loaded only by those who use them.
    external: [...external],
    plugins: [browserCondition, browserFiles],
    logLevel: 'silent',
  })
  const files = new Map(outputFiles.map((file) => [file.path, file.contents]))
  if (files.size === 0) throw new Error(`nothing was built, ${readdirSync(source).length} sources`)
  return files
}

export interface PageServer {
  readonly url: string
  close(): Promise<void>
}

/** Serves built scripts, and for every other path a page that loads the script named after it. */
export async function servePages(files: ReadonlyMap<string, Uint8Array>): Promise<PageServer> {
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '/'
    const script = files.get(path)
    if (script !== undefined) response.setHeader('content-type', 'text/javascript').end(script)
    else if (path === '/favicon.ico') response.writeHead(404).end()
    else {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><meta charset="utf-8"><script type="module" src="${path}.js"></script>`)
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

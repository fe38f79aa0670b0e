import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isDeepStrictEqual, promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import type { EncodeOptions, Packet } from 'mqtt-await/codec'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readVectors } from '../conformance/vectors.ts'
import { Mosquitto, testMosquitto } from '../support/brokers.ts'
import { runtimeTests } from './runtimes/runtimes.ts'

/**
 * The package as it is published: built, packed, unpacked into a consumer's node_modules, and used from there by ESM, by
 * CommonJS and by the compiler, each in a project of its own that has nothing but the package and its dependencies.
 */

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, unknown>>
  readonly bin?: Readonly<Record<string, string>>
}
const entries = Object.keys(manifest.exports)
  .filter((key) => key !== './package.json')
  .map((key) => `mqtt-await${key.slice(1)}`)

let consumer: string
let installed: string

beforeAll(async () => {
  consumer = mkdtempSync(join(tmpdir(), 'mqtt-await-packed-'))
  await run('npm', ['run', '--silent', 'build'], { cwd: root })
  const { stdout } = await run(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', consumer],
    { cwd: root },
  )
  await run('tar', ['-xzf', stdout.trim()], { cwd: consumer })
  const modules = join(consumer, 'node_modules')
  installed = join(modules, 'mqtt-await')
  mkdirSync(modules)
  cpSync(join(consumer, 'package'), installed, { recursive: true })
  rmSync(join(consumer, 'package'), { recursive: true })
  // Optional peers are there for the types that mention them.
  for (const name of [
    ...Object.keys(manifest.dependencies),
    '@types',
    'level',
    'abstract-level',
    'undici-types',
  ]) {
    if (existsSync(join(root, 'node_modules', name)))
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
}, 180_000)

afterAll(() => rmSync(consumer, { recursive: true, force: true }))

async function node(file: string, source: string): Promise<string> {
  writeFileSync(join(consumer, file), source)
  const { stdout } = await run(process.execPath, [file], { cwd: consumer })
  return stdout.trim()
}

describe('the packed package elsewhere', () => runtimeTests(() => consumer))

describe('the packed package', () => {
  test('holds what is built and its sources, and no tests', () => {
    expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json', 'src'])
  })

  test.each(entries)('%s: import and require give the same names', async (entry) => {
    const esm = await node(
      'a.mjs',
      `import * as all from '${entry}'\nconsole.log(Object.keys(all).sort().join())`,
    )
    const cjs = await node('a.cjs', `console.log(Object.keys(require('${entry}')).sort().join())`)
    expect(esm).not.toBe('')
    expect(
      cjs
        .split(',')
        .filter((name) => name !== '__esModule')
        .join(),
    ).toBe(esm)
  })

  test.each(['mjs', 'cjs'])('an error class is one and the same in every entry (%s)', async (kind) => {
    const load = (entry: string): string =>
      kind === 'mjs' ? `await import('${entry}')` : `require('${entry}')`
    const source = `
      const main = ${load('mqtt-await')}
      const { decode } = ${load('mqtt-await/codec')}
      try { decode(new Uint8Array([0xf0, 0x01, 0x00]), { protocolVersion: 4, from: 'server' }); console.log('no error') }
      catch (error) { console.log(error instanceof main.ProtocolError, error instanceof main.MqttError) }`
    expect(await node(`b.${kind}`, source)).toBe('true true')
  })

  test('CommonJS: a client is made, refused, and leaves nothing running', async () => {
    const source = `
      const { Client, ConnectError } = require('mqtt-await')
      const client = new Client('mqtt://127.0.0.1:1', { reconnect: false })
      client.connect().catch((error) => console.log(error instanceof ConnectError, error.cause.code))`
    expect(await node('c.cjs', source)).toBe('true ECONNREFUSED')
  })

  /** Touches what is loaded when it is first needed, each kind once. */
  const lifeOf = (client: string, store: string): string => `
    const client = ${client}
    await client.connect()
    const loop = client.messages('packed/#', { qos: 2 })
    await loop.ready
    await client.publish('packed/1', 'by hand', { qos: 2 }).acked
    const [message] = await loop.take(1)
    const handled = new Promise((resolve) => client.handle('packed/2', (one) => resolve(one.text()), { concurrency: 2 }))
    await client.publishFrom([{ topic: 'packed/2', payload: 'by a handler', qos: 1 }])
    await client.respond('packed/ask', (request) => request.text().toUpperCase()).ready
    const answer = await client.request('packed/ask', 'answered')
    const told = [message.text(), await handled, answer.text()]
    await client.disconnect()
    const kept = new client.constructor(url, { clientId: 'packed', store: ${store} })
    await kept.connect()
    await kept.publish('packed/3', 'stored', { qos: 1 }).stored
    await kept.disconnect()
    console.log(told.join())`
  const expected = 'by hand,by a handler,ANSWERED'

  testMosquitto('ESM, CommonJS and a bundle for browsers each live a whole life', async () => {
    await using broker = await Mosquitto.start({ listeners: ['tcp', 'ws'] })
    const client = 'new Client(url, { requestResponseInformation: true })'
    const tcp = `const url = '${broker.url('tcp')}'`
    const imports = `
      import { Client } from 'mqtt-await'
      import { memoryStore } from 'mqtt-await/store'`
    expect(await node('e.mjs', `${imports}\n${tcp}\n${lifeOf(client, 'memoryStore()')}`)).toBe(expected)
    expect(
      await node(
        'e.cjs',
        `const { Client } = require('mqtt-await')
        const { memoryStore } = require('mqtt-await/store')
        ${tcp}
        ;(async () => {${lifeOf(client, 'memoryStore()')}})()`,
      ),
    ).toBe(expected)

    writeFileSync(
      join(consumer, 'page.js'),
      `${imports}\nconst url = '${broker.url('ws')}'\n${lifeOf(client, 'memoryStore()')}`,
    )
    const { metafile } = await build({
      entryPoints: [join(consumer, 'page.js')],
      absWorkingDir: consumer,
      outdir: 'bundled',
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      metafile: true,
      external: ['level'],
    })
    const sources = Object.keys(metafile.inputs).filter((path) => path.includes('mqtt-await/dist'))
    expect(sources.every((path) => path.includes('mqtt-await/dist/browser/'))).toBe(true)
    // Node 20 has no WebSocket of its own; nothing else of a page is needed.
    const page = `globalThis.WebSocket = (await import('ws')).WebSocket\nawait import('./bundled/page.mjs')`
    expect(await node('f.mjs', page)).toBe(expected)
  })

  /**
   * Bytes of what a bundler makes for a page, minified and gzipped, dependencies included: of what the page loads at first, which
   * is enough to connect, publish, subscribe and come back after a loss, and of that with everything that is loaded when it is
   * asked for (handlers with their queue, requests, authenticators, the session store).
   *
   * A budget is what it was when it was last looked at; a change that needs more says what for.
   */
  test.each([
    [
      'client',
      "import { Client } from 'mqtt-await'; globalThis.client = new Client(location.href)",
      46_620,
      66_900,
    ],
    ['codec', "export * from 'mqtt-await/codec'", 9_860, 9_860],
  ])('a page with the %s loads no more than its budget', async (_, contents, first, everything) => {
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: consumer },
      absWorkingDir: consumer,
      bundle: true,
      minify: true,
      splitting: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      outdir: 'loaded',
      write: false,
      metafile: true,
    })
    const size = new Map(
      outputFiles.map((file) => [
        file.path.slice(consumer.length + 1),
        gzipSync(file.contents, { level: 9 }).length,
      ]),
    )
    const needed = new Set<string>()
    const visit = (file: string): void => {
      if (needed.has(file)) return
      needed.add(file)
      for (const { path, kind } of metafile.outputs[file]?.imports ?? []) {
        if (kind === 'import-statement') visit(path)
      }
    }
    visit('loaded/stdin.js')
    const sum = (files: Iterable<string>): number =>
      [...files].reduce((bytes, file) => bytes + (size.get(file) ?? Number.NaN), 0)
    expect(sum(needed)).toBeLessThanOrEqual(first)
    expect(sum(size.keys())).toBeLessThanOrEqual(everything)
  })

  test('the codec for pages does with every vector, whole and with any byte changed, what the other one does', async () => {
    type Codec = Pick<typeof import('mqtt-await/codec'), 'decode' | 'encode'>
    const load = (folder: string): Promise<Codec> =>
      import(pathToFileURL(join(installed, 'dist', folder, 'codec.js')).href)
    const codecs = [await load('browser'), await load('esm')]
    const tryOn = (
      { decode, encode }: Codec,
      bytes: Uint8Array,
      options: Required<EncodeOptions>,
    ): unknown => {
      try {
        const packet = decode(bytes, options)
        // Of a PUBLISH the fields and what its getters give.
        const { type } = packet
        const values = type === 'publish' ? { ...packet, type, properties: packet.properties } : packet
        return { values, again: encode(packet as Packet, options) }
      } catch (error) {
        return { ...(error as object), message: String(error) }
      }
    }
    let compared = 0
    for (const { version: protocolVersion, bytes } of readVectors()) {
      if (bytes.length > 300) continue
      const changed = Array.from(bytes, (_, at) =>
        [0x01, 0x80, 0xff].map((bits) => bytes.with(at, (bytes[at] ?? 0) ^ bits)),
      )
      for (const from of ['client', 'server'] as const) {
        const options = { from, protocolVersion, maximumPacketSize: 1000 }
        for (const input of [bytes, ...changed.flat()]) {
          const [browser, node] = codecs.map((codec) => tryOn(codec, input, options))
          if (!isDeepStrictEqual(browser, node))
            expect(browser, Buffer.from(input).toString('hex')).toEqual(node)
          compared++
        }
      }
    }
    expect(compared).toBeGreaterThan(10_000)
  })

  test('the licences of what is bundled go along', () => {
    for (const folder of ['browser', 'esm']) {
      const built = join(installed, 'dist', folder)
      const bundled = new Set<string>()
      for (const file of readdirSync(built, { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.map')) continue
        const { sources } = JSON.parse(readFileSync(join(built, file), 'utf8')) as { sources: string[] }
        for (const source of sources) {
          const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1]
          if (name !== undefined) bundled.add(name)
        }
      }
      const licences = readFileSync(join(built, 'third-party-licences.txt'), 'utf8')
      expect(bundled.size).toBeGreaterThan(0)
      for (const name of bundled) expect(licences).toMatch(new RegExp(`^${name}$`, 'm'))
      expect(licences.split('Permission is hereby granted')).toHaveLength(bundled.size + 1)
    }
  })

  test('a SOCKS proxy without the package for it is one clear error that says what to install', async () => {
    expect(existsSync(join(consumer, 'node_modules/socks'))).toBe(false)
    const source = `
      import { Client, OptionsError } from 'mqtt-await'
      const client = new Client('mqtt://127.0.0.1:1883', { proxy: 'socks5://user:geheim@127.0.0.1:1080' })
      client.connect().catch((error) => console.log(error instanceof OptionsError, error.path, error.message))`
    const output = await node('d.mjs', source)
    expect(output).toBe(
      'true proxy proxy: SOCKS proxies need the package "socks", which is not installed: npm install socks',
    )
  })

  const program = `
    const client: Client = new Client('mqtt://localhost', { protocolVersion: 5 })
    export async function main(): Promise<void> {
      await client.connect()
      const publication: Publication = client.publish('a/b', 'text', { qos: 1, contentType: 'text/plain' })
      const { reasonCode }: { readonly reasonCode: number } = await publication.acked
      for await (const message of client.messages(['a/#'], { qos: 2 })) {
        const text: string = message.text()
        const level: number = message.qos
        if (text === String(reasonCode + level)) break
      }
      // @ts-expect-error -- there is no QoS 3
      client.publish('a/b', 'text', { qos: 3 })
      const failure: MqttError = new ProtocolError('wrong')
      const store: SessionStore = memoryStore()
      console.log(failure.code, store, encode, Session)
      await client.disconnect()
    }`

  test.each([
    ['esm.mts', 'node16'],
    ['cjs.cts', 'node16'],
    ['bundled.ts', 'bundler'],
  ])(
    'the types serve %s with module resolution %s',
    async (file, resolution) => {
      const source = `
      import { Client, MqttError, ProtocolError, type Publication } from 'mqtt-await'
      import { encode } from 'mqtt-await/codec'
      import { Session } from 'mqtt-await/session'
      import { memoryStore, type SessionStore } from 'mqtt-await/store'
      import { Client as CompatClient } from 'mqtt-await/compat'
      import { single } from 'mqtt-await/compat/publish'
      import { simple } from 'mqtt-await/compat/subscribe'
      ${program}
      console.log(CompatClient, single, simple)`
      writeFileSync(join(consumer, file), source)
      const options = {
        target: 'ES2022',
        lib: ['ES2022', 'ESNext.Disposable', 'DOM', 'DOM.AsyncIterable'],
        module: resolution === 'bundler' ? 'ESNext' : 'Node16',
        moduleResolution: resolution,
        strict: true,
        noEmit: true,
        // Our own declarations are checked too, not only what the program uses of them.
        skipLibCheck: false,
        types: ['node'],
      }
      const project = `tsconfig.${file}.json`
      writeFileSync(join(consumer, project), JSON.stringify({ compilerOptions: options, files: [file] }))
      const compiler = join(root, 'node_modules/typescript/bin/tsc')
      const { stdout } = await run(process.execPath, [compiler, '-p', project], { cwd: consumer }).catch(
        (failure: { stdout: string }) => failure,
      )
      expect(stdout).toBe('')
    },
    60_000,
  )
})

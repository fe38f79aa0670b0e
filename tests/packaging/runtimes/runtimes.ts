import { spawn } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'
import { type ListenerKind, Mosquitto, mosquittoPath } from '../../support/brokers.ts'
import { certificates } from '../../support/certificates.ts'
import type { LifeSettings } from './life.ts'
import { startSilent, startSlowReader } from './peers.ts'

interface Runtime {
  readonly name: string
  /** Program and first arguments; undefined where it is not installed. */
  readonly command: readonly string[] | undefined
}

const modules = fileURLToPath(new URL('node_modules', import.meta.url))

function installed(path: string, ...parameters: string[]): readonly string[] | undefined {
  const program = join(modules, path)
  return existsSync(program) ? [program, ...parameters] : undefined
}

/** `npm run runtimes` installs all but the first. */
const runtimes: readonly Runtime[] = [
  { name: `Node ${process.versions.node}, which runs the tests`, command: [process.execPath] },
  { name: 'Node 22', command: installed(`node22-${process.platform}-${process.arch}/bin/node`) },
  { name: 'Node 24', command: installed(`node24-${process.platform}-${process.arch}/bin/node`) },
  { name: 'Bun', command: installed('.bin/bun') },
  { name: 'Deno', command: installed('.bin/deno', 'run', '--allow-all') },
]

/** Parts of life.ts. What has nothing to do with how bytes travel is lived over TCP alone. */
const lives: readonly [kind: ListenerKind, parts: readonly string[]][] = [
  [
    'tcp',
    [
      ...['MQTT 5', 'MQTT 3.1.1', 'MQTT 3.1', 'large', 'flood', 'slow reader', 'keep alive', 'reconnect'],
      ...['aborts', 'stores', 'SCRAM', 'compat', 'a thousand times'],
    ],
  ],
  ['tls', ['MQTT 5', 'large', 'flood', 'slow reader', 'reconnect', 'aborts', 'refusals', 'coming and going']],
  ['ws', ['MQTT 5', 'MQTT 3.1', 'large', 'flood', 'slow reader', 'reconnect', 'aborts', 'coming and going']],
  ['wss', ['MQTT 5', 'large', 'slow reader', 'aborts', 'refusals', 'coming and going']],
  ['unix', ['MQTT 5', 'large', 'slow reader', 'reconnect', 'aborts', 'coming and going']],
]

interface Run {
  readonly code: number | NodeJS.Signals
  readonly output: string
}

/** Tests of the package as it is installed in a folder, on every runtime that is there. */
export function runtimeTests(consumer: () => string): void {
  async function run(
    command: readonly string[],
    parameters: readonly string[],
    heard: (text: string) => void = () => {},
  ): Promise<Run> {
    const [program = '', ...first] = command
    const child = spawn(program, [...first, ...parameters], {
      cwd: consumer(),
      stdio: ['ignore', 'pipe', 'pipe'],
      // What nothing keeps alive has ended long before.
      timeout: 60_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        heard(text)
      })
    }
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return { code: code ?? signal ?? 'SIGKILL', output }
  }

  beforeAll(() => {
    const file = new URL('life.ts', import.meta.url)
    const { code } = transformSync(readFileSync(file, 'utf8'), { loader: 'ts', target: 'es2022' })
    writeFileSync(join(consumer(), 'life.mjs'), code)
    // Deno finds packages in node_modules where there is one.
    writeFileSync(join(consumer(), 'package.json'), '{ "private": true }')
  })

  describe.each(runtimes)('on $name', ({ command = [] }) => {
    const isThere = command.length > 0
    const testLife = isThere && mosquittoPath !== undefined ? test : test.skip

    // Side by side: much of it is waiting for brokers.
    testLife.concurrent.each(lives)(
      'a life over %s, and an end by itself',
      async (kind, parts) => {
        const settings = ['max_queued_messages 0', 'max_connections -1', 'log_type error']
        await using broker = await Mosquitto.start({ listeners: [kind], requireCertificate: true, settings })
        await using slow = await startSlowReader(kind)
        await using silent = await startSilent()
        const life: LifeSettings = {
          url: broker.url(kind),
          slowUrl: slow.url,
          silentPort: silent.port,
          place: mkdtempSync(join(consumer(), 'store-')),
          tls: secrets(),
        }
        const faults: unknown[] = []
        let doneAt = Number.NaN
        const { code, output } = await run(command, ['life.mjs', JSON.stringify(life), ...parts], (text) => {
          if (text.includes('READ')) slow.read()
          if (text.includes('done')) doneAt = performance.now()
          if (text.includes('RESTART')) {
            broker
              .kill()
              .then(() => broker.start())
              .catch((fault: unknown) => faults.push(fault))
          }
        })
        const lingered = performance.now() - doneAt
        expect(output.match(/^ok: .*(?= \(\d+ ms\)$)/gm), output).toEqual(parts.map((part) => `ok: ${part}`))
        expect({ code, faults }).toEqual({ code: 0, faults: [] })
        // A timer or a socket that were left behind would keep it alive.
        expect(lingered, output).toBeLessThan(2_000)
      },
      90_000,
    )

    testLife('the command and the CommonJS entry', async () => {
      await using broker = await Mosquitto.start()
      const cli = 'node_modules/mqtt-await/dist/esm/cli.js'
      const url = ['--url', broker.url()]
      const sent = await run(command, [cli, 'pub', ...url, '-q', '1', '-r', 'by/command', 'heard'])
      expect(sent).toEqual({ code: 0, output: '' })
      const heard = await run(command, [cli, 'sub', ...url, '-n', '1', 'by/#'])
      expect(heard).toEqual({ code: 0, output: 'by/command heard\n' })
      const source = `
        const { Client, MqttError } = require('mqtt-await')
        const { decode } = require('mqtt-await/codec')
        const { memoryStore } = require('mqtt-await/store')
        const client = new Client('${broker.url()}', { store: memoryStore(), clientId: 'required' })
        client.connect().then(async () => {
          await client.publish('by/require', 'x', { qos: 2 }).acked
          await client.disconnect()
          try { decode(new Uint8Array([0xf0, 1, 0]), { protocolVersion: 4, from: 'server' }) }
          catch (error) { console.log(error instanceof MqttError, client.state) }
        })`
      writeFileSync(join(consumer(), 'required.cjs'), source)
      expect(await run(command, ['required.cjs'])).toEqual({ code: 0, output: 'true closed\n' })
    })
  })

  const deno = runtimes.at(-1)?.command?.[0]
  test.skipIf(deno === undefined)('deno check takes the types', async () => {
    const source = `
      import { Client, type MqttError, type Publication } from 'mqtt-await'
      import { encode } from 'mqtt-await/codec'
      import { memoryStore, type SessionStore } from 'mqtt-await/store'
      import { Client as CompatClient } from 'mqtt-await/compat'
      const store: SessionStore = memoryStore()
      const client: Client = new Client('mqtt://localhost', { protocolVersion: 5, store })
      const publication: Publication = client.publish('a/b', 'text', { qos: 1 })
      const { reasonCode }: { readonly reasonCode: number } = await publication.acked
      for await (const message of client.messages(['a/#'], { qos: 2 })) {
        const text: string = message.text()
        console.log(text, reasonCode, encode, CompatClient, client.lastError satisfies MqttError | undefined)
      }`
    const check = async (name: string, text: string): Promise<Run> => {
      writeFileSync(join(consumer(), name), text)
      return run([deno as string, 'check', '--quiet'], [name])
    }
    expect(await check('right.ts', source)).toEqual({ code: 0, output: '' })
    const wrong = await check('wrong.ts', source.replace('qos: 1', 'qos: 3'))
    expect(wrong.code).toBe(1)
    expect(wrong.output).toContain("'3' is not assignable")
  })
}

function secrets(): LifeSettings['tls'] {
  const { ca, client, selfSigned } = certificates()
  const { cert, passphrase } = client
  // Deno reads no keys that are encrypted with 3DES, as those of `openssl req` are.
  const key = createPrivateKey({ key: client.key, passphrase })
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
    .toString()
  return { ca, cert, key, passphrase, otherCa: selfSigned.cert }
}

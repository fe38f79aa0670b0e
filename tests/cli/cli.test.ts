import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

// Built once: a compiler in each process would take longer than what it runs. Inside the package, so that imports resolve.
const built = mkdtempSync(join(root, 'node_modules', '.cli-test-'))

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Starts the command; `until` resolves when standard output or error holds the text. */
function start(argv: readonly string[], url: string) {
  const child = spawn(process.execPath, [join(built, 'cli.mjs'), ...argv], {
    cwd: root,
    env: { ...process.env, MQTT_URL: url },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const ended: Promise<Run> = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    out,
    err,
  }))
  const until = async (text: string) => {
    while (!out.includes(text)) await once(child.stdout, 'data')
  }
  return { child, ended, until }
}

const run = (argv: readonly string[], url: string) => start(argv, url).ended

describeMosquitto('the command mqtt-await', () => {
  let broker: Mosquitto
  let url: string

  beforeAll(async () => {
    await build({
      entryPoints: [join(root, 'src/cli.ts')],
      outfile: join(built, 'cli.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    })
    broker = await Mosquitto.start()
    url = broker.url()
  })
  afterAll(async () => {
    await broker.dispose()
    rmSync(built, { recursive: true, force: true })
  })

  describe.each(['5', '3.1.1'])('MQTT %s', (version) => {
    const topic = `cli/${version}`

    test('pub is heard by sub, retained and in JSON', async () => {
      expect(
        await run(['pub', '-V', version, '-q', '1', '-r', `${topic}/kept`, 'hello world'], url),
      ).toMatchObject({ code: 0, out: '', err: '' })
      const sub = await run(['sub', '-V', version, '-n', '1', '--json', `${topic}/#`], url)
      expect(sub.code).toBe(0)
      expect(JSON.parse(sub.out)).toMatchObject({
        topic: `${topic}/kept`,
        payload: 'hello world',
        retain: true,
      })
    })

    test('sub prints topic and payload, and ends on SIGINT', async () => {
      const sub = start(['sub', '-V', version, '$SYS/broker/version', `${topic}/live`], url)
      await sub.until('mosquitto version')
      await run(['pub', '-V', version, `${topic}/live`, 'now'], url)
      await sub.until('now')
      sub.child.kill('SIGINT')
      const { code, out } = await sub.ended
      expect(code).toBe(0)
      expect(out).toContain(`${topic}/live now\n`)
    })
  })

  test('each line of standard input is a message', async () => {
    const sub = start(['sub', '-q', '1', '-n', '3', '--payload', '$SYS/broker/version', 'cli/lines'], url)
    await sub.until('mosquitto')
    const pub = start(['pub', '-q', '1', '-l', 'cli/lines'], url)
    pub.child.stdin.end('one\ntwo\n')
    expect((await pub.ended).code).toBe(0)
    expect((await sub.ended).out.split('\n').slice(1)).toEqual(['one', 'two', ''])
  })

  test('ends with 3 when the messages do not come in time', async () => {
    expect((await run(['sub', '-n', '1', '-t', '1', 'cli/never'], url)).code).toBe(3)
  })

  test.each([
    ['-l', ['-l']],
    ['-f -', ['-f', '-']],
  ])('pub %s ends with 3 when standard input does not end in time', async (_, options) => {
    const pub = start(['pub', ...options, '-t', '1', 'cli/open'], url)
    expect(await pub.ended).toMatchObject({ code: 3, err: expect.stringContaining('timeout') })
  })

  test('pub -f - ends on SIGINT while it waits for standard input', async () => {
    const pub = start(['pub', '-f', '-', 'cli/open'], url)
    // It has connected by then: the server tells who has.
    const log = broker.log
    await expect.poll(() => broker.log, { timeout: 5_000 }).not.toBe(log)
    await new Promise((resolve) => setTimeout(resolve, 200))
    pub.child.kill('SIGINT')
    expect(await pub.ended).toMatchObject({ code: 0, err: '' })
  })

  test('a refused connection is one line and exit code 1', async () => {
    const { code, out, err } = await run(['pub', '-u', 'mqtt://127.0.0.1:1', 'a', 'b'], url)
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^mqtt-await: Could not connect .*ECONNREFUSED.*\n$/)
  })

  test('wrong usage is exit code 2', async () => {
    const { code, err } = await run(['pub'], url)
    expect(code).toBe(2)
    expect(err).toContain('--help')
  })
})

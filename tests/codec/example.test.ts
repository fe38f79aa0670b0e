import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { encode } from 'mqtt-await/codec'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Lines that the example prints. */
async function table(...parameters: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'examples/decode-stream.ts', ...parameters],
    { cwd: root, env: { ...process.env, TSX_TSCONFIG_PATH: 'tests/tsconfig.json' } },
  )
  return stdout.trimEnd().split('\n')
}

// Each starts a process that compiles TypeScript first.
const timeout = 60_000

test('the example prints a captured stream as a table, up to what is wrong', { timeout }, async () => {
  const lines = await table()
  expect(lines.map((line) => line.split(/\s+/).slice(1, 3).join(' '))).toEqual([
    'byte packet',
    '0 CONNACK',
    '18 SUBACK',
    '25 PUBLISH',
    '59 PUBLISH',
    '111 PUBACK',
    '116 PINGRESP',
    'PUBLISH: Topic',
  ])
  expect(lines[4]).toContain(
    'plant/7/temp QoS 1 "21.5 °C" {"userProperties":[["unit","°C"],["sensor","a4"]]}',
  )
  expect(lines.at(-1)).toMatch(/^wrong: PUBLISH: Topic Name at byte 2: .*MQTT-3\.3\.2-2.*DISCONNECT 0x82$/)
})

test('the example reads a capture of a client from a file, and hides the password', { timeout }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'decode-stream-'))
  try {
    const password = new TextEncoder().encode('hunter2')
    const options = { clientId: 'c', cleanStart: true, keepAlive: 60, username: 'u', password }
    const file = join(folder, 'capture.bin')
    writeFileSync(
      file,
      Buffer.concat([
        encode({ type: 'connect', protocolVersion: 4, ...options }),
        encode({ type: 'pingreq' }),
        Buffer.from([0xe0]),
      ]),
    )
    const lines = await table(file, '--from', 'client')
    expect(lines.map((line) => line.split(/\s+/)[2])).toEqual(['packet', 'CONNECT', 'PINGREQ', 'of'])
    expect(lines[1]).toContain('"password":"(hidden)"')
    expect(lines.at(-1)).toBe('1 bytes of an unfinished packet are left')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'mqtt-await'
import { levelStore } from 'mqtt-await/store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ReceivingBroker } from '../backlog/receiving-broker.ts'
import { programPlace } from '../program-place.ts'
import { type Filled, fill } from './fill.ts'

/** A file system of 3 MiB in memory can be had by root alone. */
function canMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), 'mqtt-await-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place], { stdio: 'ignore' })
    execFileSync('umount', [place])
    return true
  } catch {
    return false
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

let place: string
let broker: ReceivingBroker
beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'mqtt-await-full-'))
  broker = await ReceivingBroker.start()
})
afterEach(() => {
  broker.dispose()
  rmSync(place, { recursive: true, force: true })
})

/** A clear error, after which nothing is taken; nothing has left. */
function checkFailure(filled: Filled, cause: RegExp): void {
  expect(filled.message).toMatch(/could not be written: /)
  expect(filled.message).toMatch(cause)
  expect(filled).toMatchObject({ isStoreError: true, reason: 'error', isSameError: true })
  expect(filled.later).toMatch(cause)
  expect(filled.stored).toBeGreaterThan(100)
  expect(broker.received).toBe(0)
}

/** There is room again: everything that was stored is delivered, once and in order. */
async function checkDelivery(
  { stored }: Filled,
  store: string,
  durability: 'process' | 'disk',
): Promise<void> {
  const client = new Client(broker.url, { clientId: 'full', store: levelStore(store, { durability }) })
  await client.connect()
  await client.flush()
  expect(broker.wrong).toEqual([])
  expect(broker.received).toBeGreaterThan(stored)
  await client.disconnect()
}

describe.skipIf(!canMount())('a disk that is full', () => {
  beforeEach(() => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', place])
  })
  afterEach(() => {
    execFileSync('umount', ['-l', place])
  })

  test.each(['process', 'disk'] as const)(
    'gives a clear error; what was stored is delivered when there is room again (durability "%s")',
    async (durability) => {
      const ballast = join(place, 'ballast')
      writeFileSync(ballast, new Uint8Array(1024 * 1024))
      const store = join(place, 'store')
      const filled = await fill(broker.url, store, durability)
      checkFailure(filled, /No space left on device/i)
      rmSync(ballast)
      await checkDelivery(filled, store, durability)
    },
  )
})

/** Needs no rights: the kernel refuses to let a file of the process grow beyond the limit, in the middle of a write. */
describe.skipIf(process.platform === 'win32')('a process that may not write larger files', () => {
  test.each(['process', 'disk'] as const)(
    'is told so; what was stored is delivered by one that may (durability "%s")',
    async (durability) => {
      using program = programPlace(new URL('limited.ts', import.meta.url))
      const node = [process.execPath, program.program, broker.url, program.store, durability]
      const output = execFileSync('sh', ['-c', 'ulimit -f 4000 && exec "$@"', 'sh', ...node])
      const filled = JSON.parse(output.toString()) as Filled
      checkFailure(filled, /File too large/i)
      await checkDelivery(filled, program.store, durability)
    },
  )
})

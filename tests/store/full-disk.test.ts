import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, type MqttError } from 'mqtt-await'
import { levelStore, StoreError } from 'mqtt-await/store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ReceivingBroker } from './backlog/receiving-broker.ts'

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

describe.skipIf(!canMount())('a disk that is full', () => {
  let place: string
  let broker: ReceivingBroker
  beforeEach(async () => {
    place = mkdtempSync(join(tmpdir(), 'mqtt-await-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', place])
    broker = await ReceivingBroker.start()
  })
  afterEach(() => {
    broker.dispose()
    execFileSync('umount', ['-l', place])
    rmSync(place, { recursive: true, force: true })
  })

  test.each(['process', 'disk'] as const)(
    'gives a clear error; what was stored is delivered when there is room again (durability "%s")',
    async (durability) => {
      const ballast = join(place, 'ballast')
      writeFileSync(ballast, new Uint8Array(1024 * 1024))
      const options = { clientId: 'full', store: levelStore(join(place, 'store'), { durability }) }
      const first = new Client(broker.url, options)
      let stored = -1
      let failure: unknown
      for (let n = 0; failure === undefined && n < 100_000; n++) {
        const publication = first.publish('t', `${n} ${'x'.repeat(1000)}`, { qos: n % 2 === 0 ? 1 : 2 })
        publication.acked.catch(() => {})
        if (n % 10 !== 0) {
          publication.stored.catch(() => {})
          continue
        }
        await publication.stored.then(
          () => {
            stored = n
          },
          (error: unknown) => {
            failure = error
          },
        )
      }
      expect(failure).toBeInstanceOf(StoreError)
      expect((failure as MqttError).message).toMatch(/could not be written: .*No space left on device/i)
      expect(stored).toBeGreaterThan(100)
      const { reason, error } = await first.closed
      expect(reason).toBe('error')
      expect(error).toBe(failure)
      expect(() => first.publish('t', 'more', { qos: 1 })).toThrow(/No space left on device/i)
      expect(broker.received).toBe(0)

      rmSync(ballast)
      const second = new Client(broker.url, options)
      await second.connect()
      await second.flush()
      expect(broker.wrong).toEqual([])
      expect(broker.received).toBeGreaterThan(stored)
      await second.disconnect()
    },
  )
})

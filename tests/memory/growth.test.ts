import { expect, test } from 'vitest'
import { measured } from './measured.ts'

/**
 * What is done often leaves nothing behind. Ten times as often with `MEMORY_ROUNDS=10`, which makes it ten million messages.
 */
const rounds = Number(process.env['MEMORY_ROUNDS'] ?? '1')

/** Compiled code, caches and the noise of the collector; a hundred bytes per message would be a hundred times as much. */
const NOISE_BYTES = 3_000_000

test.each([
  ['publish', 'publications', 1_000_000 * rounds],
  ['receive', 'received messages', 1_000_000 * rounds],
  ['reconnect', 'reconnects', 1000 * rounds],
  ['chaos', 'cuts in the middle of exchanges', 1000 * rounds],
  ['subscribe', 'subscriptions made and dropped', 10_000 * rounds],
])(
  '%s: the heap does not grow with the number of %s',
  async (kind, _what, times) => {
    const { before, after } = await measured<{ readonly before: number; readonly after: number }>(
      'growth-program',
      kind,
      times,
    )
    expect(after - before).toBeLessThan(NOISE_BYTES)
  },
  180_000 * rounds,
)

interface Pressure {
  readonly growth: number
  readonly lost: number
  readonly done: number
  readonly dropped?: number
  readonly answered?: number
  readonly pinged?: number
}

/** What may be waiting (1 MiB, 1,000 messages), under way (16,384), or in a chunk that somebody still reads; and the noise. */
const FEW_MEGABYTES = 12_000_000

test.each([
  ['publish0', 'QoS 0'],
  ['publish1', 'QoS 1'],
])(
  '%s: a million publications of %s in a plain loop, with drained(), take a few megabytes at their fullest',
  async (kind) => {
    const found = await measured<Pressure>('pressure-program', kind, 1_000_000 * rounds)
    expect(found).toMatchObject({ done: 1_000_000 * rounds, lost: 0 })
    expect(found.growth).toBeLessThan(FEW_MEGABYTES)
  },
  120_000 * rounds,
)

test.each([
  ['slow0', 'QoS 0', 1_000_000 * rounds],
  ['slow1', 'QoS 1', 60_000 * rounds],
  ['slow2', 'QoS 2', 60_000 * rounds],
])(
  '%s: a consumer slower than a flood of %s costs no memory, and stops neither PINGRESP nor another consumer',
  async (kind, _qos, times) => {
    const found = await measured<Pressure>('pressure-program', kind, times)
    expect(found.lost).toBe(0)
    // QoS 0 keeps what the queue holds and counts the rest; nothing else is ever dropped.
    expect(found.done + (found.dropped ?? 0)).toBe(times)
    if (kind === 'slow0') expect(found.dropped).toBeGreaterThan(times / 2)
    else expect(found.dropped).toBe(0)
    expect(found.answered).toBeGreaterThan(5)
    expect(found.pinged).toBeGreaterThan(5)
    expect(found.growth).toBeLessThan(FEW_MEGABYTES)
  },
  120_000 * rounds,
)

interface Left {
  readonly heap: number
  readonly resources: readonly string[]
  readonly listeners: number
}

test.each([
  ['tcp', 'lives over TCP, ended by disconnect()'],
  ['ws', 'lives over WebSocket, ended by disconnect()'],
  ['close', 'lives over TCP, ended by close()'],
  ['abort', 'attempts that were given up at any point'],
])(
  '%s: a thousand %s leave no socket, timer, listener or memory behind',
  async (kind) => {
    const { before, after } = await measured<{ readonly before: Left; readonly after: Left }>(
      'lives-program',
      kind,
      1000 * rounds,
    )
    expect(after.resources.toSorted()).toEqual(before.resources.toSorted())
    expect(after.listeners).toBe(before.listeners)
    expect(after.heap - before.heap).toBeLessThan(NOISE_BYTES)
  },
  120_000 * rounds,
)

import { expect, test } from 'vitest'
import { runClientSeed, runEveryOperation, runSeed, runStoreSeed } from './run-seed.ts'

/** Seeds that found something once; each line says what. */
const FOUND: readonly (readonly [seed: number, what: string])[] = [
  [131_169, 'a message that fits by its alias alone could not be sent again'],
  [183_326, 'a QoS 1 message was swallowed for another one under its identifier'],
  [69, 'a message too large for its new alias left the alias behind as known'],
  [11_411, 'a new session whose CONNACK was lost is taken for the old one, and nobody can tell'],
  [13_659, 'a message that was sent, lost with its session and then expired was called unsent'],
  [18_779, 'the same at QoS 2, across a restart of the process'],
]

const SEEDS = 3000
const CLIENT_SEEDS = 600
const CLIENT_PART = 200
const STORE_SEEDS = 600
const STORE_PART = 200
/** So that a run shows where it is, and the time limit is one of a part. */
const PART = 500

test.each(FOUND)('seed %i: %s', (seed) => {
  runSeed(seed)
})

test.each(Array.from({ length: SEEDS / PART }, (_, part) => part * PART + 1))(
  'no rule is broken by the seeds from %i on',
  { timeout: 120_000 },
  (first) => {
    let packets = 0
    for (let seed = first; seed < first + PART; seed++) packets += runSeed(seed).packets
    // A simulation in which nothing happens would pass as well.
    expect(packets).toBeGreaterThan(PART * 50)
  },
)

test.each(Array.from({ length: CLIENT_SEEDS / CLIENT_PART }, (_, part) => part * CLIENT_PART + 1))(
  'nor with the whole client, from %i on',
  { timeout: 120_000 },
  async (first) => {
    let packets = 0
    for (let seed = first; seed < first + CLIENT_PART; seed++) packets += (await runClientSeed(seed)).packets
    expect(packets).toBeGreaterThan(CLIENT_PART * 50)
  },
)

test.each(Array.from({ length: STORE_SEEDS / STORE_PART }, (_, part) => part * STORE_PART + 1))(
  'nor by clients that die and go on with their store, from %i on',
  { timeout: 120_000 },
  async (first) => {
    let packets = 0
    let lives = 0
    for (let seed = first; seed < first + STORE_PART; seed++) {
      const result = await runStoreSeed(seed)
      packets += result.packets
      lives += result.lives
    }
    expect(packets).toBeGreaterThan(STORE_PART * 50)
    expect(lives).toBeGreaterThan(STORE_PART * 2)
  },
)

test.each([1, 2, 3])(
  'nor by a process that dies at any operation of its store there is, with seed %i',
  { timeout: 120_000 },
  async (seed) => {
    expect((await runEveryOperation(seed)).operations).toBeGreaterThan(20)
  },
)

test('client seed 611: a copy for a filter that was left, and is wanted again by somebody else, does not hold up what follows', async () => {
  await runClientSeed(611)
})

test('client seed 665: a copy made for another subscription, sent again at another QoS, is a repeat and not out of order', async () => {
  await runClientSeed(665)
})

test('client seed 6331: a loop that is left after its queue overflowed does not keep what others have finished with', async () => {
  await runClientSeed(6331)
})

test.each([476, 1090])(
  'store seed %i: output waits for the records that it depends on also when the backlog has them written',
  async (seed) => {
    await runStoreSeed(seed)
  },
)

test('the same seed is the same simulation', async () => {
  expect(await runClientSeed(7)).toEqual(await runClientSeed(7))
  expect(await runStoreSeed(7)).toEqual(await runStoreSeed(7))
  expect(runSeed(7)).toEqual(runSeed(7))
})

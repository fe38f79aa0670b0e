import { expect, test } from 'vitest'
import { clientDefects, defects } from './defects.ts'
import { runClientSeed, runSeed, runStoreSeed, type SeedFailure } from './run-seed.ts'
import { storeDefects } from './store-defects.ts'

/** A simulation that cannot fail proves nothing: each mistake must be caught within so many seeds. */
const SEEDS = 200
/** Of these some wait for a crash at just the right place. */
const STORE_SEEDS = 4000

test.each(defects.map((defect) => [defect.name, defect] as const))('catches: %s', (_, defect) => {
  const remove = defect.install()
  try {
    let caught: SeedFailure | undefined
    for (let seed = 1; seed <= SEEDS && caught === undefined; seed++) {
      try {
        runSeed(seed, defect.sabotage)
      } catch (error) {
        caught = error as SeedFailure
      }
    }
    expect(caught, `not caught within ${SEEDS} seeds`).toBeDefined()
    expect(caught?.message).toContain(`npm run simulate -- --seed ${caught?.seed}`)
    expect(caught?.rule).not.toBe('determinism')
  } finally {
    remove()
  }
})

test.each([
  ...clientDefects.map((defect) => [`in the client: ${defect.name}`, defect, runClientSeed, SEEDS] as const),
  ...storeDefects.map(
    (defect) => [`in the store: ${defect.name}`, defect, runStoreSeed, STORE_SEEDS] as const,
  ),
])('catches %s', async (_, defect, run, seeds) => {
  const remove = defect.install()
  try {
    let caught: SeedFailure | undefined
    for (let seed = 1; seed <= seeds && caught === undefined; seed++) {
      caught = await run(seed).then(
        () => undefined,
        (error: SeedFailure) => error,
      )
    }
    expect(caught, `not caught within ${seeds} seeds`).toBeDefined()
    expect(caught?.rule).not.toBe('determinism')
  } finally {
    remove()
  }
})

import { expect, test } from 'vitest'
import { clientDefects, defects } from './defects.ts'
import { runClientSeed, runSeed, type SeedFailure } from './run-seed.ts'

/** A simulation that cannot fail proves nothing: each mistake must be caught within so many seeds. */
const SEEDS = 200

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

test.each(clientDefects.map((defect) => [defect.name, defect] as const))(
  'catches in the client: %s',
  async (_, defect) => {
    const remove = defect.install()
    try {
      let caught: SeedFailure | undefined
      for (let seed = 1; seed <= SEEDS && caught === undefined; seed++) {
        caught = await runClientSeed(seed).then(
          () => undefined,
          (error: SeedFailure) => error,
        )
      }
      expect(caught, `not caught within ${SEEDS} seeds`).toBeDefined()
      expect(caught?.rule).not.toBe('determinism')
    } finally {
      remove()
    }
  },
)

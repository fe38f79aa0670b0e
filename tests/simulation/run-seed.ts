import { type LabResult, type Sabotage, SessionLab } from './session-lab.ts'

/** A seed that broke a rule, with everything to see it again. */
export class SeedFailure extends Error {
  readonly seed: number
  readonly rule: string

  constructor(seed: number, rule: string, message: string) {
    super(message)
    this.name = 'SeedFailure'
    this.seed = seed
    this.rule = rule
  }
}

/** Runs one seed. On failure it is run a second time with its trace, which ends up in the error's message. */
export function runSeed(seed: number, sabotage: Sabotage = {}): LabResult {
  try {
    return new SessionLab(seed, false, sabotage).run()
  } catch {
    const lab = new SessionLab(seed, true, sabotage)
    try {
      lab.run()
    } catch (error) {
      const { message, stack } = error as Error
      const rule = (error as { rule?: string }).rule ?? 'crash'
      const tail = lab.trace.lines.slice(-Number(process.env['SIM_TAIL'] ?? 120)).join('\n')
      const text = rule === 'crash' ? (stack ?? message) : message
      throw new SeedFailure(
        seed,
        rule,
        `${text}\n${tail}\n${text}\nreproduce: npm run simulate -- --seed ${seed}`,
      )
    }
    throw new SeedFailure(seed, 'determinism', `seed ${seed} failed once and passed when it was run again`)
  }
}

import { ClientLab } from './client-lab.ts'
import { type LabResult, type Sabotage, SessionLab } from './session-lab.ts'

/** Of a trace, what is shown with a failure. */
const TRACE_LINES = Number(process.env['SIMULATION_TRACE'] ?? 120)

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
      throw failureOf(seed, error as Error, lab.trace.lines, '')
    }
    throw new SeedFailure(seed, 'determinism', `seed ${seed} failed once and passed when it was run again`)
  }
}

/** The same with the whole client. */
export async function runClientSeed(seed: number): Promise<LabResult> {
  try {
    return await new ClientLab(seed, false).run()
  } catch {
    const lab = new ClientLab(seed, true)
    try {
      await lab.run()
    } catch (error) {
      throw failureOf(seed, error as Error, lab.trace.lines, '--client ')
    }
    throw new SeedFailure(seed, 'determinism', `seed ${seed} failed once and passed when it was run again`)
  }
}

function failureOf(seed: number, error: Error, lines: readonly string[], option: string): SeedFailure {
  const rule = (error as { rule?: string }).rule ?? 'crash'
  const tail = lines.slice(-TRACE_LINES).join('\n')
  const text = rule === 'crash' ? (error.stack ?? error.message) : error.message
  return new SeedFailure(
    seed,
    rule,
    `${text}\n${tail}\n${text}\nreproduce: npm run simulate -- ${option}--seed ${seed}`,
  )
}

import { ClientLab } from './client-lab.ts'
import { type LabResult, type Sabotage, SessionLab } from './session-lab.ts'
import { StoreLab, type StorePlan } from './store-lab.ts'

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

/** A client with a store, in one process after the other. */
export async function runStoreSeed(
  seed: number,
  plan?: StorePlan,
): Promise<LabResult & { readonly operations: number; readonly lives: number }> {
  try {
    return await new StoreLab(seed, false, plan).run()
  } catch {
    const lab = new StoreLab(seed, true, plan)
    const option = plan === undefined ? '--store ' : `--store --diesAt ${plan.diesAt} `
    try {
      await lab.run()
    } catch (error) {
      throw failureOf(seed, error as Error, lab.trace.lines, option)
    }
    throw new SeedFailure(seed, 'determinism', `seed ${seed} failed once and passed when it was run again`)
  }
}

/** The same without an accident of its own, then with a death at every operation of the store that there was. */
export async function runEveryOperation(seed: number): Promise<LabResult & { readonly operations: number }> {
  const { operations, ...result } = await runStoreSeed(seed, { diesAt: 0 })
  let { steps, packets } = result
  for (let diesAt = 1; diesAt <= operations; diesAt++) {
    const once = await runStoreSeed(seed, { diesAt })
    steps += once.steps
    packets += once.packets
  }
  return { steps, packets, operations }
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

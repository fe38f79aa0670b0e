/** A rule that was broken in a simulation. */
export class SimulationFailure extends Error {
  readonly rule: string

  constructor(rule: string, message: string) {
    super(`[${rule}] ${message}`)
    this.name = 'SimulationFailure'
    this.rule = rule
  }
}

import type { QoS } from './readings.ts'

/** What became of the readings of one QoS. */
export class Tally {
  readonly qos: QoS
  published = 0
  acknowledged = 0
  duplicated = 0
  readonly #received = new Set<string>()
  readonly #roundTripsMs: number[] = []

  constructor(qos: QoS) {
    this.qos = qos
  }

  get received(): number {
    return this.#received.size
  }

  get lost(): number {
    return this.published - this.received
  }

  /** Milliseconds from publish() to the consumer's loop, median. */
  get roundTripMs(): number {
    const sorted = this.#roundTripsMs.toSorted((a, b) => a - b)
    return sorted[sorted.length >> 1] ?? Number.NaN
  }

  /** Whether it is the first time. */
  receive(id: string, tookMs: number): boolean {
    if (this.#received.has(id)) {
      this.duplicated++
      return false
    }
    this.#received.add(id)
    this.#roundTripsMs.push(tookMs)
    return true
  }

  get right(): boolean {
    return this.lost === 0 && this.duplicated === 0 && this.acknowledged === this.published
  }
}

export function table(tallies: readonly Tally[], seconds: number): string {
  const lines = [['QoS', 'published', 'acknowledged', 'received', 'lost', 'duplicated', 'round trip']]
  for (const tally of tallies) {
    lines.push([
      String(tally.qos),
      String(tally.published),
      tally.qos === 0 ? '-' : String(tally.acknowledged),
      String(tally.received),
      String(tally.lost),
      String(tally.duplicated),
      `${tally.roundTripMs.toFixed(1)} ms`,
    ])
  }
  const total = (pick: (tally: Tally) => number): number =>
    tallies.reduce((sum, tally) => sum + pick(tally), 0)
  const published = total((tally) => tally.published)
  lines.push([
    'all',
    String(published),
    String(total((tally) => (tally.qos === 0 ? 0 : tally.acknowledged))),
    String(total((tally) => tally.received)),
    String(total((tally) => tally.lost)),
    String(total((tally) => tally.duplicated)),
    '',
  ])
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  const text = lines.map(
    (line) => `  ${line.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('   ')}`,
  )
  const rule = `  ${'-'.repeat((text[0]?.length ?? 0) - 2)}`
  text.splice(1, 0, rule)
  text.splice(-1, 0, rule)
  return `${text.join('\n')}\n\n  ${Math.round(published / seconds)} messages/s (${seconds.toFixed(1)} s)`
}

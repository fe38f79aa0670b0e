import { cpus, platform, release } from 'node:os'
import type { Scenario } from './scenarios.ts'
import type { ContestantName, Measurement } from './worker.ts'

export interface Row {
  readonly scenario: Scenario
  /** In the order of the rounds. */
  readonly results: ReadonlyMap<ContestantName, readonly Measurement[]>
  readonly failures: readonly string[]
}

export function environment(): Readonly<Record<string, string | number>> {
  return {
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    system: `${platform()} ${release()}`,
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

const values = (row: Row, name: ContestantName): number[] =>
  (row.results.get(name) ?? []).map((one) => one.value)

/** The median of the ratios of each round, in which both ran one after the other. */
export function ratio(row: Row, name: ContestantName, to: ContestantName): number {
  const own = values(row, name)
  const other = values(row, to)
  const ratios: number[] = []
  for (let round = 0; round < Math.min(own.length, other.length); round++) {
    ratios.push((own[round] as number) / (other[round] as number))
  }
  return median(ratios)
}

function show(value: number, unit: string | undefined): string {
  if (Number.isNaN(value) || unit === undefined) return '-'
  if (unit === 'msg/s')
    return value >= 1e6 ? `${(value / 1e6).toFixed(2)}M/s` : `${(value / 1e3).toFixed(0)}k/s`
  if (unit === 'bytes') return value >= 10_000 ? `${(value / 1000).toFixed(1)} kB` : `${value.toFixed(0)} B`
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${unit}`
}

const showRatio = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 10 ? `${value.toFixed(1)}x` : `${value.toFixed(2)}x`

/** Ratios first, then medians: a Markdown table. */
export function table(rows: readonly Row[]): string {
  const hasSap = rows.some((row) => row.results.has('SAP'))
  const lines = [
    [
      'scenario',
      'x MQTT.js',
      'target',
      ...(hasSap ? ['x SAP'] : []),
      'x bare socket',
      'mqtt-await',
      'MQTT.js',
      ...(hasSap ? ['SAP'] : []),
      'bare socket',
      'CPU us/msg',
      'p99',
    ],
  ]
  for (const row of rows) {
    const own = row.results.get('mqtt-await') ?? []
    const cell = (name: ContestantName): string =>
      show(median(values(row, name)), row.results.get(name)?.[0]?.unit)
    const cpu = median(own.map((one) => one.cpuMicrosPerMessage ?? Number.NaN))
    const p99 = median(own.map((one) => one.p99 ?? Number.NaN))
    const { target, work } = row.scenario
    const least = work.kind === 'publish' || work.kind === 'receive'
    lines.push([
      row.scenario.title,
      showRatio(ratio(row, 'mqtt-await', 'MQTT.js')),
      target === undefined ? '' : `${least ? 'at least' : 'at most'} ${target}`,
      ...(hasSap ? [showRatio(ratio(row, 'mqtt-await', 'SAP'))] : []),
      showRatio(ratio(row, 'mqtt-await', 'bare socket')),
      cell('mqtt-await'),
      cell('MQTT.js'),
      ...(hasSap ? [cell('SAP')] : []),
      cell('bare socket'),
      Number.isNaN(cpu) ? '-' : cpu.toFixed(2),
      Number.isNaN(p99) ? '-' : `${p99.toFixed(1)} ${own[0]?.unit === 'us' ? 'us' : 'ms'}`,
    ])
  }
  const widths = (lines[0] as string[]).map((_, column) =>
    Math.max(...lines.map((line) => (line[column] as string).length)),
  )
  const text = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`,
  )
  text.splice(1, 0, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  return text.join('\n')
}

/** A bar per scenario of rates: times MQTT.js, which is the line at 1. */
export function chart(rows: readonly Row[]): string {
  const bars = rows
    .filter((row) => row.scenario.work.kind === 'publish' || row.scenario.work.kind === 'receive')
    .map((row) => ({ title: row.scenario.title, value: ratio(row, 'mqtt-await', 'MQTT.js') }))
    .filter((bar) => Number.isFinite(bar.value))
  const left = 380
  const width = 900
  const scale = (width - left - 70) / Math.max(1, ...bars.map((bar) => bar.value))
  const height = 60 + bars.length * 26
  const parts = bars.map(({ title, value }, index) => {
    const y = 46 + index * 26
    const length = (value * scale).toFixed(1)
    return [
      `<text x="${left - 8}" y="${y + 14}" text-anchor="end">${title}</text>`,
      `<rect x="${left}" y="${y}" width="${length}" height="18" fill="#2f6f9f"/>`,
      `<text x="${left + Number(length) + 6}" y="${y + 14}">${showRatio(value)}</text>`,
    ].join('')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">
<title>mqtt-await, messages per second, times MQTT.js</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="20" font-weight="bold">mqtt-await, messages per second, times MQTT.js 5.16 (the line)</text>
${parts.join('\n')}
<line x1="${left + scale}" y1="38" x2="${left + scale}" y2="${height - 10}" stroke="#c33" stroke-width="2"/>
</svg>
`
}

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * TABLE.md: every normative statement of both standards, and what became of it here.
 * `npx tsx tests/conformance/table.ts` writes it; table.test.ts checks that it is current and that nothing is missing.
 */

type Standard = '5.0' | '3.1.1' | 'unnumbered'

export interface Row {
  readonly standard: Standard
  readonly id: string
  readonly section: string
  readonly binds: string
  readonly requirement: string
  readonly status: 'tested' | 'not applicable' | 'not observable' | 'untested'
  /** Where it is tested, or why it is not. */
  readonly where: string
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const tsv = (name: string) =>
  readFileSync(here(name), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))

/** Ids given to `rule` in the test files beside this one, with the file. */
function testedIds(): Map<string, string> {
  const found = new Map<string, string>()
  for (const file of readdirSync(here('.')).filter((name) => name.endsWith('.test.ts'))) {
    const source = readFileSync(here(file), 'utf8')
    for (const [, version, ids = ''] of source.matchAll(/\b([345]):\s*(\[[^\]]*\]|'[^']*')/g)) {
      for (const [id] of ids.matchAll(/MQTT-[\d.]+-\d+|U\d+-\d+/g)) {
        const key = `${id.startsWith('U') ? 'unnumbered' : version === '5' ? '5.0' : '3.1.1'} ${id}`
        if (!found.has(key)) found.set(key, file)
      }
    }
  }
  return found
}

/** Statements that rows of bad server input answer to; malformed.test.ts plays them all. */
function malformedIds(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [row = '', protocol = '', , , , statement = ''] of tsv('data/malformed.tsv')) {
    const key = `${protocol} ${statement}`
    found.set(key, [...(found.get(key) ?? []), row])
  }
  return found
}

export function rows(): Row[] {
  const tested = testedIds()
  const malformed = malformedIds()
  const exempt = new Map(
    tsv('exempt.tsv').map(([standard, id, status, reason]) => [`${standard} ${id}`, { status, reason }]),
  )
  const result: Row[] = []
  const add = (standard: Standard, id: string, section: string, binds: string, requirement: string): void => {
    const key = `${standard} ${id}`
    const row = (status: Row['status'], where: string) => {
      result.push({ standard, id, section, binds, requirement, status, where })
    }
    const file = tested.get(key)
    const bad = malformed.get(key)
    const exemption = exempt.get(key)
    if (file !== undefined) row('tested', file)
    else if (bad !== undefined) {
      row(
        'tested',
        `malformed.test.ts, ${bad.length === 1 ? bad[0] : `${bad[0]} and ${bad.length - 1} more`}`,
      )
    } else if (exemption !== undefined) row(exemption.status as Row['status'], exemption.reason ?? '')
    else if (binds === 'server') row('not applicable', 'binds servers')
    else row('untested', '')
  }
  for (const [id = '', section = '', binds = '', , requirement = ''] of tsv('data/mqtt5.tsv'))
    add('5.0', id, section, binds, requirement)
  for (const [id = '', section = '', binds = '', , requirement = ''] of tsv('data/mqtt311.tsv'))
    add('3.1.1', id, section, binds, requirement)
  for (const [id = '', protocol = '', section = '', , requirement = ''] of tsv('data/unnumbered.tsv')) {
    add('unnumbered', id, `${protocol} §${section}`, 'client', requirement)
  }
  return result
}

export function markdown(all: readonly Row[] = rows()): string {
  const lines = [
    '# Conformance',
    '',
    'Every numbered statement of MQTT 5.0 and 3.1.1, and where it is tested. Made by `npx tsx tests/conformance/table.ts`;',
    'requirements are paraphrases, the ids are those of the OASIS standards.',
  ]
  for (const standard of ['5.0', '3.1.1', 'unnumbered'] as const) {
    const of = all.filter((row) => row.standard === standard)
    const count = (status: Row['status']) => of.filter((row) => row.status === status).length
    lines.push(
      '',
      standard === 'unnumbered' ? '## Rules without a number' : `## MQTT ${standard}`,
      '',
      `${of.length} statements: ${count('tested')} tested, ${count('not applicable')} not applicable to a client, ${count('not observable')} not observable, ${count('untested')} untested.`,
      '',
      '| statement | binds | requirement | status | where or why |',
      '| --- | --- | --- | --- | --- |',
      ...of.map(
        (row) =>
          `| ${row.id} | ${row.binds} | ${row.requirement.replaceAll('|', '\\|')} | ${row.status} | ${row.where} |`,
      ),
    )
  }
  return `${lines.join('\n')}\n`
}

export const tablePath: string = here('TABLE.md')

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(tablePath, markdown())

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Reporter, TestCase, TestModule, TestRunEndReason } from 'vitest/node'

const runtimes = fileURLToPath(new URL('../packaging/runtimes/node_modules', import.meta.url))

/**
 * Ends every run with what did not run and why, in letters that cannot be overlooked, and one plain line of counts:
 * `N passed, N failed, N skipped`. A test run that was green because half of it was absent is worth nothing.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], _reason: TestRunEndReason): void {
    const count = { passed: 0, failed: 0, skipped: 0 }
    const absent = new Map<string, string[]>()
    for (const module of modules) {
      // A file that could not even be loaded has no tests of its own to count.
      if (module.state() === 'failed' && module.errors().length > 0) count.failed++
      for (const test of module.children.allTests()) {
        const state = test.result().state
        if (state === 'passed') count.passed++
        else if (state === 'failed') count.failed++
        else {
          count.skipped++
          const path = relative(process.cwd(), module.moduleId)
          absent.set(path, [...(absent.get(path) ?? []), reasonOf(test)])
        }
      }
    }
    count.failed += errors.length
    if (absent.size > 0) warn(absent)
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  }
}

function reasonOf(test: TestCase): string {
  const result = test.result()
  const note = result.state === 'skipped' ? result.note : undefined
  return note === undefined ? test.fullName : `${test.fullName} (${note})`
}

function warn(absent: ReadonlyMap<string, readonly string[]>): void {
  const line = '!'.repeat(100)
  console.log(`\n${line}\nTHESE TESTS DID NOT RUN`)
  for (const program of missingPrograms()) console.log(`  MISSING: ${program}`)
  for (const [path, tests] of absent) {
    console.log(`  ${path}: ${tests.length}`)
    for (const name of tests.slice(0, 20)) console.log(`    - ${name}`)
    if (tests.length > 20) console.log(`    - and ${tests.length - 20} more`)
  }
  console.log(`${line}\n`)
}

/** What the tests would use if it were there; `.ci/run` installs it from Debian's packages. */
function missingPrograms(): string[] {
  const missing: string[] = []
  if (!runs('mosquitto', ['-h']))
    missing.push('Mosquitto, the broker (Debian: apt-get install mosquitto mosquitto-clients)')
  if (
    !['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].some((path) =>
      existsSync(path),
    )
  )
    missing.push('Chromium, for the tests in a browser (Debian: apt-get install chromium)')
  if (!existsSync(runtimes))
    missing.push('Bun, Deno, Node 22 and 24, for the tests on them (npm run runtimes)')
  return missing
}

function runs(command: string, parameters: readonly string[]): boolean {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`
  return (
    spawnSync(command, parameters, { stdio: 'ignore', env: { ...process.env, PATH: path } }).error ===
    undefined
  )
}

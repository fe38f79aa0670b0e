import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Builds the package if need be, and the processes that are measured. */
export async function prepare(): Promise<void> {
  buildPackage()
  await compile()
}

/** Plain JavaScript for the processes that are measured: a loader of TypeScript costs memory and a thread. */
async function compile(): Promise<void> {
  await build({
    entryPoints: [`${folder}peer.ts`, `${folder}worker.ts`, `${folder}store-worker.ts`],
    outdir: `${folder}built`,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // The clients are loaded as they are installed, and the one of this repository as it was built: not from its sources, where the
    // paths of the tests' configuration lead.
    packages: 'external',
    tsconfigRaw: {},
  })
}

/** The clients are measured as they are installed, so this one is built first where that has not been done since the last change. */
function buildPackage(): void {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const built = statSync(`${root}dist/cjs/package.json`, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  const changed = Math.max(...sources.map((path) => statSync(`${root}src/${path}`).mtimeMs))
  if (built < changed) execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'ignore' })
}

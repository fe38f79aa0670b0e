import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/**
 * Programs of this repository as plain JavaScript, `NAME.mjs` each: with a loader each start would take seconds. Gives the
 * directory that they are in; the caller removes it.
 */
export async function buildPrograms(paths: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'compat-programs-'))
  await build({
    entryPoints: paths.map(source),
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    alias: { 'mqtt-await/compat': source('src/compat.ts') },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'error',
  })
  return directory
}

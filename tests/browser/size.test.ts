import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { beforeAll, expect, test } from 'vitest'
import { browserFiles } from '../../tsup.config.ts'

/**
 * What a page loads, minified and gzipped, dependencies included: at first, which is enough to connect, publish, subscribe
 * and come back after a loss, and with everything that is loaded when it is asked for (handlers with their queue, requests,
 * authenticators, the session store).
 *
 * A budget is what it was when it was last looked at; a change that needs more says what for.
 */
const BUDGET = { first: 51_500, everything: 69_500 }

interface Loaded {
  readonly bytes: number
  readonly sources: readonly string[]
}

const root = resolve(import.meta.dirname, '../..')
let first: Loaded
let everything: Loaded

beforeAll(async () => {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `import { Client } from './src/index.ts'; globalThis.client = new Client(location.href)`,
      resolveDir: root,
    },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    outdir: 'out',
    write: false,
    metafile: true,
    plugins: [browserFiles],
  })
  const size = new Map(
    outputFiles.map(({ path, contents }) => [
      path.slice(root.length + 1),
      gzipSync(contents, { level: 9 }).length,
    ]),
  )
  const loaded = (files: readonly string[]): Loaded => ({
    bytes: files.reduce((sum, file) => sum + (size.get(file) ?? 0), 0),
    sources: files.flatMap((file) => Object.keys(metafile.outputs[file]?.inputs ?? {})),
  })
  const all = Object.keys(metafile.outputs)
  const needed = new Set<string>()
  const visit = (file: string): void => {
    if (needed.has(file)) return
    needed.add(file)
    for (const { path, kind } of metafile.outputs[file]?.imports ?? []) {
      if (kind === 'import-statement') visit(path)
    }
  }
  visit(all.find((file) => metafile.outputs[file]?.entryPoint === '<stdin>') ?? '')
  first = loaded([...needed])
  everything = loaded(all)
  console.log(
    `browser client, minified and gzipped: ${first.bytes} bytes at first, ${everything.bytes} with everything`,
  )
})

test('a page loads no more than the budget at first', () => {
  expect(first.bytes).toBeLessThanOrEqual(BUDGET.first)
})

test('everything together fits its budget', () => {
  expect(everything.bytes).toBeLessThanOrEqual(BUDGET.everything)
})

test.each([
  'node_modules/zod/',
  'node_modules/ws/',
  'src/compat/',
  'src/client/manual-driver.ts',
  'src/transport/tcp.ts',
  'src/transport/tls.ts',
  'src/transport/proxy.ts',
  'src/transport/srv.ts',
])('nothing of %s is there at all', (path) => {
  expect(everything.sources.filter((source) => source.includes(path))).toEqual([])
})

test.each([
  'node_modules/p-queue/',
  'src/client/handling-worker.ts',
  'src/client/requester.ts',
  'src/client/authentication/',
  'src/store/',
  'src/session/stored-record.ts',
])('%s waits until it is asked for', (path) => {
  expect(everything.sources.filter((source) => source.includes(path))).not.toEqual([])
  expect(first.sources.filter((source) => source.includes(path))).toEqual([])
})

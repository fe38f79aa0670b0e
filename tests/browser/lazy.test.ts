import { resolve } from 'node:path'
import { build } from 'esbuild'
import { beforeAll, expect, test } from 'vitest'
import { browserFiles } from '../../tsup.config.ts'

/** Which of our files a page loads: at first, and with everything that waits. tests/packaging holds how much that is. */
let first: readonly string[]
let everything: readonly string[]

beforeAll(async () => {
  const root = resolve(import.meta.dirname, '../..')
  const {
    metafile: { outputs },
  } = await build({
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
  const needed = new Set<string>()
  const visit = (file: string): void => {
    if (needed.has(file)) return
    needed.add(file)
    for (const { path, kind } of outputs[file]?.imports ?? []) if (kind === 'import-statement') visit(path)
  }
  visit('out/stdin.js')
  const sources = (files: Iterable<string>): string[] =>
    [...files].flatMap((file) => Object.keys(outputs[file]?.inputs ?? {}))
  first = sources(needed)
  everything = sources(Object.keys(outputs))
})

test.each([
  'node_modules/zod/',
  'node_modules/ws/',
  'node_modules/eventemitter3/',
  'src/compat/',
  'src/client/manual-driver.ts',
  'src/transport/tcp.ts',
  'src/transport/tls.ts',
  'src/transport/proxy.ts',
  'src/transport/srv.ts',
])('nothing of %s is there at all', (path) => {
  expect(first).toContain('src/client/client.ts')
  expect(everything.filter((source) => source.includes(path))).toEqual([])
})

test.each([
  'node_modules/p-queue/',
  'src/client/handling-worker.ts',
  'src/client/requester.ts',
  'src/client/authentication/',
  'src/store/',
  'src/session/stored-record.ts',
])('%s waits until it is asked for', (path) => {
  expect(everything.filter((source) => source.includes(path))).not.toEqual([])
  expect(first.filter((source) => source.includes(path))).toEqual([])
})

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Plugin, transformSync } from 'esbuild'
import { defineConfig, type Options } from 'tsup'

/** Each is a public entry point of package.json's `exports`. */
const entry = {
  index: 'src/index.ts',
  codec: 'src/codec.ts',
  session: 'src/session.ts',
  store: 'src/store.ts',
  compat: 'src/compat.ts',
  'compat/publish': 'src/compat/publish.ts',
  'compat/subscribe': 'src/compat/subscribe.ts',
}

const shared: Options = {
  entry,
  platform: 'node',
  target: 'node20',
  clean: true,
  // One copy of every class, whichever entries a program imports: `instanceof MqttError` holds across them.
  splitting: true,
  sourcemap: true,
  removeNodeProtocol: false,
  dts: false,
  esbuildOptions: (options) => {
    // The package holds src: maps point there instead of repeating it.
    options.sourcesContent = false
  },
}

/** tsc writes declarations file by file; tsup's bundler of declarations does not follow TypeScript's own versions. */
function declarations(folder: string): void {
  execFileSync(
    process.execPath,
    [
      'node_modules/typescript/bin/tsc',
      ...['-p', 'tsconfig.json', '--noEmit', 'false', '--emitDeclarationOnly'],
      ...['--rootDir', 'src', '--outDir', folder],
    ],
    { stdio: 'inherit' },
  )
}

function toCommonJs(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.js')) continue
    const file = join(folder, path)
    const { code } = transformSync(readFileSync(file, 'utf8'), {
      format: 'cjs',
      platform: 'node',
      target: 'node20',
    })
    writeFileSync(file, code)
  }
}

/** A file that has a sibling `-browser.ts` is replaced by it in browsers. */
export const browserFiles: Plugin = {
  name: 'browser-files',
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const file = resolve(resolveDir, path.replace(/\.ts$/, '-browser.ts'))
      return existsSync(file) ? { path: file } : undefined
    })
  },
}

/** Browsers get the entries that make sense there, with another way to connect: nothing of Node is even named. */
const browser: Options = {
  ...shared,
  entry: { index: entry.index, codec: entry.codec, session: entry.session, store: entry.store },
  platform: 'browser',
  target: 'es2022',
  esbuildPlugins: [browserFiles],
}

export default defineConfig([
  { ...browser, format: 'esm', outDir: 'dist/browser' },
  {
    ...shared,
    // The command, package.json's `bin`.
    entry: { ...entry, cli: 'src/cli.ts' },
    format: 'esm',
    outDir: 'dist/esm',
    // CommonJS: an ES module that imports it waits for a second loader, a third of the time that the whole import takes.
    noExternal: ['eventemitter3'],
    onSuccess: async () => declarations('dist/esm'),
  },
  {
    ...shared,
    // Modules first, each turned into CommonJS afterwards: tsup's own way drops class fields that have no initial value.
    format: 'esm',
    outDir: 'dist/cjs',
    sourcemap: false,
    // ESM only: require() would fail on Node 20 before 20.19.
    noExternal: ['p-queue'],
    onSuccess: async () => {
      toCommonJs('dist/cjs')
      declarations('dist/cjs')
      // Makes .js and .d.ts of this folder CommonJS for Node and for TypeScript alike.
      writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
    },
  },
])

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Plugin, transformSync } from 'esbuild'
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

/** Files of the build that a file cannot do without, itself included: what its static imports lead to. */
function closure(folder: string, ...files: readonly string[]): Set<string> {
  const found = new Set<string>()
  const visit = (file: string): void => {
    if (found.has(file)) return
    found.add(file)
    const code = readFileSync(join(folder, file), 'utf8')
    for (const [, name = ''] of code.matchAll(/^(?:import|\} from) ?"\.\/([^"]+)"/gm)) visit(name)
  }
  for (const file of files) visit(file)
  return found
}

/**
 * Makes two files of the chunks that every program loads: what the codec and the session machine are made of, and the
 * client. The bundler makes a chunk for each set of entries that share something; to find and link a file takes Node longer
 * than to compile most of them.
 */
async function mergeChunks(folder: string, isNode = true): Promise<void> {
  const chunks = (files: Set<string>): string[] => [...files].filter((file) => file.startsWith('chunk-'))
  const protocol = chunks(closure(folder, 'codec.js', 'session.js'))
  const client = chunks(closure(folder, 'index.js')).filter((file) => !protocol.includes(file))
  for (const [name, parts] of [
    ['protocol.js', protocol],
    ['client.js', client],
  ] as const) {
    checkDistinct(folder, parts)
    await build({
      stdin: { contents: parts.map((file) => `export * from './${file}'`).join('\n'), resolveDir: folder },
      bundle: true,
      format: 'esm',
      target: 'es2022',
      outfile: join(folder, name),
      sourcemap: true,
      sourcesContent: false,
      // What is not there need not be read; names stay, for stack traces. For browsers there is a bundler, which needs the
      // annotations that would go with the rest, and minifies anyway.
      minifySyntax: isNode,
      minifyWhitespace: isNode,
      lineLimit: 120,
      plugins: [
        {
          name: 'other-files',
          setup: ({ onResolve }) =>
            onResolve({ filter: /.*/ }, ({ path, kind }) => {
              const isPart = kind === 'entry-point' || parts.includes(path.slice(2))
              return isPart ? undefined : { path, external: true }
            }),
        },
      ],
    })
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js')) continue
      const path = join(folder, file)
      const code = readFileSync(path, 'utf8')
      const merged = code.replace(/(["']\.{1,2}\/)(chunk-[^"']+)/g, (all, start: string, chunk: string) =>
        parts.includes(chunk) ? `${start}${name}` : all,
      )
      if (merged !== code) writeFileSync(path, merged)
    }
    for (const file of parts) {
      rmSync(join(folder, file))
      rmSync(join(folder, `${file}.map`), { force: true })
    }
  }
}

/** `export *` leaves out, without a word, what two files export under one name. */
function checkDistinct(folder: string, files: readonly string[]): void {
  const owners = new Map<string, string>()
  for (const file of files) {
    const code = readFileSync(join(folder, file), 'utf8')
    for (const [, list = ''] of code.matchAll(/^export \{([^}]*)\}/gm)) {
      for (const name of list.split(',').map((item) => item.trim().split(' as ').at(-1) ?? '')) {
        if (name === '') continue
        if (owners.has(name))
          throw new Error(`"${name}" is exported by ${owners.get(name)} and ${file}: rename one`)
        owners.set(name, file)
      }
    }
  }
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
  {
    ...browser,
    format: 'esm',
    outDir: 'dist/browser',
    onSuccess: () => mergeChunks('dist/browser', false),
  },
  {
    ...shared,
    // The command, package.json's `bin`.
    entry: { ...entry, cli: 'src/cli.ts' },
    format: 'esm',
    outDir: 'dist/esm',
    // CommonJS: an ES module that imports it waits for a second loader, a third of the time that the whole import takes.
    noExternal: ['eventemitter3'],
    onSuccess: async () => {
      await mergeChunks('dist/esm')
      declarations('dist/esm')
    },
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
      await mergeChunks('dist/cjs')
      toCommonJs('dist/cjs')
      declarations('dist/cjs')
      // Makes .js and .d.ts of this folder CommonJS for Node and for TypeScript alike.
      writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
    },
  },
])

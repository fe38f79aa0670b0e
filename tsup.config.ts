import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type BuildOptions, build, type Plugin, transformSync } from 'esbuild'
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

/** The licences of what is bundled go along, as they ask for. */
function licences(folder: string, packages: readonly string[]): void {
  const texts = packages.map((name) => {
    const file = readdirSync(`node_modules/${name}`).find((file) => /^licen[cs]e/i.test(file))
    if (file === undefined) throw new Error(`"${name}" is bundled, and has no file that says its licence`)
    return `${name}\n\n${readFileSync(`node_modules/${name}/${file}`, 'utf8').trim()}\n`
  })
  writeFileSync(join(folder, 'third-party-licences.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`))
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

/** Chunks of what codec and session machine are made of, and of the rest of the client. */
function chunksOf(folder: string): { readonly protocol: string[]; readonly client: string[] } {
  const isChunk = (file: string): boolean => file.startsWith('chunk-')
  const protocol = [...closure(folder, 'codec.js', 'session.js')].filter(isChunk)
  const client = [...closure(folder, 'index.js')].filter((file) => isChunk(file) && !protocol.includes(file))
  return { protocol, client }
}

/**
 * Makes two files of the chunks that every program loads. The bundler makes a chunk for each set of entries that share
 * something; to find and link a file takes Node longer than to compile most of them.
 */
async function mergeForNode(folder: string): Promise<void> {
  const { protocol, client } = chunksOf(folder)
  // What is not there need not be read; names stay, for stack traces.
  const minify = { minifySyntax: true, minifyWhitespace: true, lineLimit: 120 }
  await mergeFiles(folder, 'protocol.js', protocol, minify)
  await mergeFiles(folder, 'client.js', client, minify)
}

/**
 * Does so for the bundlers of pages, too, which make one file of what is loaded together only if it is imported together: what
 * they split is compressed apart, and names its imports and exports once more. So the entry is in the client's file as well,
 * and no file imports another for nothing. White space and names stay: bundlers see to them, and need the annotations to leave out
 * what a page does not use.
 */
async function mergeForBrowsers(folder: string): Promise<void> {
  const { protocol, client } = chunksOf(folder)
  const entry = readFileSync(join(folder, 'index.js'), 'utf8')
  await mergeFiles(folder, 'protocol.js', protocol)
  await mergeFiles(folder, 'client.js', [...client, 'index.js'])
  writeFileSync(join(folder, 'index.js'), `export { ${exportsOf(entry).join(', ')} } from "./client.js";\n`)
  editFiles(folder, (code) => code.replace(/^import "\.\/[^"]+";\n/gm, ''))
}

function editFiles(folder: string, edit: (code: string) => string): void {
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.js')) continue
    const path = join(folder, file)
    const code = readFileSync(path, 'utf8')
    const edited = edit(code)
    if (edited !== code) writeFileSync(path, edited)
  }
}

async function mergeFiles(
  folder: string,
  name: string,
  parts: readonly string[],
  options: BuildOptions = {},
): Promise<void> {
  await build({
    stdin: { contents: exportAll(folder, parts), resolveDir: folder },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    outfile: join(folder, name),
    sourcemap: true,
    sourcesContent: false,
    ...options,
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
  editFiles(folder, (code) =>
    code.replace(/(["']\.{1,2}\/)(chunk-[^"']+)/g, (all, start: string, chunk: string) =>
      parts.includes(chunk) ? `${start}${name}` : all,
    ),
  )
  for (const file of parts) {
    rmSync(join(folder, file))
    rmSync(join(folder, `${file}.map`), { force: true })
  }
}

/** A module of what all of these export. `export *` would leave out, without a word, what two of them export under one name. */
function exportAll(folder: string, files: readonly string[]): string {
  const owners = new Map<string, string>()
  const lines = files.map((file) => {
    const code = readFileSync(join(folder, file), 'utf8')
    const own = exportsOf(code).filter((name) => !isImported(code, name, files))
    for (const name of own) {
      if (owners.has(name))
        throw new Error(`"${name}" is exported by ${owners.get(name)} and ${file}: rename one`)
      owners.set(name, file)
    }
    return own.length === 0 ? '' : `export { ${own.join(', ')} } from './${file}'`
  })
  return lines.join('\n')
}

/** Names that a file of the build exports. */
function exportsOf(code: string): string[] {
  const lists = [...code.matchAll(/^export \{([^}]*)\}/gm)].map(([, list = '']) => list.split(','))
  return lists.flat().flatMap((item) => item.trim().split(' as ').at(-1) || [])
}

/** The name comes from one of these files. */
function isImported(code: string, name: string, files: readonly string[]): boolean {
  return [...code.matchAll(/^import \{([^}]*)\} from ["']\.\/([^"']+)/gm)].some(
    ([, list = '', file = '']) =>
      files.includes(file) && list.split(',').some((item) => item.trim() === name),
  )
}

function toCommonJs(folder: string): void {
  const options = { format: 'cjs', platform: 'node', target: 'node20' } as const
  editFiles(folder, (code) => transformSync(code, options).code)
}

/** A file that has a sibling `-browser.ts` is replaced by it in browsers; so is the package that `emitter-browser.ts` replaces. */
export const browserFiles: Plugin = {
  name: 'browser-files',
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const file = resolve(resolveDir, path.replace(/\.ts$/, '-browser.ts'))
      return existsSync(file) ? { path: file } : undefined
    })
    build.onResolve({ filter: /^eventemitter3$/ }, () => ({
      path: join(import.meta.dirname, 'src/client/emitter-browser.ts'),
    }))
  },
}

/**
 * Moves the named numbers of each file to a module of their own: the bundler puts the value of what is imported in the place of
 * its name, and keeps a variable for what stands in the same file.
 */
const constantsApart: Plugin = {
  name: 'constants-apart',
  setup(build) {
    const constant = /^(export )?(const ([A-Z][A-Z0-9_]*)(?:: number)? = [\w.]+)$/gm
    const isNumber = (line: string): boolean =>
      !Number.isNaN(Number(line.split(' = ')[1]?.replaceAll('_', '')))
    build.onLoad({ filter: /\/src\/.*\.ts$/, namespace: 'file' }, ({ path }) => {
      const code = readFileSync(path, 'utf8')
      const contents = code.replace(
        constant,
        (line, isExported?: string, _declaration?: string, name = '') => {
          if (!isNumber(line)) return line
          const from = `{ ${name} } from 'constants-of:${path}'`
          return `import ${from}${isExported === undefined ? '' : `; export ${from}`}`
        },
      )
      return { contents, loader: 'ts' }
    })
    build.onResolve({ filter: /^constants-of:/ }, ({ path }) => ({ path, namespace: 'constants' }))
    build.onLoad({ filter: /.*/, namespace: 'constants' }, ({ path }) => {
      const code = readFileSync(path.slice('constants-of:'.length), 'utf8')
      const declarations = [...code.matchAll(constant)].filter(([line]) => isNumber(line))
      return {
        contents: declarations.map(([, , declaration]) => `export ${declaration}`).join('\n'),
        loader: 'ts',
      }
    })
  },
}

/** Browsers get the entries that make sense there, with another way to connect: nothing of Node is even named. */
const browser: Options = {
  ...shared,
  entry: { index: entry.index, codec: entry.codec, session: entry.session, store: entry.store },
  platform: 'browser',
  target: 'es2022',
  esbuildPlugins: [browserFiles, constantsApart],
  esbuildOptions: (options) => {
    options.sourcesContent = false
    // Else it would leave the numbers where they are.
    options.minifySyntax = true
    options.define = { ...options.define, 'Number.POSITIVE_INFINITY': 'Infinity' }
  },
  // With an emitter of ours for the queue: what wraps a package in CommonJS would be loaded at first.
  noExternal: ['eventemitter3', 'p-queue'],
}

export default defineConfig([
  {
    ...browser,
    format: 'esm',
    outDir: 'dist/browser',
    onSuccess: async () => {
      await mergeForBrowsers('dist/browser')
      licences('dist/browser', ['p-queue', 'p-timeout'])
    },
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
      await mergeForNode('dist/esm')
      declarations('dist/esm')
      licences('dist/esm', ['eventemitter3', 'zod'])
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
      await mergeForNode('dist/cjs')
      toCommonJs('dist/cjs')
      declarations('dist/cjs')
      licences('dist/cjs', ['p-queue', 'p-timeout'])
      // Makes .js and .d.ts of this folder CommonJS for Node and for TypeScript alike.
      writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
    },
  },
])

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/**
 * The house rules that a compiler does not know: which folder may import which, what the pure folders may not
 * touch, and where the doors to the outside are.
 */

const source = fileURLToPath(new URL('../src', import.meta.url))

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

interface SourceFile {
  /** Relative to src, with forward slashes. */
  readonly path: string
  /** First folder, or the file itself at the top of src. */
  readonly place: string
  readonly code: string
  readonly imports: readonly Import[]
}

const files: readonly SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const code = withoutComments(readFileSync(join(source, path), 'utf8'))
    const place = path.includes('/') ? path.slice(0, path.indexOf('/')) : path
    return { path, place, code, imports: importsOf(code) }
  })

/** Comments become spaces; strings stay, since import specifiers are strings. */
function withoutComments(code: string): string {
  return code.replace(
    /(?<keep>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (match, keep: string | undefined) => keep ?? match.replace(/[^\n]/g, ' '),
  )
}

function importsOf(code: string): Import[] {
  const found: Import[] = []
  for (const match of code.matchAll(/^(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[2] ?? '', typeOnly: match[1] !== undefined })
  }
  for (const match of code.matchAll(/^import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[1] ?? match[2] ?? '', typeOnly: false })
  }
  return found
}

/** The file within src that a relative specifier names, or undefined for a package. */
function target(file: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return posix.normalize(posix.join(posix.dirname(file.path), specifier))
}

/** Downwards only: each folder and what it may import besides itself. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'option-rules.ts': ['errors.ts'],
  codec: ['errors.ts'],
  topic: ['errors.ts'],
  session: ['errors.ts', 'codec', 'topic'],
  transport: ['errors.ts', 'option-rules.ts'],
  store: ['errors.ts', 'session', 'codec'],
  client: ['errors.ts', 'option-rules.ts', 'codec', 'topic', 'session', 'transport', 'store'],
  testing: ['errors.ts', 'codec', 'topic', 'session', 'transport'],
  compat: ['errors.ts', 'codec', 'topic', 'session', 'transport', 'store', 'client', 'index.ts'],
  cli: ['errors.ts', 'codec', 'topic', 'transport', 'store', 'client', 'index.ts'],
}

const entries = files.filter((file) => file.place === file.path && arrows[file.path] === undefined)

describe('arrows', () => {
  for (const [place, allowed] of Object.entries(arrows)) {
    test(`${place} imports ${allowed.length === 0 ? 'nothing' : `only ${allowed.join(', ')}`} of this package`, () => {
      const wrong: string[] = []
      for (const file of files.filter((one) => one.place === place)) {
        for (const { specifier } of file.imports) {
          const path = target(file, specifier)
          if (path === undefined) continue
          const other = path.includes('/') ? path.slice(0, path.indexOf('/')) : path
          if (other !== place && !allowed.includes(other)) wrong.push(`${file.path} imports ${specifier}`)
        }
      }
      expect(wrong).toEqual([])
    })
  }

  test('every folder of src stands in the table', () => {
    const unknown = files.filter((file) => file.path.includes('/') && arrows[file.place] === undefined)
    expect(unknown.map((file) => file.path)).toEqual([])
  })

  test('no circle of imports that are needed when a file runs', () => {
    const edges = new Map<string, string[]>()
    for (const file of files) {
      const values = file.imports.filter((one) => !one.typeOnly).map((one) => target(file, one.specifier))
      edges.set(
        file.path,
        values.filter((path) => path !== undefined),
      )
    }
    expect(findCircle(edges)).toEqual([])
  })

  test('relative imports name the .ts file that is meant', () => {
    const wrong: string[] = []
    const known = new Set(files.map((file) => file.path))
    for (const file of files) {
      for (const { specifier } of file.imports) {
        const path = target(file, specifier)
        if (path !== undefined && !known.has(path)) wrong.push(`${file.path} imports ${specifier}`)
      }
    }
    expect(wrong).toEqual([])
  })
})

/** The first circle met, as the list of its files; empty when there is none. */
function findCircle(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const trail: string[] = []
  const visit = (path: string): string[] => {
    const start = trail.indexOf(path)
    if (start >= 0) return trail.slice(start)
    if (done.has(path)) return []
    trail.push(path)
    for (const next of edges.get(path) ?? []) {
      const circle = visit(next)
      if (circle.length > 0) return circle
    }
    trail.pop()
    done.add(path)
    return []
  }
  for (const path of edges.keys()) {
    const circle = visit(path)
    if (circle.length > 0) return circle
  }
  return []
}

describe('purity of codec, topic and session', () => {
  const pure = files.filter((file) => ['codec', 'topic', 'session'].includes(file.place))

  /** What waits, what differs between two runs, and what talks to the outside. */
  const banned = [
    /\bPromise\b/,
    /\basync\b/,
    /\bawait\b/,
    /\bset(?:Timeout|Interval|Immediate)\b/,
    /\bqueueMicrotask\b/,
    /\bDate\b/,
    /\bperformance\./,
    /\bMath\.random\b/,
    /\bcrypto\./,
    /\bconsole\b/,
    /\bprocess\./,
    /\bBuffer\b/,
  ]

  test('they import no package and no module of Node', () => {
    const wrong = pure.flatMap((file) =>
      file.imports
        .filter((one) => !one.specifier.startsWith('.'))
        .map((one) => `${file.path}: ${one.specifier}`),
    )
    expect(wrong).toEqual([])
  })

  test('they contain no promise, timer, clock, chance or console', () => {
    const wrong: string[] = []
    for (const file of pure) {
      const code = withoutStrings(file.code)
      for (const word of banned) if (word.test(code)) wrong.push(`${file.path}: ${word.source}`)
    }
    expect(wrong).toEqual([])
  })
})

function withoutStrings(code: string): string {
  return code.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, "''")
}

describe('doors to the outside', () => {
  /** Who may import what: a prefix of the importing file's path. */
  const doors: Readonly<Record<string, readonly string[]>> = {
    'node:net': ['transport/', 'compat/network'],
    // tls_set() reads and checks the files in the call.
    'node:tls': ['transport/', 'compat/tls-settings'],
    'node:http': ['transport/'],
    'node:https': ['transport/'],
    ws: ['transport/'],
    socks: ['transport/'],
    level: ['store/'],
    'abstract-level': ['store/'],
    zod: ['client/options', 'client/option', 'cli/args', 'cli/'],
    'zod/mini': ['client/options', 'client/option', 'cli/args', 'cli/'],
    'p-queue': ['client/', 'compat/'],
    eventemitter3: ['client/', 'compat/'],
  }

  for (const [specifier, allowed] of Object.entries(doors)) {
    test(`${specifier} is imported in ${allowed.join(', ')} alone`, () => {
      const wrong = files.filter(
        (file) =>
          file.imports.some((one) => one.specifier === specifier) &&
          !allowed.some((prefix) => file.path.startsWith(prefix)),
      )
      expect(wrong.map((file) => file.path)).toEqual([])
    })
  }

  test('no other package is imported', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .filter((one) => !one.specifier.startsWith('.') && !one.specifier.startsWith('node:'))
        .filter((one) => doors[one.specifier] === undefined)
        .map((one) => `${file.path}: ${one.specifier}`),
    )
    expect(wrong).toEqual([])
  })

  test('modules of Node are imported with the node: prefix', () => {
    const bare = files.flatMap((file) =>
      file.imports
        .filter((one) =>
          /^(?:fs|net|tls|os|path|url|events|stream|crypto|http|https|util)$/.test(one.specifier),
        )
        .map((one) => `${file.path}: ${one.specifier}`),
    )
    expect(bare).toEqual([])
  })
})

describe('how files are written', () => {
  test('named exports only', () => {
    expect(files.filter((file) => /^export default\b/m.test(file.code)).map((file) => file.path)).toEqual([])
  })

  test('entries re-export by name, and nobody else re-exports', () => {
    const stars = files.filter((file) => /^export \*(?! as )/m.test(file.code)).map((file) => file.path)
    const bodies = entries
      .filter((file) => file.path !== 'cli.ts')
      .filter(
        (file) =>
          file.code
            .replace(/^(?:export (?:type )?(?:\{[^}]*\}|\* as \w+) from|import) '[^']+'/gm, '')
            .trim() !== '',
      )
    expect(stars).toEqual([])
    expect(bodies.map((file) => file.path)).toEqual([])
  })

  test('file names are kebab-case and say a thing', () => {
    const wrong = files.filter((file) => {
      const name = file.path.slice(file.path.lastIndexOf('/') + 1)
      return (
        !/^[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(name) ||
        /^(?:utils?|helpers?|common|types|manager|misc)\.ts$/.test(name)
      )
    })
    expect(wrong.map((file) => file.path)).toEqual([])
  })

  test('nothing switches the compiler or the linter off without a reason', () => {
    const raw = files.map((file) => ({
      path: file.path,
      text: readFileSync(join(source, file.path), 'utf8'),
    }))
    const wrong = raw.filter(({ text }) =>
      /@ts-(?:ignore|nocheck|expect-error)|\bTODO\b|\bFIXME\b/.test(text),
    )
    expect(wrong.map(({ path }) => path)).toEqual([])
  })
})

describe('package.json', () => {
  const root = dirname(source)
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

  test('the lock file names no registry host', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toMatch(
      /"resolved"|https?:\/\/registry/,
    )
  })

  test('every entry file is exported, and every export has its file', () => {
    const exported = Object.keys((manifest as { exports: object }).exports)
      .filter((key) => key !== './package.json')
      .map((key) => (key === '.' ? 'index.ts' : `${key.slice(2)}.ts`))
    expect(exported.filter((path) => !files.some((file) => file.path === path))).toEqual([])
    const own = entries.map((file) => file.path).filter((path) => path !== 'cli.ts' && path !== 'browser.ts')
    expect(own.filter((path) => !exported.includes(path))).toEqual([])
  })
})

test('this test reads the files it means', () => {
  expect(files.map((file) => file.path)).toContain('errors.ts')
  expect(relative(process.cwd(), source)).toBe('src')
})

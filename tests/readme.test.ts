import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

/** The README tells the truth: its programs compile, and every example is in its table. */
const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')

/** The TypeScript blocks, each as a module. What a reader of the page has in mind by then stands before it. */
function programs(): Map<string, string> {
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  return new Map(
    blocks.map((code, index) => {
      const imports = code.includes("from 'mqtt-await'")
        ? ''
        : "import { Client, MqttError, topic } from 'mqtt-await'\n"
      const client = code.includes('const client =') ? '' : 'declare const client: Client\n'
      return [`${root}tests/readme-${index + 1}.ts`, `${imports}${client}${code}\nexport {}\n`]
    }),
  )
}

test('its programs compile', () => {
  const { config } = ts.readConfigFile(`${root}tests/tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, `${root}tests`)
  // An excerpt need not use all that it names.
  const relaxed = { ...options, noUnusedLocals: false, noUnusedParameters: false }
  const modules = programs()
  expect(modules.size).toBeGreaterThan(5)
  const host = ts.createCompilerHost(relaxed)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (name) => modules.has(name) || fileExists.call(host, name)
  host.readFile = (name) => modules.get(name) ?? readFile.call(host, name)
  host.getSourceFile = (name, languageVersion, ...rest) => {
    const code = modules.get(name)
    return code === undefined
      ? getSourceFile.call(host, name, languageVersion, ...rest)
      : ts.createSourceFile(name, code, languageVersion)
  }
  const program = ts.createProgram([...modules.keys()], relaxed, host)
  const faults = [...modules.keys()].flatMap((name) => {
    const file = program.getSourceFile(name)
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    )
  })
  expect(faults).toEqual([])
}, 120_000)

test('its table has every example', () => {
  const examples = readdirSync(`${root}examples`).filter((name) => name.endsWith('.ts'))
  const linked = [...readme.matchAll(/\]\(examples\/([\w-]+\.ts)\)/g)].map(([, name = '']) => name)
  expect([...new Set(linked)].toSorted()).toEqual(examples.toSorted())
})

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A program of this repository in a process of its own, run from its TypeScript. */
export class Program {
  readonly process: ChildProcess
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  output = ''
  errors = ''
  readonly #waiting = new Set<() => void>()

  /**
   * @param path - from the root of the repository
   * @param loader - arguments of Node before the path; none for plain JavaScript
   */
  constructor(
    path: string,
    parameters: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
    loader: readonly string[] = ['--import', 'tsx'],
  ) {
    this.process = spawn(process.execPath, [...loader, path, ...parameters], {
      cwd: root,
      env: { ...process.env, ...environment, TSX_TSCONFIG_PATH: 'tests/tsconfig.json' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
      for (const check of this.#waiting) check()
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.ended = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        resolve(code ?? signal ?? 1)
        for (const check of this.#waiting) check()
      })
    })
  }

  /** Resolves when the output matches; rejects when the program ends without. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const match = pattern.exec(this.output)
        if (match !== null) resolve(match)
        else if (this.process.exitCode !== null || this.process.signalCode !== null) {
          reject(new Error(`${String(pattern)} was not printed.\n${this.output}\n${this.errors}`))
        } else return
        this.#waiting.delete(check)
      }
      this.#waiting.add(check)
      check()
    })
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.process.kill(signal)
  }
}

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Runs one of the programs beside this file; it prints what it found as JSON. */
export async function measured<T>(program: string, kind: string, times: number): Promise<T> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', `tests/memory/${program}.ts`, kind, String(times)],
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, TSX_TSCONFIG_PATH: 'tests/tsconfig.json' },
    },
  )
  return JSON.parse(stdout) as T
}

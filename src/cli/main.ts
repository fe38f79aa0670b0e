import { createRequire } from 'node:module'
import { MqttError } from '../index.ts'
import { type Arguments, parseArguments, USAGE, UsageError } from './args.ts'
import { publish } from './pub.ts'
import { subscribe } from './sub.ts'

/** 0 done, 1 failed, 2 wrong usage, 3 ended by `--timeout`. */
export type ExitCode = 0 | 1 | 2 | 3

/** Runs one command line. Everything for people goes to standard error, so that standard output holds messages alone. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  let parsed: Arguments
  try {
    parsed = parseArguments(argv)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`mqtt-await: ${error.message}\nSee mqtt-await --help\n`)
    return 2
  }
  if (parsed.command === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  if (parsed.command === 'version') {
    const { version } = createRequire(import.meta.url)('mqtt-await/package.json') as { version: string }
    process.stdout.write(`${version}\n`)
    return 0
  }
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  // `mqtt-await sub ... | head` has what it wanted.
  process.stdout.once('error', interrupt)
  try {
    if (parsed.command === 'pub') {
      await publish(parsed.settings, parsed.topic, parsed.message, interrupted.signal)
      return 0
    }
    const { timeout } = parsed.settings
    const signal =
      timeout === undefined
        ? interrupted.signal
        : AbortSignal.any([interrupted.signal, AbortSignal.timeout(timeout * 1000)])
    const complete = await subscribe(parsed.settings, parsed.filters, signal)
    return complete || interrupted.signal.aborted ? 0 : 3
  } catch (error) {
    if (interrupted.signal.aborted) return 0
    process.stderr.write(`mqtt-await: ${explain(error)}\n`)
    return error instanceof DOMException && error.name === 'TimeoutError' ? 3 : 1
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
  }
}

function explain(error: unknown): string {
  if (error instanceof MqttError) return error.message
  return error instanceof Error ? error.message : String(error)
}

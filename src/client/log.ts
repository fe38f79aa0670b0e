/** One line of what a client does. Never holds a secret or a payload. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Short and stable: `connected`, `connection lost`. */
  readonly message: string
  readonly clientId: string
  /** More about it: server, attempt, delay, topic. */
  readonly details: Readonly<Record<string, unknown>>
}

/** Called for every entry; must not throw. */
export type LogHook = (entry: LogEntry) => void

/**
 * The hook in use: the option, else standard error when the environment variable DEBUG (on Node), or `localStorage.debug` (in
 * browsers), names `mqtt-await` or `mqtt-await*`. Undefined, and so one branch, when nobody wants to know.
 */
export function logHook(option: LogHook | undefined): LogHook | undefined {
  if (option !== undefined) return option
  return isDebugged(debugSetting()) ? printEntry : undefined
}

function debugSetting(): string {
  const scope = globalThis as {
    process?: { env?: Record<string, string | undefined> }
    localStorage?: { getItem(key: string): string | null }
  }
  try {
    return scope.process?.env?.['DEBUG'] ?? scope.localStorage?.getItem('debug') ?? ''
  } catch {
    return '' // a browser that forbids storage
  }
}

function isDebugged(setting: string): boolean {
  return setting.split(/[\s,]+/).some((pattern) => {
    if (pattern === '*') return true
    return pattern.endsWith('*')
      ? 'mqtt-await'.startsWith(pattern.slice(0, -1).replace(/:$/, ''))
      : pattern === 'mqtt-await'
  })
}

function printEntry(entry: LogEntry): void {
  const details = Object.entries(entry.details)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`)
  console.error(
    `mqtt-await ${entry.level} [${entry.clientId}] ${entry.message} ${details.join(' ')}`.trimEnd(),
  )
}

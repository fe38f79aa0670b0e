import { parseArgs } from 'node:util'
import * as z from 'zod/mini'

/** A wrong command line: what is wrong, and how to see what is right. */
export class UsageError extends Error {}

export const USAGE = `Usage: mqtt-await sub [options] FILTER...
       mqtt-await pub [options] TOPIC [MESSAGE]

Connecting
  -u, --url URL             mqtt, mqtts, ws, wss or unix URL  (MQTT_URL, else mqtt://localhost:1883)
  -i, --client-id ID        client identifier  (a random one)
  -V, --mqtt-version V      5, 3.1.1, 3.1 or auto  (5)
      --username NAME       user name  (MQTT_USERNAME)
      --password-file FILE  read the password from a file  (else MQTT_PASSWORD)
      --ca FILE             certificate authority, PEM
      --cert FILE           client certificate, PEM
      --key FILE            key of the client certificate, PEM
  -q, --qos QOS             0, 1 or 2  (0)

sub: prints messages, one per line: topic and payload
  -p, --payload             the payload alone
  -j, --json                one JSON object per message
  -n, --count N             end after N messages
      --fresh               no retained messages
  -t, --timeout SECONDS     end after this time; exit code 3 when --count was not reached

pub: publishes MESSAGE, and ends when the server has it
  -f, --file FILE           publish the content of a file; - is standard input
  -l, --lines               publish each line of standard input
  -r, --retain              have the server keep it
      --content-type TYPE   MQTT 5
      --user-property K=V   MQTT 5, repeatable
      --expiry SECONDS      MQTT 5 Message Expiry Interval
  -t, --timeout SECONDS     give up after this time  (30)

  -h, --help                this text
      --version             the version

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 ended by --timeout.
`

/** What the options of a command line say. */
export interface Settings {
  readonly url?: string | undefined
  readonly 'client-id'?: string | undefined
  readonly 'mqtt-version'?: 3 | 4 | 5 | 'auto' | undefined
  readonly username?: string | undefined
  readonly 'password-file'?: string | undefined
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly qos?: 0 | 1 | 2 | undefined
  readonly payload?: boolean | undefined
  readonly json?: boolean | undefined
  readonly count?: number | undefined
  readonly fresh?: boolean | undefined
  /** Seconds. */
  readonly timeout?: number | undefined
  readonly file?: string | undefined
  readonly lines?: boolean | undefined
  readonly retain?: boolean | undefined
  readonly 'content-type'?: string | undefined
  readonly 'user-property'?: readonly [string, string][] | undefined
  /** Seconds. */
  readonly expiry?: number | undefined
}

const OPTIONS = {
  url: { type: 'string', short: 'u' },
  'client-id': { type: 'string', short: 'i' },
  'mqtt-version': { type: 'string', short: 'V' },
  username: { type: 'string' },
  'password-file': { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  qos: { type: 'string', short: 'q' },
  payload: { type: 'boolean', short: 'p' },
  json: { type: 'boolean', short: 'j' },
  count: { type: 'string', short: 'n' },
  fresh: { type: 'boolean' },
  timeout: { type: 'string', short: 't' },
  file: { type: 'string', short: 'f' },
  lines: { type: 'boolean', short: 'l' },
  retain: { type: 'boolean', short: 'r' },
  'content-type': { type: 'string' },
  'user-property': { type: 'string', multiple: true },
  expiry: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

const whole = (least: number, what: string) =>
  z.optional(
    z.pipe(
      z.string().check(z.regex(/^\d+$/, what)),
      z.pipe(
        z.transform((text: string) => Number(text)),
        z.number().check(z.gte(least, what)),
      ),
    ),
  )
/** What a timer can wait: one that is to wait longer is over at once. */
const MAX_SECONDS = 2_147_483
const seconds = z.optional(
  z.pipe(
    z.string().check(z.regex(/^\d+(\.\d+)?$/, 'a number of seconds')),
    z.pipe(
      z.transform((text: string) => Number(text)),
      z.number().check(z.lte(MAX_SECONDS, `at most ${MAX_SECONDS} seconds, which are 24 days`)),
    ),
  ),
)
const text = z.optional(z.string())
const flag = z.optional(z.boolean())

const VERSIONS = { '5': 5, '5.0': 5, '3.1.1': 4, '3.1': 3, auto: 'auto' } as const

const schema = z.object({
  url: text,
  'client-id': text,
  'mqtt-version': z.optional(
    z.pipe(
      z.enum(['5', '5.0', '3.1.1', '3.1', 'auto'], '5, 3.1.1, 3.1 or auto'),
      z.transform((name: keyof typeof VERSIONS) => VERSIONS[name]),
    ),
  ),
  username: text,
  'password-file': text,
  ca: text,
  cert: text,
  key: text,
  qos: z.optional(
    z.pipe(
      z.enum(['0', '1', '2'], '0, 1 or 2'),
      z.transform((digit: '0' | '1' | '2') => Number(digit) as 0 | 1 | 2),
    ),
  ),
  payload: flag,
  json: flag,
  count: whole(1, 'a whole number of at least 1'),
  fresh: flag,
  timeout: seconds,
  file: text,
  lines: flag,
  retain: flag,
  'content-type': text,
  'user-property': z.optional(
    z.array(
      z.pipe(
        z.string().check(z.regex(/^[^=]+=/, 'NAME=VALUE')),
        z.transform((pair: string): [string, string] => {
          const at = pair.indexOf('=')
          return [pair.slice(0, at), pair.slice(at + 1)]
        }),
      ),
    ),
  ),
  expiry: whole(0, 'a whole number of seconds'),
})

export type Arguments =
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  | { readonly command: 'sub'; readonly settings: Settings; readonly filters: readonly string[] }
  | {
      readonly command: 'pub'
      readonly settings: Settings
      readonly topic: string
      readonly message: string | undefined
    }

const SUB_ONLY = ['payload', 'json', 'count', 'fresh'] as const
const PUB_ONLY = ['file', 'lines', 'retain', 'content-type', 'user-property', 'expiry'] as const

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
  let parsed: { values: Record<string, unknown>; positionals: string[] }
  try {
    parsed = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { help, version, ...values } = parsed.values
  if (version === true) return { command: 'version' }
  if (help === true || argv.length === 0) return { command: 'help' }
  const result = schema.safeParse(values)
  if (!result.success) {
    const [issue] = result.error.issues
    throw new UsageError(`--${String(issue?.path[0])}: expected ${issue?.message}`)
  }
  const settings: Settings = result.data
  const [command, ...rest] = parsed.positionals
  if (command === 'sub') {
    refuse('sub', settings, PUB_ONLY)
    if (rest.length === 0) throw new UsageError('sub needs at least one FILTER')
    return { command, settings, filters: rest }
  }
  if (command === 'pub') return publishing(settings, rest)
  throw new UsageError(
    command === undefined ? 'a command is missing: sub or pub' : `unknown command: ${command}`,
  )
}

function publishing(settings: Settings, rest: readonly string[]): Arguments {
  refuse('pub', settings, SUB_ONLY)
  const [topic, message, ...more] = rest
  if (topic === undefined) throw new UsageError('pub needs a TOPIC')
  if (more.length > 0)
    throw new UsageError(`too many arguments: ${more.join(' ')}; quote a MESSAGE with spaces`)
  const sources = [message !== undefined, settings.file !== undefined, settings.lines === true].filter(
    Boolean,
  ).length
  if (sources !== 1) throw new UsageError('pub needs one of MESSAGE, --file and --lines')
  return { command: 'pub', settings, topic, message }
}

function refuse(command: string, settings: Settings, names: readonly (keyof Settings)[]): void {
  const name = names.find((candidate) => settings[candidate] !== undefined)
  if (name !== undefined) throw new UsageError(`--${name} is not for ${command}`)
}

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { PeerScript } from './peer.ts'
import { prepare } from './prepare.ts'
import { chart, environment, type Row, table } from './report.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { TOPICS } from './wire.ts'
import type { ContestantName, Measurement, Order } from './worker.ts'

const HELP = `npm run bench -- [options]

  --scenario ID[,ID]   only these (a prefix is enough): ${scenarios.map((scenario) => scenario.id).join(' ')}
  --client NAME[,NAME] only these: mqtt-await MQTT.js "bare socket", and SAP, the fastest other client, which takes part where it
                       is installed (npm install --no-save @sap/xb-msg-mqtt-v311; its licence is not an open one)
  --runs N             runs of each (default 5); medians are shown
  --out FOLDER         where results.json and results.svg go (default tests/bench)
  store [--runs N]     what a session store costs a publisher of QoS 1
  codec [WORD ...]     the codec alone against mqtt-packet, in this process: scenarios whose title has the words
  --profile            writes a .cpuprofile of every client process to the current folder

Every run is two new processes: a scripted peer that is no broker and only as much of one as it must be, and the client.
Contestants take turns within each round, so that a slow minute of the machine hits all of them. The package is built first if need be.`

const contestants: readonly ContestantName[] = [
  'mqtt-await',
  'MQTT.js',
  ...(isInstalled('@sap/xb-msg-mqtt-v311') ? (['SAP'] as const) : []),
  'bare socket',
]

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}
const folder = fileURLToPath(new URL('.', import.meta.url))

async function startPeer(
  script: PeerScript,
): Promise<{ readonly process: ChildProcess; readonly port: number }> {
  const child = fork(`${folder}built/peer.js`, [JSON.stringify(script)])
  const [message] = (await once(child, 'message')) as [{ port: number }]
  return { process: child, port: message.port }
}

/** The processes of one run; undefined when the contestant cannot do it. */
async function measure(
  scenario: Scenario,
  contestant: ContestantName,
  profile: boolean,
): Promise<Measurement | undefined> {
  const { work } = scenario
  if (work.kind === 'import') return importTime(contestant)
  const sends =
    work.kind === 'receive' ? work : ({ version: 4, qos: 0, withProperties: false, size: 64 } as const)
  const peer = await startPeer({
    form: { version: sends.version, qos: sends.qos, withProperties: sends.withProperties },
    payloadSize: sends.size,
    spread: work.kind === 'dispatch' ? Math.min(work.filters, TOPICS) : TOPICS,
  })
  const order: Order = { contestant, work, port: peer.port }
  const execArgv = ['--expose-gc']
  if (profile)
    execArgv.push(
      '--cpu-prof',
      '--cpu-prof-name',
      `${scenario.id}-${contestant.replace(' ', '-')}.cpuprofile`,
    )
  const worker = fork(`${folder}built/worker.js`, [JSON.stringify(order)], { execArgv })
  let measurement: Measurement | undefined
  worker.on('message', (message: Measurement | null) => {
    measurement = message ?? undefined
  })
  const slow = setTimeout(() => worker.kill('SIGKILL'), 120_000)
  const [code] = (await once(worker, 'exit')) as [number | null]
  clearTimeout(slow)
  peer.process.kill()
  if (code !== 0)
    throw new Error(
      `${contestant}, ${scenario.id}: the client process ended with ${code ?? 'a kill after 120 s'}`,
    )
  return measurement
}

/** In a process with nothing else: no loader of TypeScript in the way. */
function importTime(contestant: ContestantName): Measurement | undefined {
  if (contestant === 'bare socket') return undefined
  const specifier = { 'MQTT.js': 'mqtt', SAP: '@sap/xb-msg-mqtt-v311', 'mqtt-await': 'mqtt-await' }[
    contestant
  ]
  const script = `const start = performance.now(); await import('${specifier}'); console.log(performance.now() - start)`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { value: Number(output), unit: 'ms' }
}

async function main(): Promise<void> {
  if (process.argv[2] === 'store') {
    const { run } = await import('./store.ts')
    await run(process.argv.slice(3))
    return
  }
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scenario: { type: 'string' },
      client: { type: 'string' },
      runs: { type: 'string', default: '5' },
      out: { type: 'string', default: folder },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return
  }
  if (positionals[0] === 'codec') {
    const { run } = await import('./codec.ts')
    await run(positionals.slice(1))
    return
  }
  const wanted = values.scenario?.split(',')
  const chosen = scenarios.filter(
    ({ id }) => wanted === undefined || wanted.some((prefix) => id.startsWith(prefix)),
  )
  const names = contestants.filter(
    (name) => values.client === undefined || values.client.split(',').includes(name),
  )
  const runs = Number(values.runs)
  const rows: Row[] = []
  await prepare()
  const started = Date.now()
  for (const [index, scenario] of chosen.entries()) {
    const results = new Map<ContestantName, Measurement[]>(names.map((name) => [name, []]))
    const failures: string[] = []
    for (let round = 1; round <= runs; round++) {
      for (const name of names) {
        const seconds = ((Date.now() - started) / 1000).toFixed(0)
        process.stderr.write(
          `[${seconds} s] ${index + 1}/${chosen.length} ${scenario.id}, run ${round}/${runs}: ${name}\n`,
        )
        try {
          const measurement = await measure(scenario, name, values.profile)
          if (measurement !== undefined) results.get(name)?.push(measurement)
        } catch (error) {
          failures.push(String(error))
          process.stderr.write(`    ${String(error)}\n`)
        }
      }
    }
    rows.push({ scenario, results, failures })
    process.stderr.write(`${table(rows.slice(-1))}\n`)
  }
  const report = {
    environment: environment(),
    runs,
    rows: rows.map((row) => ({ ...row, results: [...row.results] })),
  }
  console.log(
    `\n${JSON.stringify(report.environment)}\nmedians of ${runs} interleaved runs\n\n${table(rows)}`,
  )
  writeFileSync(`${values.out}/results.json`, `${JSON.stringify(report, null, 1)}\n`)
  writeFileSync(`${values.out}/results.svg`, chart(rows))
  if (rows.some((row) => row.failures.length > 0)) process.exitCode = 1
}

await main()

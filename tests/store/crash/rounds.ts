import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { Client } from 'mqtt-await'
import type { ProgramPlace } from '../program-place.ts'

/** Starts the program; resolves when it has printed `line`. */
async function startProgram(
  place: ProgramPlace,
  parameters: readonly string[],
  line: string,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [place.program, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes(`${line}\n`)) resolve()
    })
    child.once('exit', () => reject(new Error(`the program ended without saying "${line}"`)))
  })
  return child
}

async function runToEnd(place: ProgramPlace, parameters: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [place.program, ...parameters], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the program ended with ${code}`)
}

/** Kills it after a random time: from "at once" to "in the midst of its work". Rejects when it has ended before by itself. */
async function killAtRandom(child: ChildProcess, withinMs: number, random: () => number): Promise<void> {
  const ended = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), random() * withinMs)
  const [code, signal] = (await ended) as [number | null, string | null]
  clearTimeout(timer)
  if (signal !== 'SIGKILL') throw new Error(`the program was to be killed but ended with ${code ?? signal}`)
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

export interface CrashSettings {
  readonly rounds: number
  /** Where the programs connect to. */
  readonly url: string
  /** Where this side connects to: the broker itself, also when the programs go through a proxy. */
  readonly brokerUrl: string
  readonly random: () => number
}

export interface PublisherTotals {
  readonly rounds: number
  /** Messages whose `stored` had resolved. */
  readonly stored: number
  readonly delivered: number
  /** Stored, and never delivered. */
  readonly lost: readonly string[]
  /** QoS 2, delivered more than once. */
  readonly doubled: readonly string[]
  /** QoS 1, delivered more than once: allowed. */
  readonly repeatedQoS1: number
  /** Delivered (for the first time) after one that was published later. */
  readonly misplaced: readonly string[]
}

/** A publisher that is killed again and again, and a subscriber that stays. */
export async function publisherRounds(
  place: ProgramPlace,
  settings: CrashSettings,
): Promise<PublisherTotals> {
  const { rounds, url, brokerUrl, random } = settings
  const subscriber = new Client(brokerUrl, { clientId: 'crash-subscriber' })
  await subscriber.connect()
  const delivered = new Map<string, string[]>()
  const subscriptions = ['crash/1', 'crash/2'].map((topic) => {
    const messages = subscriber.messages(topic, { qos: 2 })
    const texts: string[] = []
    delivered.set(topic, texts)
    const done = (async () => {
      for await (const message of messages) {
        if (message.text() === 'end') break
        texts.push(message.text())
      }
    })()
    return { ready: messages.ready, done }
  })
  await Promise.all(subscriptions.map(({ ready }) => ready))
  let withinMs = 250
  for (let round = 1; round <= rounds; round++) {
    const parameters = [url, place.store, place.record, String(round)]
    const child = await startProgram(place, parameters, random() < 0.3 ? 'started' : 'connected')
    await killAtRandom(child, withinMs, random)
    // On a machine that is slow, or busy, a life would be over before it had begun.
    if (linesOf(place.record).length === 0) withinMs *= 2
  }
  await runToEnd(place, [url, place.store, place.record, '0', 'drain'])
  await Promise.all(subscriptions.map(({ done }) => done))
  await subscriber.disconnect()

  const first = delivered.get('crash/1') ?? []
  const second = delivered.get('crash/2') ?? []
  const seen = new Set([...first.map((text) => `1 ${text}`), ...second.map((text) => `2 ${text}`)])
  const stored = linesOf(place.record)
  return {
    rounds,
    stored: stored.length,
    delivered: seen.size,
    lost: stored.filter((line) => !seen.has(line)),
    doubled: repeated(second),
    repeatedQoS1: repeated(first).length,
    misplaced: [...misplaced(first), ...misplaced(second)],
  }
}

export interface ReceiverTotals {
  readonly rounds: number
  readonly published: number
  /** Published, and never finished by the receiver. */
  readonly lost: readonly string[]
  /** Begun again after a kill in the midst of the work: as it should be. */
  readonly redelivered: number
  /**
   * Finished, and begun again, where the kill came before the acknowledgement of the last finished message was stored. The receiver's record
   * and the store are two files, so there is always a moment between them.
   */
  readonly redeliveredAtTheEdge: readonly string[]
  /** Finished, and begun again although later ones were finished before the kill. */
  readonly doubled: readonly string[]
}

/** A receiver that is killed again and again, and a publisher that goes on. */
export async function receiverRounds(place: ProgramPlace, settings: CrashSettings): Promise<ReceiverTotals> {
  const { rounds, url, brokerUrl, random } = settings
  // Subscribed once before anything is published, so that the server keeps everything.
  const first = await startProgram(place, [url, place.store, place.record], 'subscribed')
  await killAtRandom(first, 0, random)
  const publisher = new Client(brokerUrl, { clientId: 'crash-source', maxInflight: 20 })
  await publisher.connect()
  let published = 0
  let publishing = true
  const source = (async () => {
    while (publishing) {
      // The receiver is never far behind: what is looked at is the kill, not the length of the server's queue.
      const done = linesOf(place.record).filter((line) => line.startsWith('finished')).length
      const size = Math.min(20, done + 200 - published)
      const burst = Array.from({ length: Math.max(size, 0) }, () =>
        publisher.publish('crash/work', String(published++), { qos: 2 }),
      )
      await Promise.all(burst.map(({ acked }) => acked))
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  })()
  for (let round = 1; round <= rounds; round++) {
    const parameters = [url, place.store, place.record]
    const child = await startProgram(place, parameters, random() < 0.3 ? 'started' : 'subscribed')
    await killAtRandom(child, 250, random)
  }
  publishing = false
  await source
  await publisher.publish('crash/work', 'end', { qos: 2 }).acked
  await runToEnd(place, [url, place.store, place.record])
  await publisher.disconnect()

  const finished = new Set<string>()
  const begun = new Set<string>()
  let lastFinished = ''
  let redelivered = 0
  const edge: string[] = []
  const doubled: string[] = []
  for (const line of linesOf(place.record)) {
    const [what, text = ''] = line.split(' ')
    if (what === 'finished') {
      finished.add(text)
      lastFinished = text
    } else if (finished.has(text)) {
      if (text === lastFinished) edge.push(text)
      else doubled.push(text)
    } else {
      if (begun.has(text)) redelivered++
      begun.add(text)
    }
  }
  const numbers = Array.from({ length: published }, (_, n) => String(n))
  return {
    rounds,
    published,
    lost: numbers.filter((text) => !finished.has(text)),
    redelivered,
    redeliveredAtTheEdge: edge,
    doubled,
  }
}

function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>()
  return texts.filter((text) => seen.has(text) || !seen.add(text))
}

/** Those whose first delivery comes after the first delivery of a later one. */
function misplaced(texts: readonly string[]): string[] {
  const seen = new Set<string>()
  let highest = 0
  return texts.filter((text) => {
    if (seen.has(text)) return false
    seen.add(text)
    const [round = 0, n = 0] = text.split('.').map(Number)
    const rank = round * 10_000_000 + n
    const isLate = rank < highest
    highest = Math.max(highest, rank)
    return isLate
  })
}

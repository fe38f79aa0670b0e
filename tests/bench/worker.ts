import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { BenchClient, Contestant } from './contestants/contestant.ts'
import { countFor, type Work } from './scenarios.ts'
import { payloadOf } from './wire.ts'

/** One run of one contestant in one scenario: a process that is given the peer's port, measures itself, and reports. */

export interface Order {
  readonly contestant: ContestantName
  readonly work: Exclude<Work, { readonly kind: 'import' }>
  readonly port: number
}

/** What a run found: in `unit`, and beside it what helps to judge it. */
export interface Measurement {
  readonly value: number
  readonly unit: 'msg/s' | 'MB/s' | 'us' | 'bytes' | 'ms'
  readonly cpuMicrosPerMessage?: number
  /** 99th percentile: of the time per message for latencies, in us; of the event loop's delay for rates, in ms. */
  readonly p99?: number
  /** JavaScript heap and what it holds outside, in bytes, where `value` is resident memory. */
  readonly heap?: number
}

export type ContestantName = 'mqtt-await' | 'MQTT.js' | 'SAP' | 'bare socket'

/** Loaded one by one: a process that measures one client must not carry the others. */
async function load(name: ContestantName): Promise<Contestant> {
  switch (name) {
    case 'mqtt-await':
      return (await import('./contestants/mqtt-await.ts')).mqttAwait
    case 'MQTT.js':
      return (await import('./contestants/mqtt-js.ts')).mqttJs
    case 'SAP':
      return (await import('./contestants/sap.ts')).sap
    case 'bare socket':
      return (await import('./contestants/bare-socket.ts')).bareSocket
  }
}

async function run({ contestant: name, work, port }: Order): Promise<Measurement | undefined> {
  const contestant = await load(name)
  if ('version' in work && !contestant.versions.includes(work.version)) return undefined
  switch (work.kind) {
    case 'publish': {
      const client = await contestant.open(port, work.version)
      const load = { ...work, payload: payloadOf(work.size), count: countFor(name, work, work.size) }
      await client.publish({ ...load, count: Math.ceil(load.count / 4) })
      return finish(client, await rate(load.count, work.size, () => client.publish(load)))
    }
    case 'receive': {
      const consumer = contestant.consumers.includes(work.consumer) ? work.consumer : 'event'
      const client = await contestant.open(port, work.version)
      const count = countFor(name, work, work.size)
      await client.subscribe(consumer, work.qos)
      await client.receive(count / 4)
      return finish(client, await rate(count, work.size, () => client.receive(count)))
    }
    case 'latency':
    case 'echo': {
      const client = await contestant.open(port, 4)
      const once = (count: number): Promise<number[]> =>
        client[work.kind === 'latency' ? 'latency' : 'echo'](count)
      // Compiled by then, as in a process that has run for a minute.
      await once(work.count * 2)
      const before = process.cpuUsage()
      const times = (await once(work.count)).sort((a, b) => a - b)
      const cpu = process.cpuUsage(before)
      return finish(client, {
        value: times[Math.floor(times.length / 2)] as number,
        unit: 'us',
        p99: times[Math.floor(times.length * 0.99)] as number,
        cpuMicrosPerMessage: (cpu.user + cpu.system) / work.count,
      })
    }
    case 'dispatch': {
      if (contestant.dispatch === undefined) return undefined
      const client = await contestant.dispatch(port, work.filters)
      const count = countFor(name, work, 64)
      return finish(client, await rate(count, 64, () => client.receive(count)))
    }
    case 'idle':
      return idle(contestant, port, work.count)
    case 'queue':
      return queue(contestant, work.count)
  }
}

async function finish(client: Pick<BenchClient, 'close'>, measurement: Measurement): Promise<Measurement> {
  await client.close()
  return measurement
}

async function rate(count: number, size: number, action: () => Promise<void>): Promise<Measurement> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpuBefore = process.cpuUsage()
  const start = process.hrtime.bigint()
  await action()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const cpu = process.cpuUsage(cpuBefore)
  delay.disable()
  const large = size > 65_536
  return {
    value: large ? (count * size) / seconds / 1e6 : count / seconds,
    unit: large ? 'MB/s' : 'msg/s',
    cpuMicrosPerMessage: (cpu.user + cpu.system) / count,
    p99: delay.percentile(99) / 1e6,
  }
}

async function collected(): Promise<{ resident: number; heap: number }> {
  // Several times: finalizers of one collection free what the next finds.
  for (let pass = 0; pass < 4; pass++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { resident: rss, heap: heapUsed + external }
}

async function idle(contestant: Contestant, port: number, count: number): Promise<Measurement> {
  // What every program has once: code, pools, the first connection.
  const clients = [await contestant.open(port, 4)]
  const before = await collected()
  for (let index = 0; index < count; index++) clients.push(await contestant.open(port, 4))
  const after = await collected()
  await Promise.all(clients.map((client) => client.close()))
  return {
    value: (after.resident - before.resident) / count,
    unit: 'bytes',
    heap: (after.heap - before.heap) / count,
  }
}

async function queue(contestant: Contestant, count: number): Promise<Measurement | undefined> {
  if (contestant.queue === undefined) return undefined
  // MQTT.js cannot hold more than there are packet ids.
  const messages = Math.min(count, 65_535)
  const before = await collected()
  const held = await contestant.queue(messages)
  const after = await collected()
  return {
    value: held === undefined ? Number.NaN : (after.heap - before.heap) / messages,
    unit: 'bytes',
    heap: (after.heap - before.heap) / messages,
  }
}

const order = JSON.parse(process.argv[2] ?? '') as Order
const measurement = await run(order)
process.send?.(measurement ?? null, () => process.exit(0))

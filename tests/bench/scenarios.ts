import type { Consumer } from './contestants/contestant.ts'
import type { QoS, Version } from './wire.ts'

/** One row of the table: what is done, and how it is told. `target` is a ratio to MQTT.js. */
export interface Scenario {
  readonly id: string
  readonly title: string
  readonly work: Work
  /** Rates: at least; times and sizes: at most. */
  readonly target?: number
}

export type Work =
  | {
      readonly kind: 'publish'
      readonly version: Version
      readonly qos: QoS
      readonly size: number
      readonly withProperties: boolean
      readonly count: number
    }
  | {
      readonly kind: 'receive'
      readonly version: Version
      readonly qos: QoS
      readonly size: number
      readonly withProperties: boolean
      readonly count: number
      readonly consumer: Consumer
    }
  | { readonly kind: 'latency' | 'echo'; readonly count: number }
  | { readonly kind: 'dispatch'; readonly filters: number; readonly count: number }
  | { readonly kind: 'idle'; readonly count: number }
  | { readonly kind: 'queue'; readonly count: number }
  | { readonly kind: 'import' }

const MIB = 1_048_576

function publish(
  id: string,
  title: string,
  version: Version,
  qos: QoS,
  count: number,
  target?: number,
  withProperties = false,
): Scenario {
  const work: Work = { kind: 'publish', version, qos, size: 64, withProperties, count }
  return target === undefined ? { id, title, work } : { id, title, work, target }
}

function receive(
  id: string,
  title: string,
  version: Version,
  qos: QoS,
  consumer: Consumer,
  count: number,
  target?: number,
  withProperties = false,
): Scenario {
  const work: Work = { kind: 'receive', version, qos, size: 64, withProperties, count, consumer }
  return target === undefined ? { id, title, work } : { id, title, work, target }
}

/** `count` is what MQTT.js gets through in about half a second; faster ones get a multiple of it. */
export const scenarios: readonly Scenario[] = [
  publish('pub0', 'publish QoS 0', 4, 0, 200_000, 6),
  publish('pub1', 'publish QoS 1', 4, 1, 60_000, 10),
  publish('pub2', 'publish QoS 2', 4, 2, 40_000, 12),
  publish('pub0-v5', 'publish QoS 0, MQTT 5', 5, 0, 200_000),
  publish('pub1-v5', 'publish QoS 1, MQTT 5', 5, 1, 60_000),
  publish('pub2-v5', 'publish QoS 2, MQTT 5', 5, 2, 40_000),
  publish(
    'pub0-v5-properties',
    'publish QoS 0, MQTT 5, 3 user properties + content type',
    5,
    0,
    60_000,
    10,
    true,
  ),
  receive('recv0-event', 'receive QoS 0, message event', 4, 0, 'event', 400_000, 7),
  receive('recv0-handle', 'receive QoS 0, handle()', 4, 0, 'handle', 400_000, 7),
  receive('recv0-await', 'receive QoS 0, for await', 4, 0, 'for await', 400_000, 5),
  receive('recv0-batches', 'receive QoS 0, batches()', 4, 0, 'batches', 400_000, 8),
  receive('recv1-await', 'receive QoS 1, for await', 4, 1, 'for await', 80_000, 12),
  receive('recv2-await', 'receive QoS 2, for await', 4, 2, 'for await', 32_000, 20),
  receive('recv0-v5', 'receive QoS 0, MQTT 5, message event', 5, 0, 'event', 400_000),
  receive(
    'recv0-v5-properties',
    'receive QoS 0, MQTT 5, properties not read',
    5,
    0,
    'event',
    100_000,
    10,
    true,
  ),
  {
    id: 'pub-1m',
    title: 'publish 1 MiB, QoS 0',
    target: 1,
    work: { kind: 'publish', version: 4, qos: 0, size: MIB, withProperties: false, count: 4000 },
  },
  {
    id: 'recv-1m',
    title: 'receive 1 MiB, QoS 0',
    target: 1,
    work: {
      kind: 'receive',
      version: 4,
      qos: 0,
      size: MIB,
      withProperties: false,
      count: 4000,
      consumer: 'event',
    },
  },
  {
    id: 'latency',
    title: 'QoS 1, one at a time, median',
    target: 0.8,
    work: { kind: 'latency', count: 4000 },
  },
  { id: 'echo', title: 'echo QoS 0, median', target: 0.9, work: { kind: 'echo', count: 4000 } },
  { id: 'dispatch-1', title: 'dispatch, 1 filter', work: { kind: 'dispatch', filters: 1, count: 200_000 } },
  {
    id: 'dispatch-100',
    title: 'dispatch among 100 filters',
    work: { kind: 'dispatch', filters: 100, count: 200_000 },
  },
  {
    id: 'dispatch-10000',
    title: 'dispatch among 10,000 filters',
    work: { kind: 'dispatch', filters: 10_000, count: 200_000 },
  },
  {
    id: 'dispatch-100000',
    title: 'dispatch among 100,000 filters',
    work: { kind: 'dispatch', filters: 100_000, count: 200_000 },
  },
  { id: 'idle', title: 'idle client, memory', target: 0.4, work: { kind: 'idle', count: 1000 } },
  {
    id: 'queue',
    title: 'queued QoS 1 message with promise, memory',
    target: 1,
    work: { kind: 'queue', count: 100_000 },
  },
  { id: 'import', title: 'import', target: 0.25, work: { kind: 'import' } },
]

const FACTORS: Readonly<Record<string, number>> = { 'bare socket': 10, 'mqtt-await': 5, SAP: 3 }

/** Messages a run makes, by contestant, so that each takes about as long. */
export function countFor(
  contestant: string,
  work: { readonly kind: string; readonly count: number },
  size: number,
): number {
  if (size > 65_536) return work.count
  const factor = FACTORS[contestant] ?? 1
  return work.count * factor
}

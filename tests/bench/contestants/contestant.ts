import type { QoS, Version } from '../wire.ts'

/** What every client under measurement can be asked for, each in its own idiom. */
export interface BenchClient {
  /** Publishes `count` messages to the topics in turn; resolves when the peer has them all, acknowledged at QoS 1 and 2. */
  publish(load: PublishLoad): Promise<void>
  /** Subscribes to `bench/site/#`; messages are counted from here on. */
  subscribe(consumer: Consumer, qos: QoS): Promise<void>
  /** Tells the peer to send `count` messages; resolves when the application has had them all. */
  receive(count: number): Promise<void>
  /** Microseconds of each of `count` publishes at QoS 1, one after the other. */
  latency(count: number): Promise<number[]>
  /** Microseconds of each of `count` messages that come back from the peer, one after the other. */
  echo(count: number): Promise<number[]>
  close(): Promise<void>
}

export interface PublishLoad {
  readonly count: number
  readonly qos: QoS
  readonly payload: Buffer
  readonly withProperties: boolean
}

/** How messages reach the application. */
export type Consumer = 'event' | 'handle' | 'for await' | 'batches'

export interface Contestant {
  readonly name: string
  readonly consumers: readonly Consumer[]
  /** Of MQTT: 4 = 3.1.1. */
  readonly versions: readonly Version[]
  open(port: number, version: Version): Promise<BenchClient>
  /** Subscribes to `bench/site/N/temperature` of every N below `filters`, each with a consumer of its own, and receives. */
  dispatch?(port: number, filters: number): Promise<Pick<BenchClient, 'receive' | 'close'>>
  /** QoS 1 messages of 64 bytes that wait in a client which is not connected, each with its promise. Returns what holds them. */
  queue?(count: number): Promise<unknown>
}

/** One promise that a counter settles when it reaches its mark. */
export class Milestone {
  #seen = 0
  #mark = 0
  #reached: (() => void) | undefined

  reach(count: number): Promise<void> {
    this.#seen = 0
    this.#mark = count
    return new Promise((resolve) => {
      this.#reached = resolve
    })
  }

  add(count = 1): void {
    this.#seen += count
    if (this.#seen >= this.#mark && this.#reached !== undefined) {
      const reached = this.#reached
      this.#reached = undefined
      reached()
    }
  }
}

export function microsecondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1000
}

import type { Timer } from '../../src/client/clock.ts'
import type { BrokerConnection } from '../../src/testing/broker-connection.ts'
import {
  type BrokerPublishOptions,
  ModelBroker,
  type ModelBrokerOptions,
} from '../../src/testing/model-broker.ts'
import { FaultyLink, type NetworkFaults } from '../support/faulty-network.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'

/** The model broker at the far end of a faulty network, driven by the virtual clock. */
export class SimulatedBroker {
  readonly broker: ModelBroker
  faults: NetworkFaults
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #links: Map<FaultyLink, BrokerConnection> = new Map()
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY
  /** While it is down, a new link is refused. */
  isDown = false

  constructor(clock: VirtualClock, random: SeededRandom, faults: NetworkFaults, options: ModelBrokerOptions) {
    this.#clock = clock
    this.#random = random
    this.faults = faults
    this.broker = new ModelBroker(options)
  }

  /** A new network connection; undefined when nobody listens. */
  connect(): FaultyLink | undefined {
    if (this.isDown) return undefined
    const link = new FaultyLink(this.#clock, this.#random, this.faults)
    const connection = this.broker.connect(this.#clock.now())
    this.#links.set(link, connection)
    link.server.listener = {
      onBytes: (chunk) => {
        connection.receive(chunk, this.#clock.now())
        this.after()
      },
      onClose: () => {
        this.#links.delete(link)
        connection.transportClosed(this.#clock.now())
        this.after()
      },
    }
    return link
  }

  /** Links that are not cut, as far as anybody knows. */
  get links(): FaultyLink[] {
    return [...this.#links.keys()]
  }

  publish(topic: string, payload: Uint8Array, options: BrokerPublishOptions): void {
    this.broker.publish(topic, payload, this.#clock.now(), options)
    this.after()
  }

  /** The broker's DISCONNECT for one of its clients. */
  disconnect(clientId: string, reasonCode: number): void {
    this.broker.connectionOf(clientId)?.disconnect(reasonCode, this.#clock.now())
    this.after()
  }

  restart(keepSessions: boolean): void {
    this.broker.restart(keepSessions, this.#clock.now())
    for (const link of this.#links.keys()) link.cut()
    this.#links.clear()
    this.after()
  }

  /** After any call on the broker: sends what it has to say, to whomever, and sets its timer. */
  after(): void {
    for (const [link, connection] of this.#links) {
      const chunks = connection.take()
      if (chunks.length > 0) link.server.send(chunks)
      if (connection.isClosing && link.server.isOpen) link.server.end()
    }
    const next = this.broker.nextDeadline()
    if (next === this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = next
    if (next === Number.POSITIVE_INFINITY) return
    this.#timer = this.#clock.setTimer(() => {
      this.#armedFor = Number.POSITIVE_INFINITY
      this.broker.expire(this.#clock.now())
      this.after()
    }, next - this.#clock.now())
  }
}

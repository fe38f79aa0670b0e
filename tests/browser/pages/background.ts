import { Client, type ClientOptions, type QoS } from 'mqtt-await'

/** What has happened in the page, in milliseconds of the clock that the test has, too. */
export interface BackgroundReport {
  readonly visibility: [at: number, state: string][]
  /** When a timer of 100 ms fired that is set again each time it fires. */
  readonly ticks: number[]
  readonly clients: Record<string, ClientReport>
}

export interface ClientReport {
  readonly sent: [at: number, packet: string][]
  readonly connects: number[]
  readonly losses: [at: number, reason: string][]
  /** Payloads of the messages that were iterated over. */
  readonly messages: [at: number, text: string][]
}

const now = (): number => Math.round(performance.timeOrigin + performance.now())

class Background {
  readonly report: BackgroundReport = {
    visibility: [[now(), document.visibilityState]],
    ticks: [],
    clients: {},
  }

  constructor() {
    document.addEventListener('visibilitychange', () => {
      this.report.visibility.push([now(), document.visibilityState])
    })
    const tick = (): void => {
      this.report.ticks.push(now())
      setTimeout(tick, 100)
    }
    tick()
  }

  /** Connects, and iterates over the messages of the topic that has the client's name. */
  async start(name: string, url: string, options: ClientOptions): Promise<void> {
    const client = new Client(url, { ...options, clientId: name })
    const report: ClientReport = { sent: [], connects: [], losses: [], messages: [] }
    this.report.clients[name] = report
    client.on('packetsend', ({ type }) => report.sent.push([now(), type]))
    client.on('connect', () => report.connects.push(now()))
    client.on('disconnect', (error) => report.losses.push([now(), String(error)]))
    await client.connect()
    const messages = client.messages(name, { qos: 1 })
    await messages.ready
    void (async () => {
      for await (const message of messages) report.messages.push([now(), message.text()])
    })()
  }

  /** Publishes 3 MB so many times, each when the one before is sent, or acknowledged. Gives the milliseconds that it takes. */
  async publishMuch(url: string, rounds: number, qos: QoS): Promise<number> {
    const client = new Client(url)
    await client.connect()
    const began = now()
    for (let round = 0; round < rounds; round++) {
      await Promise.all(
        Array.from({ length: 15 }, () => client.publish('much', new Uint8Array(200_000), { qos }).acked),
      )
    }
    const took = now() - began
    await client.close()
    return took
  }
}

declare global {
  var background: Background
}

globalThis.background = new Background()

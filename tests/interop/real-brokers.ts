import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { Aedes } from 'aedes'
import { mendSessions } from '../../examples/demo/broker.ts'
import { freePorts, Mosquitto, mosquittoPath } from '../support/brokers.ts'

/** A broker that others made, on a port of its own, that can be stopped and started again with what it has kept. */
export interface RealBroker {
  readonly url: string
  /** As an administrator would: connections end, sessions are kept. */
  stop(): Promise<void>
  /** On the same port. */
  start(): Promise<void>
  /** Stops for good and leaves nothing behind. */
  dispose(): Promise<void>
}

export interface BrokerSettings {
  /** Only this login is let in. */
  readonly login?: { readonly username: string; readonly password: string }
}

export interface BrokerKind {
  readonly name: 'Mosquitto' | 'aedes'
  readonly available: boolean
  launch(settings?: BrokerSettings): Promise<RealBroker>
}

class AedesBroker implements RealBroker {
  readonly url: string
  readonly #port: number
  readonly #settings: BrokerSettings
  #aedes: Aedes | undefined
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  constructor(port: number, settings: BrokerSettings) {
    this.#port = port
    this.url = `mqtt://127.0.0.1:${port}`
    this.#settings = settings
  }

  async start(): Promise<void> {
    const { login } = this.#settings
    // Its sessions live in its memory: one broker for all starts.
    this.#aedes ??= await Aedes.createBroker({
      heartbeatInterval: 500,
      ...(login !== undefined && {
        authenticate: (_client, username, password, done) => {
          const right = username === login.username && password?.toString() === login.password
          if (right) done(null, true)
          else done(Object.assign(new Error('wrong login'), { returnCode: 4 as const }), false)
        },
      }),
    })
    const aedes = this.#aedes
    mendSessions(aedes)
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      aedes.handle(socket)
    })
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async dispose(): Promise<void> {
    await this.stop()
    await new Promise<void>((resolve) => {
      if (this.#aedes === undefined) resolve()
      else this.#aedes.close(resolve)
    })
  }
}

async function launchMosquitto({ login }: BrokerSettings): Promise<RealBroker> {
  const broker = await Mosquitto.start({
    persistence: true,
    ...(login !== undefined && { users: { [login.username]: login.password } }),
    // More than the default of 1,000 messages wait for a client that is away.
    settings: ['max_queued_messages 0', 'sys_interval 1'],
  })
  return {
    url: broker.url(),
    start: () => broker.start(),
    stop: () => broker.stop(),
    dispose: () => broker.dispose(),
  }
}

async function launchAedes(settings: BrokerSettings): Promise<RealBroker> {
  const [port] = await freePorts(1)
  const broker = new AedesBroker(port as number, settings)
  await broker.start()
  return broker
}

export const mosquitto: BrokerKind = {
  name: 'Mosquitto',
  available: mosquittoPath !== undefined,
  launch: (settings = {}) => launchMosquitto(settings),
}

export const aedes: BrokerKind = {
  name: 'aedes',
  available: true,
  launch: (settings = {}) => launchAedes(settings),
}

export const brokerKinds: readonly BrokerKind[] = [mosquitto, aedes]

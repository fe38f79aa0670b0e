import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Aedes } from 'aedes'

/** A broker that others made, on a port of its own, that can be stopped and started again with what it has kept. */
export interface RealBroker {
  readonly url: string
  readonly port: number
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

// Debian puts the daemon where only administrators look.
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` }

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Resolves when something listens on the port. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (connected) return
    await delay(20)
  }
}

class MosquittoBroker implements RealBroker {
  readonly port: number
  readonly url: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'mosquitto-'))
  #process: ChildProcess | undefined

  constructor(port: number, settings: BrokerSettings) {
    this.port = port
    this.url = `mqtt://127.0.0.1:${port}`
    // Started by root, it becomes the user "mosquitto", who must be able to write here.
    chmodSync(this.#folder, 0o777)
    const lines = [
      `listener ${port} 127.0.0.1`,
      'persistence true',
      `persistence_location ${this.#folder}/`,
      // More than the default of 1,000 messages wait for a client that is away.
      'max_queued_messages 0',
      'sys_interval 1',
      'log_type error',
    ]
    if (settings.login === undefined) lines.push('allow_anonymous true')
    else {
      const passwords = join(this.#folder, 'passwords')
      writeFileSync(passwords, '')
      const { username, password } = settings.login
      spawnSync('mosquitto_passwd', ['-b', passwords, username, password], { env: environment })
      chmodSync(passwords, 0o644)
      lines.push('allow_anonymous false', `password_file ${passwords}`)
    }
    writeFileSync(join(this.#folder, 'mosquitto.conf'), `${lines.join('\n')}\n`)
  }

  async start(): Promise<void> {
    this.#process = spawn('mosquitto', ['-c', join(this.#folder, 'mosquitto.conf')], {
      env: environment,
      stdio: 'ignore',
    })
    await listening(this.port)
  }

  async stop(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

class AedesBroker implements RealBroker {
  readonly port: number
  readonly url: string
  readonly #settings: BrokerSettings
  #aedes: Aedes | undefined
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  constructor(port: number, settings: BrokerSettings) {
    this.port = port
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
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      aedes.handle(socket)
    })
    this.#server.listen(this.port, '127.0.0.1')
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

async function launch(broker: RealBroker): Promise<RealBroker> {
  await broker.start()
  return broker
}

const hasMosquitto =
  spawnSync('mosquitto', ['-h'], { env: environment, stdio: 'ignore' }).error === undefined &&
  spawnSync('mosquitto_passwd', [], { env: environment, stdio: 'ignore' }).error === undefined

export const mosquitto: BrokerKind = {
  name: 'Mosquitto',
  available: hasMosquitto,
  launch: async (settings = {}) => launch(new MosquittoBroker(await freePort(), settings)),
}

export const aedes: BrokerKind = {
  name: 'aedes',
  available: true,
  launch: async (settings = {}) => launch(new AedesBroker(await freePort(), settings)),
}

export const brokerKinds: readonly BrokerKind[] = [mosquitto, aedes]

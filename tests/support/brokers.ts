import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Aedes } from 'aedes'
import { describe, type SuiteAPI, type TestAPI, test } from 'vitest'
import { certificates } from './certificates.ts'

/** The broker of Debian's package, or undefined where it is not installed. */
export const mosquittoPath: string | undefined = findProgram('mosquitto')

/**
 * `describe` and `test` for what needs Mosquitto. Where it is not installed they are skipped, and the summary at
 * the end of the run says so in capital letters.
 */
export const describeMosquitto: SuiteAPI = (
  mosquittoPath === undefined ? describe.skip : describe
) as SuiteAPI
export const testMosquitto: TestAPI = (mosquittoPath === undefined ? test.skip : test) as TestAPI

export type ListenerKind = 'tcp' | 'tls' | 'ws' | 'wss' | 'unix'

export interface MosquittoOptions {
  /** @default ['tcp'] */
  readonly listeners?: readonly ListenerKind[]
  /** Keep sessions and retained messages across `stop` and `start` (not across `kill`). @default false */
  readonly persistence?: boolean
  /** User names and passwords; with some, nobody else may connect. */
  readonly users?: Readonly<Record<string, string>>
  /** TLS listeners ask for a certificate of the test authority. @default false */
  readonly requireCertificate?: boolean
  /** TLS listeners take pre-shared keys instead of certificates: identity to key in hexadecimal. */
  readonly preSharedKeys?: Readonly<Record<string, string>>
  /** More lines for mosquitto.conf, global ones. */
  readonly settings?: readonly string[]
}

/** A Mosquitto process on free ports of 127.0.0.1. */
export class Mosquitto {
  /** Everything it has logged, all starts together. */
  log = ''
  readonly #directory: string
  readonly #options: MosquittoOptions
  readonly #ports = new Map<ListenerKind, number>()
  #process: ChildProcess | undefined

  private constructor(options: MosquittoOptions) {
    this.#options = options
    this.#directory = mkdtempSync(join(tmpdir(), 'mosquitto-'))
    process.once('exit', this.#onExit)
  }

  /** Starts a broker and resolves when it listens. Call `dispose` at the end, or use `await using`. */
  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const broker = new Mosquitto(options)
    try {
      for (let attempt = 1; ; attempt++) {
        await broker.#choosePorts()
        try {
          await broker.start()
          return broker
        } catch (error) {
          // Someone else has taken a port between choosing and binding.
          if (attempt === 5 || !broker.log.includes('Address already in use')) throw error
          broker.log = ''
        }
      }
    } catch (error) {
      await broker.dispose()
      throw error
    }
  }

  /** Where a client connects to: the first listener, or that of the kind asked for. */
  url(kind: ListenerKind = this.#listeners[0] ?? 'tcp'): string {
    if (kind === 'unix') return `unix:${this.#socketPath}`
    const scheme = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }[kind]
    // `localhost` is what the server's certificate is for.
    return `${scheme}://localhost:${this.port(kind)}`
  }

  port(kind: ListenerKind = this.#listeners[0] ?? 'tcp'): number {
    const port = this.#ports.get(kind)
    if (port === undefined) throw new Error(`this broker has no ${kind} listener`)
    return port
  }

  get isRunning(): boolean {
    return this.#process !== undefined
  }

  /** Starts again, on the same ports. */
  async start(): Promise<void> {
    if (mosquittoPath === undefined) throw new Error('Mosquitto is not installed')
    if (this.#process !== undefined) throw new Error('this broker is running')
    const before = this.log.length
    const child = spawn(mosquittoPath, ['-c', this.#writeConfiguration()], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process = child
    const { stderr } = child
    stderr.setEncoding('utf8')
    await new Promise<void>((resolve, reject) => {
      let isRunning = false
      stderr.on('data', (text: string) => {
        this.log += text
        // Looked for only until it is there: the log grows with every packet.
        if (isRunning || !/mosquitto version \S+ running/.test(this.log.slice(before))) return
        isRunning = true
        resolve()
      })
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        this.#process = undefined
        reject(new Error(`mosquitto ended with ${code ?? signal}:\n${this.log.slice(before)}`))
      })
    })
  }

  /** Ends it in order (SIGTERM): with persistence it saves its state. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Ends it at once (SIGKILL). */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async dispose(): Promise<void> {
    await this.kill()
    process.off('exit', this.#onExit)
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  readonly #onExit = (): void => {
    this.#process?.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  get #listeners(): readonly ListenerKind[] {
    const wanted = this.#options.listeners ?? ['tcp']
    // Mosquitto 2.0.11 does not start with WebSocket listeners alone.
    return wanted.every((kind) => kind === 'ws' || kind === 'wss') ? [...wanted, 'tcp'] : wanted
  }

  get #socketPath(): string {
    return join(this.#directory, 'broker.sock')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (child === undefined) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async #choosePorts(): Promise<void> {
    const ports = await freePorts(this.#listeners.length)
    for (const [index, kind] of this.#listeners.entries()) this.#ports.set(kind, ports[index] ?? 0)
  }

  #writeConfiguration(): string {
    const {
      persistence = false,
      users = {},
      requireCertificate = false,
      preSharedKeys,
      settings = [],
    } = this.#options
    const hasUsers = Object.keys(users).length > 0
    const lines = [
      // It would otherwise become the user "mosquitto", who may not write here.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      'log_dest stderr',
      'log_type all',
      `allow_anonymous ${!hasUsers}`,
      `persistence ${persistence}`,
      ...(persistence ? [`persistence_location ${this.#directory}/`, 'autosave_interval 0'] : []),
      ...settings,
    ]
    if (hasUsers) lines.push(`password_file ${this.#writePasswords(users)}`)
    if (preSharedKeys !== undefined) {
      const file = join(this.#directory, 'psk')
      writeFileSync(
        file,
        Object.entries(preSharedKeys)
          .map(([identity, key]) => `${identity}:${key}\n`)
          .join(''),
      )
      lines.push(`psk_file ${file}`)
    }
    for (const kind of this.#listeners) {
      lines.push(kind === 'unix' ? `listener 0 ${this.#socketPath}` : `listener ${this.port(kind)}`)
      if (kind === 'ws' || kind === 'wss') lines.push('protocol websockets')
      if (kind !== 'tls' && kind !== 'wss') continue
      if (preSharedKeys !== undefined) lines.push('psk_hint test')
      else {
        const { server, caFile } = certificates()
        lines.push(`certfile ${server.certFile}`, `keyfile ${server.keyFile}`, `cafile ${caFile}`)
        lines.push(`require_certificate ${requireCertificate}`)
      }
    }
    const file = join(this.#directory, 'mosquitto.conf')
    writeFileSync(file, `${lines.join('\n')}\n`)
    return file
  }

  #writePasswords(users: Readonly<Record<string, string>>): string {
    const file = join(this.#directory, 'passwords')
    writeFileSync(
      file,
      Object.entries(users)
        .map(([name, password]) => `${name}:${password}\n`)
        .join(''),
      { mode: 0o600 },
    )
    // Replaces the passwords in the file by their hashes.
    execFileSync(findProgram('mosquitto_passwd') ?? 'mosquitto_passwd', ['-U', file])
    return file
  }
}

export interface EmbeddedBroker extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly broker: Aedes
  /** Destroys all TCP connections; clients may come back at once. */
  dropConnections(): void
  close(): Promise<void>
}

/** Starts aedes (MQTT 3.1 to 5.0) in this process, on a free TCP port of 127.0.0.1. */
export async function startAedes(
  options: Parameters<typeof Aedes.createBroker>[0] = {},
): Promise<EmbeddedBroker> {
  const broker = await Aedes.createBroker(options)
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    broker.handle(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const dropConnections = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close()
      dropConnections()
      broker.close(() => resolve())
    })
    return closing
  }
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    broker,
    dropConnections,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Ports of 127.0.0.1 that nobody uses at this moment, all different. They lie below the range from which systems give
 * ports to outgoing connections, so that none is taken in between by accident.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = 16_000 + Math.floor(Math.random() * 16_000)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}

function findProgram(name: string): string | undefined {
  // Debian keeps servers where ordinary users do not look.
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return undefined
}

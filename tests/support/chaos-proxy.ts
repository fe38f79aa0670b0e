import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { SeededRandom } from './seeded-random.ts'

/** How one connection through the proxy is treated. Bytes are counted in both directions together. */
export interface Chaos {
  /** After so many bytes the connection ends, in the way of `ending`. @default never */
  readonly lifeBytes?: number
  /** FIN, RST, or nothing at all: the bytes vanish and the connection stays. @default 'fin' */
  readonly ending?: 'fin' | 'reset' | 'black-hole'
  /** Bytes are passed on in pieces of at most this size. @default as they come */
  readonly pieceBytes?: number
  /** Each piece waits so long; order is kept. @default 0 */
  readonly delayMs?: number
  /** Throttle. @default none */
  readonly bytesPerSecond?: number
}

/** Says how the connection with this number, from 0, is treated. */
export type ChaosPlan = (connection: number, random: SeededRandom) => Chaos

/** A TCP proxy that treats its connections badly, in the same way for the same seed. */
export class ChaosProxy implements AsyncDisposable {
  /** How many connections there have been. */
  connections = 0
  /** What happened to them, for the report of a failure. */
  readonly history: string[] = []
  readonly #server: Server
  readonly #target: number
  readonly #plan: ChaosPlan
  readonly #random: SeededRandom
  readonly #links = new Set<Link>()

  private constructor(target: number, seed: number, plan: ChaosPlan) {
    this.#target = target
    this.#plan = plan
    this.#random = new SeededRandom(seed)
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket))
  }

  /** Listens on a free port of 127.0.0.1 and leads to `targetPort` there. */
  static async start(targetPort: number, seed: number, plan: ChaosPlan): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(targetPort, seed, plan)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends all connections at once. */
  cut(ending: 'fin' | 'reset' | 'black-hole' = 'reset'): void {
    for (const link of this.#links) link.end(ending)
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.end('reset')
    this.#server.close()
    await once(this.#server, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(client: Socket): void {
    const number = this.connections++
    const chaos = this.#plan(number, this.#random.fork())
    this.history.push(`${number}: ${JSON.stringify(chaos)}`)
    const link = new Link(
      client,
      connect({ port: this.#target, host: 'localhost', noDelay: true }),
      chaos,
      () => {
        this.#links.delete(link)
      },
    )
    this.#links.add(link)
  }
}

/** One connection through the proxy: two sockets, one budget of bytes. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #chaos: Chaos
  #bytesLeft: number
  #isDead = false

  constructor(client: Socket, server: Socket, chaos: Chaos, onGone: () => void) {
    this.#client = client
    this.#server = server
    this.#chaos = chaos
    this.#bytesLeft = chaos.lifeBytes ?? Number.POSITIVE_INFINITY
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => {})
      from.once('close', () => {
        to.destroy()
        onGone()
      })
      this.#pump(from, to)
    }
  }

  end(ending: 'fin' | 'reset' | 'black-hole'): void {
    this.#isDead = true
    if (ending === 'black-hole') return
    if (ending === 'reset') {
      this.#client.resetAndDestroy()
      this.#server.resetAndDestroy()
    } else {
      this.#client.destroySoon()
      this.#server.destroySoon()
    }
  }

  /** Passes bytes on, piece by piece; a chunk is read when the one before it is gone. */
  #pump(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      from.pause()
      void this.#pass(chunk, to).then(() => from.resume())
    })
  }

  async #pass(chunk: Buffer, to: Socket): Promise<void> {
    const { pieceBytes = chunk.length, delayMs = 0, bytesPerSecond, ending = 'fin' } = this.#chaos
    for (let at = 0; at < chunk.length && !this.#isDead; ) {
      const wanted = Math.min(pieceBytes, chunk.length - at)
      const wait = delayMs + (bytesPerSecond === undefined ? 0 : (wanted / bytesPerSecond) * 1000)
      // The delays are what is simulated here; nothing waits for them to be over. Without one, a piece of its own
      // needs a turn of its own, or the system would join it with the next.
      if (wait > 0) await delay(wait)
      else if (pieceBytes < chunk.length) await turn()
      if (this.#isDead || to.destroyed) return
      // Looked at after the wait: the other direction may have used up the budget meanwhile.
      const size = Math.min(wanted, this.#bytesLeft)
      this.#bytesLeft -= size
      const piece = chunk.subarray(at, at + size)
      at += size
      if (!to.write(piece) && !to.destroyed) {
        await new Promise<void>((resolve) => {
          to.once('drain', resolve)
          to.once('close', resolve)
        })
      }
      if (this.#bytesLeft === 0) this.end(ending)
    }
  }
}

import { connect, createServer, type Socket } from 'node:net'
import { listen } from './broker.ts'

/** A TCP line to the broker that can be cut, as if somebody had pulled the cable. */
export class BreakableLine {
  readonly url: string
  readonly #ends: Set<Socket>
  readonly #close: () => void

  private constructor(url: string, ends: Set<Socket>, close: () => void) {
    this.url = url
    this.#ends = ends
    this.#close = close
  }

  static async to(broker: URL): Promise<BreakableLine> {
    const ends = new Set<Socket>()
    const server = createServer((near) => {
      const far = connect({ host: broker.hostname, port: Number(broker.port || 1883) })
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        ends.add(one)
        one.setNoDelay(true)
        one.on('error', () => one.destroy())
        one.on('close', () => {
          ends.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    const line = new URL(broker)
    const port = await listen(server)
    line.hostname = '127.0.0.1'
    line.port = String(port)
    return new BreakableLine(line.href, ends, () => server.close())
  }

  /** Drops every connection at once; new ones are taken. */
  cut(): void {
    for (const socket of this.#ends) socket.destroy()
  }

  close(): void {
    this.cut()
    this.#close()
  }
}

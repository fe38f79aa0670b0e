import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { listen } from './broker.ts'

/** A TCP line to the broker that can be cut, as if somebody had pulled the cable. */
export class BreakableLine {
  readonly url: string
  readonly #ends: Set<Socket>
  /** Those of them that lead to the broker. */
  readonly #fars: Set<Socket>
  readonly #close: () => void

  private constructor(url: string, ends: Set<Socket>, fars: Set<Socket>, close: () => void) {
    this.url = url
    this.#ends = ends
    this.#fars = fars
    this.#close = close
  }

  static async to(broker: URL): Promise<BreakableLine> {
    const ends = new Set<Socket>()
    const fars = new Set<Socket>()
    const server = createServer((near) => {
      const far = connect({ host: broker.hostname, port: Number(broker.port || 1883) })
      fars.add(far)
      far.on('close', () => fars.delete(far))
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
    return new BreakableLine(line.href, ends, fars, () => server.close())
  }

  /** Drops every connection at once; new ones are taken. */
  cut(): void {
    for (const socket of this.#ends) socket.destroy()
  }

  /**
   * Loses what is on its way from the broker, and nothing that goes to it: the broker's side falls silent first, and what the
   * client says to what it has got is passed on before the line ends.
   */
  async pull(): Promise<void> {
    const ends = [...this.#fars]
    for (const far of ends) far.unpipe().pause()
    const said = (): number => ends.reduce((sum, far) => sum + far.bytesWritten, 0)
    for (let before = -1; before !== said(); await delay(100)) before = said()
    for (const far of ends) far.destroySoon()
  }

  close(): void {
    this.cut()
    this.#close()
  }
}

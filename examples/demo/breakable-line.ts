import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { listen } from './broker.ts'

/** A TCP line to the broker that can be cut, as if somebody had pulled the cable. */
export class BreakableLine {
  readonly url: string
  /** The ends at the client. */
  readonly #nears: Set<Socket>
  /** The ends at the broker. */
  readonly #fars: Set<Socket>
  readonly #close: () => void

  private constructor(url: string, nears: Set<Socket>, fars: Set<Socket>, close: () => void) {
    this.url = url
    this.#nears = nears
    this.#fars = fars
    this.#close = close
  }

  static async to(broker: URL): Promise<BreakableLine> {
    const nears = new Set<Socket>()
    const fars = new Set<Socket>()
    const server = createServer((near) => {
      const far = connect({ host: broker.hostname, port: Number(broker.port || 1883) })
      for (const [one, other, ends] of [
        [near, far, nears],
        [far, near, fars],
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
    return new BreakableLine(line.href, nears, fars, () => server.close())
  }

  /** Drops every connection at once; new ones are taken. */
  cut(): void {
    for (const socket of [...this.#nears, ...this.#fars]) socket.destroy()
  }

  /**
   * Loses what is on its way from the broker, and nothing that goes to it: the broker's side falls silent first, and the line ends
   * when the client has had all that was passed on, and what it has said has been passed on too.
   *
   * @param isSilent - whether the client has got and said as many bytes, and has nothing left to say
   */
  async pull(isSilent: (bytesToClient: number, bytesToBroker: number) => boolean): Promise<void> {
    const [near] = this.#nears
    const [far] = this.#fars
    if (near === undefined || far === undefined) return
    far.unpipe().pause()
    // Twice in a row: what it says to the last of it leaves a turn later.
    for (let silent = 0; silent < 2; silent = isSilent(near.bytesWritten, far.bytesWritten) ? silent + 1 : 0)
      await delay(10)
    // Closing with bytes unread would be a reset, which takes what the broker has not read with it: so the rest is read, and lost.
    near.unpipe()
    far.resume()
    far.end()
    const limit = setTimeout(() => far.destroy(), 2000)
    await once(far, 'close')
    clearTimeout(limit)
  }

  close(): void {
    this.cut()
    this.#close()
  }
}

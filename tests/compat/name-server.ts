import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { getServers, setServers } from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'

export interface ServiceRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

/** A name server for SRV records alone, which this process asks as long as it is there. */
export class NameServer {
  /** What it answers to every question. */
  records: readonly ServiceRecord[] = []
  /** The names that it was asked for. */
  readonly questions: string[] = []
  readonly #socket: Socket
  readonly #before: readonly string[] = getServers()

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (query, from) => this.#answer(query, from))
  }

  static async listen(): Promise<NameServer> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    const server = new NameServer(socket)
    const { port } = socket.address() as AddressInfo
    setServers([`127.0.0.1:${port}`])
    // Functions that were imported by name are bound to the servers of before.
    syncBuiltinESMExports()
    return server
  }

  get port(): number {
    return (this.#socket.address() as AddressInfo).port
  }

  close(): void {
    setServers(this.#before)
    syncBuiltinESMExports()
    this.#socket.close()
  }

  #answer(query: Buffer, from: RemoteInfo): void {
    let end = 12
    const labels: string[] = []
    for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
      labels.push(query.toString('latin1', end + 1, end + 1 + length))
      end += 1 + length
    }
    this.questions.push(labels.join('.'))
    // The name, its type and its class.
    const question = query.subarray(12, end + 5)
    const header = Buffer.from(query.subarray(0, 12))
    // An answer with recursion available; without records "no such name".
    header.writeUInt16BE(this.records.length > 0 ? 0x8180 : 0x8183, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(this.records.length, 6)
    header.fill(0, 8)
    const answers = this.records.map(({ priority, weight, port, target }) => {
      const name = Buffer.concat([
        ...target
          .split('.')
          .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')),
        Buffer.of(0),
      ])
      // The name of the question, SRV, IN, a minute.
      const record = Buffer.from('c00c0021000100000000003c', 'hex').subarray(0, 10)
      record.writeUInt32BE(60, 6)
      const data = Buffer.alloc(8)
      data.writeUInt16BE(6 + name.length, 0)
      const fields = Buffer.alloc(6)
      fields.writeUInt16BE(priority, 0)
      fields.writeUInt16BE(weight, 2)
      fields.writeUInt16BE(port, 4)
      return Buffer.concat([record, data.subarray(0, 2), fields, name])
    })
    this.#socket.send(Buffer.concat([header, question, ...answers]), from.port, from.address)
  }
}

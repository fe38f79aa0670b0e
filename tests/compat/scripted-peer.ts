import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** A broker that says only what a test makes it say, in hexadecimal. */
export class ScriptedPeer {
  readonly #server: Server
  readonly #connections: PeerConnection[] = []
  readonly #waiting: ((connection: PeerConnection) => void)[] = []
  readonly #all: PeerConnection[] = []

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => {
      const connection = new PeerConnection(socket)
      this.#all.push(connection)
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#connections.push(connection)
      else waiting(connection)
    })
  }

  static async listen(): Promise<ScriptedPeer> {
    const server = createServer()
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    return new ScriptedPeer(server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The next connection. */
  accept(): Promise<PeerConnection> {
    const connection = this.#connections.shift()
    if (connection !== undefined) return Promise.resolve(connection)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Nobody waits for a connection any more. */
  forget(): void {
    this.#waiting.length = 0
  }

  async close(): Promise<void> {
    for (const connection of this.#all) connection.destroy()
    await new Promise((resolve) => {
      this.#server.close(resolve)
    })
  }
}

/** One connection of the peer. */
export class PeerConnection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #changed: (() => void)[] = []
  #ended = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
    socket.on('end', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** The next packet, in hexadecimal; "closed" at the end. */
  async packet(): Promise<string> {
    for (;;) {
      const length = this.#packetLength()
      if (length !== undefined) {
        const packet = this.#received.subarray(0, length)
        this.#received = this.#received.subarray(length)
        return packet.toString('hex')
      }
      if (this.#ended) return 'closed'
      await this.#change()
    }
  }

  /** Text up to and with what is looked for, such as the head of an HTTP request. */
  async text(pattern: RegExp): Promise<string> {
    for (;;) {
      const text = this.#received.toString('latin1')
      const match = pattern.exec(text)
      if (match !== null || this.#ended)
        return text.slice(0, (match?.index ?? text.length) + (match?.[0].length ?? 0))
      await this.#change()
    }
  }

  /** The first packet, or whatever else comes first, in hexadecimal. */
  async anything(): Promise<string> {
    while (this.#received.length === 0 && !this.#ended) await this.#change()
    // CONNECT.
    if (this.#received[0] === 0x10) return this.packet()
    return this.#received.toString('hex')
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  /** Bytes received that no test has asked for. */
  get unread(): string {
    return this.#received.toString('hex')
  }

  /** Spaces are for the reader. */
  send(hex: string): void {
    this.#socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  }

  /** Ends in good order. */
  end(): void {
    this.#socket.end()
  }

  /** Ends with RST. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #packetLength(): number | undefined {
    let length = 0
    for (let at = 1; at < this.#received.length && at < 5; at++) {
      const byte = this.#received[at] as number
      length += (byte & 0x7f) * 128 ** (at - 1)
      if (byte < 0x80) return this.#received.length >= at + 1 + length ? at + 1 + length : undefined
    }
    return undefined
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed.push(resolve)
    })
  }

  #wake(): void {
    for (const changed of this.#changed.splice(0)) changed()
  }
}

/** `30 05 0001 61 68 69`: a PUBLISH of MQTT 3. */
export function publish3(topic: string, payload: string, qos: 0 | 1 | 2 = 0, id = 1, flags = 0): string {
  const name = Buffer.from(topic)
  const body = Buffer.concat([
    Buffer.from([name.length >> 8, name.length & 0xff]),
    name,
    qos > 0 ? Buffer.from([id >> 8, id & 0xff]) : Buffer.alloc(0),
    Buffer.from(payload),
  ])
  return Buffer.concat([Buffer.from([0x30 | flags | (qos << 1), body.length]), body]).toString('hex')
}

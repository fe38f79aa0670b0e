import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Client, MqttError } from 'mqtt-await'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { certificates } from '../support/certificates.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) server.close()
})

/** Talks to whoever connects; bytes go out as the transport wants them. */
type Speak = (write: (bytes: Uint8Array) => void) => void

const transports: Record<string, (speak: Speak) => { server: Server; scheme: string }> = {
  TCP: (speak) => {
    // Who does not read does not hear the client's end.
    const server = createServer((socket) => speak((bytes) => socket.resume().write(bytes)))
    return { scheme: 'mqtt', server }
  },
  TLS: (speak) => {
    const { cert, key } = certificates().server
    const server = createTlsServer({ cert, key }, (socket) => {
      socket.on('error', () => {})
      socket.resume()
      speak((bytes) => socket.write(bytes))
    })
    return { scheme: 'mqtts', server }
  },
  WebSocket: (speak) => {
    const server = createHttpServer()
    new WebSocketServer({ server }).on('connection', (peer) => {
      peer.on('error', () => {})
      speak((bytes) => peer.send(bytes))
    })
    return { scheme: 'ws', server }
  },
  'WebSocket without frames': (speak) => {
    const server = createHttpServer()
    new WebSocketServer({ server }).on('connection', (peer, request) => {
      peer.on('error', () => {})
      speak((bytes) => request.socket.write(bytes))
    })
    return { scheme: 'ws', server }
  },
}

const CONNACK = { 4: Buffer.from('20020000', 'hex'), 5: Buffer.from('2003000000', 'hex') }
const ROUNDS = 20

for (const [name, make] of Object.entries(transports)) {
  for (const version of [4, 5] as const) {
    for (const isConnected of [false, true]) {
      const when = isConnected ? 'after CONNACK' : 'instead of CONNACK'
      test(`${name}, MQTT ${version === 5 ? '5.0' : '3.1.1'}: random bytes ${when} end in one clean error`, async () => {
        const random = new SeededRandom(version * 2 + (isConnected ? 1 : 0))
        const unhandled: unknown[] = []
        const onUnhandled = (error: unknown): void => void unhandled.push(error)
        process.on('unhandledRejection', onUnhandled)
        const { server, scheme } = make((write) => {
          if (isConnected) write(CONNACK[version])
          const length = random.integer(1, 200)
          const bytes = Uint8Array.from({ length }, () => random.integer(0, 255))
          // The first byte decides which decoder gets to see the rest: give each its share.
          if (random.chance(0.7)) {
            bytes[0] = (random.integer(1, 15) << 4) | random.pick([0, 2, random.integer(0, 15)])
            bytes[1] = random.integer(0, 127)
          }
          write(bytes)
          // What the bytes began and did not finish (a length of megabytes) ends here.
          for (let index = 0; index < 4; index++) write(new Uint8Array(300_000))
        })
        servers.push(server)
        server.on('connection', (socket: Socket) => {
          sockets.add(socket)
          socket.on('error', () => {})
        })
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        try {
          for (let round = 0; round < ROUNDS; round++) {
            const client = new Client(`${scheme}://localhost:${(server.address() as AddressInfo).port}`, {
              protocolVersion: version,
              reconnect: false,
              connectTimeoutMs: 5_000,
              maximumPacketSize: 1_000_000,
              ...(scheme === 'mqtts' ? { tls: { ca: certificates().ca } } : {}),
            })
            const outcome = await client.connect().then(
              () => undefined,
              (error: unknown) => error,
            )
            if (outcome !== undefined) expect(outcome).toBeInstanceOf(MqttError)
            else {
              const { error } = await client.closed
              expect(error).toBeInstanceOf(MqttError)
            }
            await client.close()
          }
        } finally {
          process.off('unhandledRejection', onUnhandled)
        }
        expect(unhandled).toEqual([])
      })
    }
  }
}

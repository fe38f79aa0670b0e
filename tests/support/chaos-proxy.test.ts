import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { type Chaos, ChaosProxy } from './chaos-proxy.ts'

/** Which byte is at a place says what the place is. */
const bytesFrom = (first: number): Buffer =>
  Buffer.from(Array.from({ length: 4_096 }, (_, at) => (first + at * 31 + (at >> 8)) & 255))
const up = bytesFrom(0)
const down = bytesFrom(128)

/** What has come from this socket when it closes. */
function gathered(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  return once(socket, 'close').then(() => Buffer.concat(chunks))
}

const ways: Record<string, Chaos> = {
  'in one-byte pieces': { pieceBytes: 1 },
  'in pieces': { pieceBytes: 7 },
  'in pieces that wait': { pieceBytes: 700, delayMs: 1 },
  'in throttled pieces': { pieceBytes: 500, bytesPerSecond: 1e6 },
}

test.each(Object.entries(ways))(
  'bytes that go both ways %s are those that were sent, and no more than the connection has to live',
  async (_name, way) => {
    const received: Promise<Buffer>[] = []
    const server = createServer((socket) => {
      received.push(gathered(socket))
      socket.write(down)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      // Where in a piece the end lies, and which direction comes to it first, is different in each.
      for (let lifeBytes = 1_000; lifeBytes < 1_040; lifeBytes++) {
        await using proxy = await ChaosProxy.start((server.address() as AddressInfo).port, 1, () => ({
          ...way,
          lifeBytes,
        }))
        const client = connect(proxy.port, '127.0.0.1')
        // From now on both directions are busy.
        client.once('data', () => client.write(up))
        const [atClient, atServer] = await Promise.all([
          gathered(client),
          once(client, 'data').then(() => received.shift()),
        ])
        if (atServer === undefined) throw new Error('the server was not reached')
        expect(atClient, `down, ${lifeBytes}`).toEqual(down.subarray(0, atClient.length))
        expect(atServer, `up, ${lifeBytes}`).toEqual(up.subarray(0, atServer.length))
        expect(atClient.length + atServer.length).toBeLessThanOrEqual(lifeBytes)
      }
    } finally {
      server.close()
    }
  },
)

import { type AddressInfo, createServer, type Server } from 'node:net'
import { Client } from 'mqtt-await'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** Servers and proxies that take a connection and close it at once: each attempt fails then, and waits for no time limit. */

let server: Server
let port: number

beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterAll(() => {
  server.close()
})

test.each(['mqtt', 'mqtts', 'ws', 'wss'])('%s', async (scheme) => {
  // Several times: the close may be heard of before or after the next step was begun.
  for (let count = 0; count < 5; count++) {
    const client = new Client(`${scheme}://127.0.0.1:${port}`, { connectTimeoutMs: 60_000 })
    await expect(client.connect()).rejects.toThrow(`127.0.0.1:${port}`)
    await client.close()
  }
})

test.each(['http', 'socks4', 'socks5'])('a proxy: %s', async (scheme) => {
  for (const target of ['mqtt', 'mqtts', 'ws', 'wss']) {
    const client = new Client(`${target}://broker.test:1`, {
      proxy: `${scheme}://127.0.0.1:${port}`,
      connectTimeoutMs: 60_000,
    })
    await expect(client.connect()).rejects.toThrow()
    await client.close()
  }
})

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { ConnectError } from '../../src/errors.ts'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { openTransport } from '../../src/transport/open.ts'
import { SocketTransport } from '../../src/transport/socket-transport.ts'
import { connectTcp } from '../../src/transport/tcp.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

const servers: Server[] = []
const peers = new Set<Socket>()

afterEach(() => {
  for (const peer of peers) peer.destroy()
  peers.clear()
  for (const server of servers.splice(0)) server.close()
})

/** A server on a free port (or path), and its next connection. */
async function listen(path?: string): Promise<{ url: string; accepted: Promise<Socket>; server: Server }> {
  const server = createServer((socket) => {
    peers.add(socket)
    socket.on('error', () => {})
  })
  servers.push(server)
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const url =
    path === undefined ? `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${path}`
  return { url, server, accepted: once(server, 'connection').then(([socket]) => socket as Socket) }
}

const open = (url: string, handler = new RecordingHandler(), signal = new AbortController().signal) =>
  openTransport(parseEndpoint(url))({ signal, handler })

test('carries bytes both ways and ends in order', async () => {
  const { url, accepted } = await listen()
  const handler = new RecordingHandler()
  const transport = await open(url, handler)
  const peer = await accepted
  const chunks: Buffer[] = []
  peer.on('data', (chunk) => chunks.push(chunk))
  transport.write([Buffer.from('one '), Buffer.from('two '), Buffer.from('three')])
  peer.write('answer')
  await handler.receivedBytes(6)
  expect(handler.text).toBe('answer')
  expect(handler.chunks[0]?.constructor).toBe(Uint8Array)
  transport.end()
  transport.end()
  await once(peer, 'end')
  expect(Buffer.concat(chunks).toString()).toBe('one two three')
  expect(await handler.closed).toBeUndefined()
  transport.write([Buffer.from('late')])
  transport.destroy()
  expect(handler.closes).toBe(1)
})

test('counts what the system has not taken and tells when it has', async () => {
  const { url, accepted } = await listen()
  const handler = new RecordingHandler()
  const transport = await open(url, handler)
  const peer = await accepted
  const block = randomBytes(1 << 20)
  for (let index = 0; index < 32; index++)
    transport.write([block.subarray(0, 1 << 19), block.subarray(1 << 19)])
  expect(transport.bufferedBytes).toBeGreaterThan(1 << 20)
  expect(handler.drains).toBe(0)
  let bytes = 0
  peer.on('data', (chunk) => {
    bytes += chunk.length
  })
  await handler.until(() => handler.drains === 1)
  expect(transport.bufferedBytes).toBe(0)
  transport.end()
  await once(peer, 'end')
  expect(bytes).toBe(32 << 20)
})

test('a paused transport takes no bytes until it is resumed', async () => {
  const { url, accepted } = await listen()
  const handler = new RecordingHandler()
  const transport = await open(url, handler)
  transport.pause()
  const peer = await accepted
  await new Promise<void>((resolve) => peer.write('x', () => resolve()))
  expect(handler.bytes).toBe(0)
  transport.resume()
  await handler.receivedBytes(1)
  transport.destroy()
  expect(await handler.closed).toBeUndefined()
})

/** A process that floods whoever connects: one of our own could not write while we work. Gives its port. */
async function startFlood(): Promise<{ readonly port: string; stop(): void }> {
  const script = `require('net').createServer((socket) => {
    const flood = () => { while (socket.write(Buffer.alloc(1 << 20))); }
    socket.on('drain', flood).on('error', () => {})
    flood()
  }).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { port: String(port).trim(), stop: () => child.kill() }
}

test('a flood that takes long to work through lets the event loop turn', async () => {
  const flood = await startFlood()
  const handler = new RecordingHandler()
  let inTurn = 0
  let most = 0
  let isTurning = true
  let isSlow = false
  const turn = (): void => {
    inTurn = 0
    if (isTurning) setImmediate(turn)
  }
  turn()
  handler.onBytes = (chunk) => {
    handler.bytes += chunk.length
    if (!isSlow) return
    most = Math.max(most, ++inTurn)
    const start = performance.now()
    while (performance.now() - start < 2);
  }
  const transport = await open(`mqtt://127.0.0.1:${flood.port}`, handler)
  // Only for a fast reader the system buffers so much that it lasts for a long turn.
  await new Promise((resolve) => setTimeout(resolve, 500))
  isSlow = true
  await new Promise((resolve) => setTimeout(resolve, 200))
  isTurning = false
  flood.stop()
  transport.destroy()
  await handler.closed
  expect(handler.bytes).toBeGreaterThan(1 << 20)
  // Without rests it is 32.
  expect(most).toBeLessThan(8)
})

test('a pause holds over the rests of a flood', async () => {
  const flood = await startFlood()
  const handler = new RecordingHandler()
  const transport = await open(`mqtt://127.0.0.1:${flood.port}`, handler)
  handler.onBytes = (chunk) => {
    handler.bytes += chunk.length
    const start = performance.now()
    while (performance.now() - start < 8);
    // In the same turn in which it rests.
    transport.pause()
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  const { bytes } = handler
  expect(bytes).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(handler.bytes).toBe(bytes)
  transport.resume()
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(handler.bytes).toBeGreaterThan(bytes)
  flood.stop()
  transport.destroy()
  await handler.closed
})

test('what still comes after end() is read to its end, also when it was paused and takes long to work through', async () => {
  const { url, accepted } = await listen()
  const handler = new RecordingHandler()
  const transport = await open(url, handler)
  const peer = await accepted
  const total = 1 << 18
  handler.onBytes = (chunk) => {
    handler.bytes += chunk.length
    const start = performance.now()
    while (performance.now() - start < 6);
  }
  transport.pause()
  peer.write(randomBytes(total))
  transport.end()
  expect(await handler.closed).toBeUndefined()
  expect(handler.bytes).toBe(total)
})

test('what has arrived before the transport has begun is not lost when it is paused and resumed meanwhile', async () => {
  const { url, accepted } = await listen()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const peer = await accepted
  peer.write('here before you')
  // From a timer: what has arrived is read before the phase in which the transport begins.
  await delay(50)
  const handler = new RecordingHandler()
  const transport = new SocketTransport(socket, url, handler)
  transport.pause()
  transport.resume()
  await handler.receivedBytes(15)
  expect(handler.text).toBe('here before you')
  transport.destroy()
})

test('why a socket failed is known also when it was told by the event alone, before the transport was there', async () => {
  const { url } = await listen()
  const socket = await connectTcp(parseEndpoint(url), {}, new AbortController().signal)
  const failure = new Error('it wants a certificate')
  // As Deno does it.
  socket.emit('error', failure)
  expect(socket.errored).toBeNull()
  const handler = new RecordingHandler()
  new SocketTransport(socket, url, handler)
  socket.destroy()
  expect(await handler.closed).toBe(failure)
})

test('nothing is told before open has resolved, even when the server speaks and ends at once', async () => {
  const { url, server } = await listen()
  server.on('connection', (socket) => socket.end('hello'))
  const handler = new RecordingHandler()
  await open(url, handler)
  expect(handler.bytes + handler.closes).toBe(0)
  expect(await handler.closed).toBeUndefined()
  expect(handler.text).toBe('hello')
})

test('a reset is the cause of the close', async () => {
  const { url, accepted } = await listen()
  const handler = new RecordingHandler()
  await open(url, handler)
  ;(await accepted).resetAndDestroy()
  expect(await handler.closed).toMatchObject({ code: 'ECONNRESET' })
})

test('end() is bounded when the peer neither reads nor ends', async () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => peers.add(socket))
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const handler = new RecordingHandler()
  const transport = await open(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, handler)
  for (let index = 0; index < 16; index++) transport.write([randomBytes(1 << 20)])
  const start = performance.now()
  transport.end()
  expect(await handler.closed).toBeUndefined()
  expect(performance.now() - start).toBeLessThan(4_000)
})

test('a port where nobody listens is one clear error with the network error as its cause', async () => {
  const { url, server } = await listen()
  await new Promise((resolve) => server.close(resolve))
  const attempt = open(url.replace('mqtt://', 'mqtt://user:s3cret@'))
  await expect(attempt).rejects.toThrow(ConnectError)
  await expect(attempt).rejects.toThrow(/mqtt:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/)
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_MQTT_CONNECT', cause: { code: 'ECONNREFUSED' } })
  await expect(attempt).rejects.not.toThrow(/s3cret/)
})

test('a name that does not exist names itself', async () => {
  await expect(open('mqtt://no-such-host.invalid')).rejects.toThrow(/no-such-host\.invalid/)
})

test('aborting before, during DNS and during TCP rejects with the reason', async () => {
  const reason = new Error('enough')
  await expect(open('mqtt://127.0.0.1:1', undefined, AbortSignal.abort(reason))).rejects.toBe(reason)

  const dns = new AbortController()
  const waiting = openTransport(parseEndpoint('mqtt://example.test'), {
    // A resolver that never answers.
    socket: { lookup: () => dns.abort(reason) },
  })({ signal: dns.signal, handler: new RecordingHandler() })
  await expect(waiting).rejects.toBe(reason)

  // 192.0.2.0/24 is set aside for documentation: packets to it are dropped or refused, never answered.
  const tcp = new AbortController()
  const connecting = open('mqtt://192.0.2.1:1883', undefined, tcp.signal)
  setImmediate(() => tcp.abort(reason))
  await expect(connecting).rejects.toSatisfy((error) => error === reason || error instanceof ConnectError)
})

test('Unix sockets', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'transport-'))
  try {
    const { url, accepted } = await listen(join(directory, 'broker.sock'))
    const handler = new RecordingHandler()
    const transport = await open(url, handler)
    const peer = await accepted
    transport.write([Buffer.from('ping')])
    const [data] = await once(peer, 'data')
    expect(String(data)).toBe('ping')
    peer.end('pong')
    expect(await handler.closed).toBeUndefined()
    expect(handler.text).toBe('pong')
    await expect(open(`unix:${directory}/none`)).rejects.toMatchObject({ cause: { code: 'ENOENT' } })
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a path that is too long for a Unix socket is refused, instead of leading to whatever its beginning names', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'transport-'))
  try {
    const longest = join(directory, 'x'.repeat(107 - directory.length - 1))
    await listen(longest)
    await expect(open(`unix:${longest}.more`)).rejects.toMatchObject({ code: 'ERR_MQTT_OPTIONS' })
    const handler = new RecordingHandler()
    const transport = await open(`unix:${longest}`, handler)
    transport.destroy()
    await handler.closed
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('bytes are sent at once (TCP_NODELAY) unless the options say otherwise', async () => {
  const { url } = await listen()
  for (const noDelay of [undefined, true, false]) {
    const handler = new RecordingHandler()
    const socket = noDelay === undefined ? {} : { noDelay }
    const transport = await openTransport(parseEndpoint(url), { socket })({
      signal: new AbortController().signal,
      handler,
    })
    const symbol = Object.getOwnPropertySymbols(transport.socket).find(
      ({ description }) => description === 'kSetNoDelay',
    ) as never
    expect(Boolean(transport.socket?.[symbol])).toBe(noDelay ?? true)
    transport.destroy()
    await handler.closed
  }
})

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import { ConnectError, OptionsError, ProtocolError } from '../../src/errors.ts'
import { checkOption, objectOf } from '../../src/option-rules.ts'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { openTransport } from '../../src/transport/open.ts'
import {
  transportRules as browserRules,
  openTransport as openBrowserTransport,
} from '../../src/transport/open-browser.ts'
import type { TransportOptions, WebSocketConstructor } from '../../src/transport/settings.ts'
import { certificates } from '../support/certificates.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) server.close()
})

interface Listening {
  readonly url: string
  readonly server: Server
  readonly accepted: Promise<{
    peer: WebSocket
    headers: NodeJS.Dict<string | string[]>
    path: string | undefined
  }>
}

async function listen(options: ServerOptions = {}, secure = false): Promise<Listening> {
  const { cert, key } = secure ? certificates().server : { cert: '', key: '' }
  const server: Server = secure ? (createSecureServer({ cert, key }) as unknown as Server) : createServer()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  servers.push(server)
  const webSockets = new WebSocketServer({ server, ...options })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(webSockets, 'connection').then(([peer, request]) => {
    peer.on('error', () => {})
    return { peer, headers: request.headers, path: request.url }
  })
  return {
    url: `${secure ? 'wss' : 'ws'}://localhost:${(server.address() as AddressInfo).port}`,
    server,
    accepted,
  }
}

type Open = typeof openTransport

const ways: [string, Open, TransportOptions][] = [
  ['ws over our own sockets', openTransport, {}],
  [
    'a constructor with the face of the browser',
    openBrowserTransport,
    { websocket: { implementation: WebSocket as unknown as WebSocketConstructor } },
  ],
]

describe.each(ways)('%s', (_name, openAny, base) => {
  const open = (
    url: string,
    handler = new RecordingHandler(),
    options: TransportOptions = {},
    signal = new AbortController().signal,
  ) =>
    openAny(parseEndpoint(url), {
      ...base,
      ...options,
      websocket: { ...base.websocket, ...options.websocket },
    })({
      signal,
      handler,
    })

  test('offers the subprotocol, sends headers, path and query, carries bytes in binary messages', async () => {
    const { url, accepted } = await listen()
    const handler = new RecordingHandler()
    const transport = await open(`${url.replace('ws://', 'ws://user:s3cret@')}/mqtt?token=1`, handler, {
      websocket: { headers: { 'x-token': 'abc' } },
    })
    const { peer, headers, path } = await accepted
    expect(headers['sec-websocket-protocol']).toBe('mqtt')
    expect(headers['x-token']).toBe('abc')
    expect(headers['authorization']).toBeUndefined()
    // Compression is a decision of the constructor that was passed.
    if (base.websocket === undefined) expect(headers['sec-websocket-extensions']).toBeUndefined()
    expect(path).toBe('/mqtt?token=1')
    const received: Buffer[] = []
    peer.on('message', (data, isBinary) => {
      expect(isBinary).toBe(true)
      received.push(data as Buffer)
    })
    transport.write([Buffer.from('one '), Buffer.from('two')])
    peer.send(Buffer.from('a'))
    peer.send(Buffer.from('bc'))
    peer.send(Buffer.alloc(0))
    await handler.receivedBytes(3)
    expect(handler.text).toBe('abc')
    expect(handler.chunks.every((chunk) => chunk.constructor === Uint8Array)).toBe(true)
    transport.end()
    expect(await handler.closed).toBeUndefined()
    expect(Buffer.concat(received).toString()).toBe('one two')
    transport.write([Buffer.from('late')])
    transport.destroy()
    expect(handler.closes).toBe(1)
  })

  test('MQTT 3.1 has a subprotocol of its own; others can be given', async () => {
    const first = await listen()
    ;(await open(first.url, undefined, { protocolVersion: 3 })).destroy()
    expect((await first.accepted).headers['sec-websocket-protocol']).toBe('mqttv3.1')
    const second = await listen()
    ;(await open(second.url, undefined, { websocket: { protocols: ['a', 'b'] } })).destroy()
    expect((await second.accepted).headers['sec-websocket-protocol']).toBe('a,b')
  })

  test('a text message ends the connection [MQTT-6.0.0-1]', async () => {
    const { url, accepted } = await listen()
    const handler = new RecordingHandler()
    await open(url, handler)
    const { peer } = await accepted
    peer.send('text')
    const cause = await handler.closed
    expect(cause).toBeInstanceOf(ProtocolError)
    expect(cause).toMatchObject({ statement: 'MQTT-6.0.0-1' })
    expect(handler.bytes).toBe(0)
  })

  test('nothing is told before open has resolved, even when the server speaks and closes at once', async () => {
    const { url, accepted } = await listen()
    accepted.then(({ peer }) => {
      peer.send(Buffer.from('hello'))
      peer.close(1000)
    })
    const handler = new RecordingHandler()
    await open(url, handler)
    expect(handler.bytes + handler.closes).toBe(0)
    expect(await handler.closed).toBeUndefined()
    expect(handler.text).toBe('hello')
  })

  test('a cut and a close with an error code are causes', async () => {
    const cut = await listen()
    const first = new RecordingHandler()
    await open(cut.url, first)
    ;(await cut.accepted).peer.terminate()
    expect(await first.closed).toBeInstanceOf(Error)
    const closed = await listen()
    const second = new RecordingHandler()
    await open(closed.url, second)
    ;(await closed.accepted).peer.close(1011, 'broken')
    expect(await second.closed).toMatchObject({ message: expect.stringMatching(/1011: broken/) })
  })

  test('bytes that are no WebSocket frames end in a cause', async () => {
    const { url, accepted } = await listen()
    const handler = new RecordingHandler()
    await open(url, handler)
    await accepted
    for (const socket of sockets) socket.write(Buffer.from('ffffffffffffffff', 'hex'))
    expect(await handler.closed).toBeInstanceOf(Error)
  })

  test('a server that does not upgrade, and one that is not there, are one clear error each', async () => {
    const server = createServer((_request, response) => response.writeHead(401).end())
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const refused = open(`ws://user:s3cret@localhost:${port}/mqtt?s3cret`)
    await expect(refused).rejects.toThrow(ConnectError)
    await expect(refused).rejects.toThrow(/401/)
    await expect(refused).rejects.not.toThrow(/s3cret/)
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
    await expect(open(`ws://localhost:${port}`)).rejects.toThrow(/ECONNREFUSED/)
    await expect(open(`ws://localhost:${port}`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })

  test('a server that selects no subprotocol is refused [MQTT-6.0.0-4]', async () => {
    const { url } = await listen({ handleProtocols: () => false })
    await expect(open(url)).rejects.toThrow(/subprotocol/)
  })

  test('aborting during the handshake rejects with the reason and closes the socket', async () => {
    const server = createServer()
    const upgrading = once(server, 'upgrade')
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const controller = new AbortController()
    const reason = new Error('enough')
    const attempt = open(
      `ws://localhost:${(server.address() as AddressInfo).port}`,
      undefined,
      {},
      controller.signal,
    )
    const [, socket] = await upgrading
    socket.on('error', () => {})
    controller.abort(reason)
    await expect(attempt).rejects.toBe(reason)
    const ended = once(socket, 'end')
    socket.resume()
    await ended
    socket.destroy()
  })

  test('pause holds bytes back, resume gives them in order', async () => {
    const { url, accepted } = await listen()
    const handler = new RecordingHandler()
    const transport = await open(url, handler)
    transport.pause()
    const { peer } = await accepted
    for (let index = 0; index < 100; index++) peer.send(Buffer.from([index]))
    const pong = once(peer, 'pong')
    if (base.websocket !== undefined) {
      // Only a WebSocket that is not stopped itself answers.
      peer.ping()
      await pong
    } else pong.catch(() => {})
    expect(handler.bytes).toBe(0)
    transport.resume()
    await handler.receivedBytes(100)
    expect([...handler.received]).toEqual(Array.from({ length: 100 }, (_, index) => index))
    transport.destroy()
    expect(await handler.closed).toBeUndefined()
  })

  test('counts what is not sent and tells when it is', async () => {
    const { url, accepted } = await listen()
    const handler = new RecordingHandler()
    const transport = await open(url, handler)
    const { peer } = await accepted
    let bytes = 0
    peer.on('message', (data) => {
      bytes += (data as Buffer).length
    })
    peer.pause()
    const block = randomBytes(1 << 20)
    const copy = Buffer.from(block)
    for (let index = 0; index < 32; index++) transport.write([block])
    expect(transport.bufferedBytes).toBeGreaterThan(1 << 20)
    peer.resume()
    await handler.until(() => handler.drains > 0)
    expect(transport.bufferedBytes).toBe(0)
    transport.end()
    await once(peer, 'close')
    expect(bytes).toBe(32 << 20)
    // Masking must not be done in memory that may still be referenced.
    expect(block.equals(copy)).toBe(true)
    await handler.closed
  })
})

test('WSS with the test authority, and refused without it', async () => {
  const { url, accepted } = await listen({}, true)
  await expect(
    openTransport(parseEndpoint(url))({
      signal: new AbortController().signal,
      handler: new RecordingHandler(),
    }),
  ).rejects.toThrow(/tls\.ca/)
  const handler = new RecordingHandler()
  const transport = await openTransport(parseEndpoint(url), { tls: { ca: certificates().ca } })({
    signal: new AbortController().signal,
    handler,
  })
  const { peer, headers } = await accepted
  expect(headers['host']).toBe(url.replace('wss://', ''))
  peer.on('message', (data) => peer.send(data))
  transport.write([Buffer.from('hello')])
  await handler.receivedBytes(5)
  transport.end()
  expect(await handler.closed).toBeUndefined()
})

test('browsers have WebSockets only, without headers', async () => {
  const context = { signal: new AbortController().signal, handler: new RecordingHandler() }
  await expect(openBrowserTransport(parseEndpoint('mqtt://h'))(context)).rejects.toThrow(OptionsError)
  const endpoint = parseEndpoint('ws://h')
  await expect(
    openBrowserTransport(endpoint, { websocket: { headers: { a: 'b' } } })(context),
  ).rejects.toThrow(/headers/)
  for (const options of [{ tls: {} }, { proxy: 'http://h' }, { socket: {} }]) {
    expect(() => checkOption(objectOf(browserRules), options, '')).toThrow(/that is the browser's business/)
  }
})

test('headers and subprotocols that HTTP does not allow are an OptionsError, and leave no socket behind', async () => {
  const { url, server } = await listen()
  for (const websocket of [
    { headers: { 'x-token': 's3cret\nline' } },
    { headers: { 'x token': 's3cret' } },
    { protocols: 'not one' },
  ]) {
    const accepted = once(server, 'connection')
    const attempt = openTransport(parseEndpoint(url), { websocket })({
      signal: new AbortController().signal,
      handler: new RecordingHandler(),
    })
    await expect(attempt).rejects.toThrow(OptionsError)
    await expect(attempt).rejects.not.toThrow(/s3cret/)
    const [socket] = (await accepted) as [Socket]
    if (!socket.destroyed) await once(socket, 'close')
  }
})

test('an answer that is no upgrade says what may be wrong', async () => {
  const server = createServer((_request, response) => response.writeHead(404).end())
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `ws://localhost:${(server.address() as AddressInfo).port}/wrong`
  const open = (): Promise<unknown> =>
    openTransport(parseEndpoint(url))({
      signal: new AbortController().signal,
      handler: new RecordingHandler(),
    })
  await expect(open()).rejects.toThrow(/404; is the path of the URL right/)
})

test('a constructor that connects by itself is not used past the proxy that was asked for', async () => {
  const implementation = WebSocket as unknown as WebSocketConstructor
  const open = (url: string, options: TransportOptions): Promise<unknown> =>
    openTransport(parseEndpoint(url), { ...options, websocket: { implementation } })({
      signal: new AbortController().signal,
      handler: new RecordingHandler(),
    })
  const { url } = await listen()
  await expect(open(url, { proxy: 'http://127.0.0.1:1' })).rejects.toMatchObject({ path: 'proxy' })
  await expect(open('wss://localhost:1', { tls: {} })).rejects.toMatchObject({ path: 'tls' })
})

import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { ConnectError, OptionsError } from '../../src/errors.ts'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { openTransport } from '../../src/transport/open.ts'
import type { TransportOptions } from '../../src/transport/settings.ts'
import { certificates } from '../support/certificates.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

const servers: { close(): void }[] = []
const sockets = new Set<Socket>()

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) server.close()
})

async function listening(server: Server | HttpServer): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const echoServer = (): Promise<number> => listening(createServer((socket) => socket.pipe(socket)))

interface HttpProxy {
  readonly port: number
  /** `host:port authorization` of each request. */
  readonly requests: string[]
}

/** An HTTP proxy that answers CONNECT; with `secret`, only to whom it is shown. */
async function httpProxy({
  secure = false,
  secret = undefined as string | undefined,
} = {}): Promise<HttpProxy> {
  const { cert, key } = secure ? certificates().server : { cert: '', key: '' }
  const server = secure ? (createHttpsServer({ cert, key }) as unknown as HttpServer) : createHttpServer()
  const requests: string[] = []
  server.on('connect', (request, socket) => {
    const authorization = request.headers['proxy-authorization']
    requests.push(`${request.url} ${authorization ?? ''}`.trim())
    if (secret !== undefined && authorization !== `Basic ${Buffer.from(secret).toString('base64')}`) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    const [host, port] = String(request.url).split(':')
    const target = connect(Number(port), host)
    sockets.add(target)
    target.on('error', () => socket.destroy())
    socket.on('error', () => target.destroy())
    target.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
  })
  return { port: await listening(server), requests }
}

/** A SOCKS 4, 4a and 5 proxy, just large enough; keeps `version host:port user:password`. RFC 1928, 1929 */
async function socksProxy(users: readonly string[] = []): Promise<HttpProxy> {
  const requests: string[] = []
  const tunnel = (socket: Socket, host: string, port: number, ok: Buffer, failed: Buffer): void => {
    const target = connect(port, host)
    sockets.add(target)
    target.once('error', () => socket.end(failed))
    target.once('connect', () => {
      socket.write(ok)
      target.pipe(socket).pipe(target)
    })
  }
  const server = createServer(async (socket) => {
    const read = async (): Promise<Buffer> => (await once(socket, 'data'))[0] as Buffer
    const first = await read()
    if (first[0] === 4) {
      const userEnd = first.indexOf(0, 8)
      const isName = first[4] === 0 && first[5] === 0 && first[6] === 0
      const host = isName
        ? first.toString('latin1', userEnd + 1, first.indexOf(0, userEnd + 1))
        : first.subarray(4, 8).join('.')
      requests.push(`4 ${host} ${first.toString('latin1', 8, userEnd)}`)
      tunnel(
        socket,
        host,
        first.readUInt16BE(2),
        Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]),
        Buffer.from([0, 91, 0, 0, 0, 0, 0, 0]),
      )
      return
    }
    let user = ''
    if (users.length > 0) {
      socket.write(Buffer.from([5, 2]))
      const given = await read()
      const nameLength = given[1] ?? 0
      user = `${given.toString('latin1', 2, 2 + nameLength)}:${given.toString('latin1', 3 + nameLength)}`
      const known = users.includes(user)
      socket.write(Buffer.from([1, known ? 0 : 1]))
      if (!known) {
        socket.end()
        return
      }
    } else socket.write(Buffer.from([5, 0]))
    const request = await read()
    const isName = request[3] === 3
    const host = isName
      ? request.toString('latin1', 5, 5 + (request[4] ?? 0))
      : request.subarray(4, 8).join('.')
    const port = request.readUInt16BE(request.length - 2)
    requests.push(`5 ${host} ${user}`.trim())
    tunnel(
      socket,
      host,
      port,
      Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
    )
  })
  return { port: await listening(server), requests }
}

const open = (
  url: string,
  options: TransportOptions,
  handler = new RecordingHandler(),
  signal = new AbortController().signal,
) => openTransport(parseEndpoint(url), options)({ signal, handler })

async function echo(url: string, options: TransportOptions): Promise<void> {
  const handler = new RecordingHandler()
  const transport = await open(url, options, handler)
  transport.write([Buffer.from('he'), Buffer.from('llo')])
  await handler.receivedBytes(5)
  expect(handler.text).toBe('hello')
  transport.end()
  expect(await handler.closed).toBeUndefined()
}

test('HTTP CONNECT, the name resolved by the proxy', async () => {
  const target = await echoServer()
  const proxy = await httpProxy()
  await echo(`mqtt://localhost:${target}`, { proxy: `http://127.0.0.1:${proxy.port}` })
  expect(proxy.requests).toEqual([`localhost:${target}`])
})

test('HTTP CONNECT with user and password, and the refusal without', async () => {
  const target = await echoServer()
  const proxy = await httpProxy({ secret: 'user:p@ss' })
  await echo(`mqtt://localhost:${target}`, { proxy: new URL(`http://user:p%40ss@127.0.0.1:${proxy.port}`) })
  const refused = open(`mqtt://localhost:${target}`, { proxy: `http://user:wrong@127.0.0.1:${proxy.port}` })
  await expect(refused).rejects.toThrow(ConnectError)
  await expect(refused).rejects.toThrow(/407/)
  await expect(refused).rejects.not.toThrow(/wrong/)
})

test('TLS to the proxy, TLS within the tunnel, WebSocket within that', async () => {
  const { ca, server } = certificates()
  const tls = { ca }
  const inner = createTlsServer({ cert: server.cert, key: server.key }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  const target = await listening(inner)
  const secure = await httpProxy({ secure: true })
  await echo(`mqtts://localhost:${target}`, { tls, proxy: `https://localhost:${secure.port}` })
  const plain = await httpProxy()
  await echo(`mqtts://localhost:${target}`, { tls, proxy: `http://127.0.0.1:${plain.port}` })
  const web = createHttpsServer({ cert: server.cert, key: server.key })
  new WebSocketServer({ server: web }).on('connection', (peer) =>
    peer.on('message', (data) => peer.send(data)),
  )
  const webPort = await listening(web as unknown as HttpServer)
  await echo(`wss://localhost:${webPort}/mqtt`, { tls, proxy: `https://localhost:${secure.port}` })
})

test('a TLS proxy that is not trusted is refused', async () => {
  const proxy = await httpProxy({ secure: true })
  await expect(open('mqtt://localhost:1', { proxy: `https://localhost:${proxy.port}` })).rejects.toThrow(
    /tls\.ca/,
  )
})

test('SOCKS 5 with and without a user, SOCKS 4 with a name', async () => {
  const target = await echoServer()
  const free = await socksProxy()
  await echo(`mqtt://localhost:${target}`, { proxy: `socks5://127.0.0.1:${free.port}` })
  await echo(`mqtt://127.0.0.1:${target}`, { proxy: `socks4://me@127.0.0.1:${free.port}` })
  await echo(`mqtt://localhost:${target}`, { proxy: `socks4a://127.0.0.1:${free.port}` })
  expect(free.requests).toEqual(['5 localhost', '4 127.0.0.1 me', '4 localhost '])
  const closed = await socksProxy(['user:secret'])
  await echo(`mqtt://localhost:${target}`, { proxy: `socks5://user:secret@127.0.0.1:${closed.port}` })
  expect(closed.requests).toEqual(['5 localhost user:secret'])
  const refused = open(`mqtt://localhost:${target}`, {
    proxy: `socks5://user:wr0ng@127.0.0.1:${closed.port}`,
  })
  await expect(refused).rejects.toThrow(ConnectError)
  const error = await refused.catch((caught: unknown) => caught)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('wr0ng')
})

test('a proxy that is not there, and one that can not reach the server, say which it was', async () => {
  const closed = createServer()
  const port = await listening(closed)
  await new Promise((resolve) => closed.close(resolve))
  await expect(open('mqtt://localhost:1', { proxy: `http://127.0.0.1:${port}` })).rejects.toThrow(
    /proxy.*ECONNREFUSED/,
  )
  const socks = await socksProxy()
  await expect(
    open(`mqtt://127.0.0.1:${port}`, { proxy: `socks5://127.0.0.1:${socks.port}` }),
  ).rejects.toThrow(/proxy/)
  const http = await httpProxy()
  await expect(open(`mqtt://127.0.0.1:${port}`, { proxy: `http://127.0.0.1:${http.port}` })).rejects.toThrow(
    ConnectError,
  )
})

test('a wrong proxy URL is an OptionsError without its secrets', async () => {
  for (const proxy of ['ftp://user:s3cret@h', 'http://user:s3cret@', 'http://user:a/s3cret@h', 'nonsense']) {
    const attempt = open('mqtt://localhost:1', { proxy })
    await expect(attempt).rejects.toThrow(OptionsError)
    await expect(attempt).rejects.not.toThrow(/s3cret/)
  }
})

test('aborting while the proxy is silent rejects with the reason and closes the socket', async () => {
  for (const scheme of ['http', 'https', 'socks5']) {
    const silent = createServer()
    const port = await listening(silent)
    const accepted = once(silent, 'connection')
    const controller = new AbortController()
    const reason = new Error('enough')
    const proxy = `${scheme}://localhost:${port}`
    const attempt = open('mqtt://localhost:1', { proxy }, undefined, controller.signal)
    const [socket] = await accepted
    await once(socket, 'data')
    controller.abort(reason)
    await expect(attempt).rejects.toBe(reason)
    if (!(socket as Socket).closed) await once(socket, 'close')
  }
})

test('whatever a proxy does wrong is told as the fault of the proxy', async () => {
  const faults: [string, (socket: Socket) => void][] = [
    ['http', (socket) => socket.end()],
    ['http', (socket) => socket.resetAndDestroy()],
    ['http', (socket) => socket.write('SSH-2.0-OpenSSH\r\n')],
    ['http', (socket) => socket.end('HTTP/1.1 20')],
    ['https', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['socks5', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ]
  for (const [scheme, fault] of faults) {
    const port = await listening(createServer((socket) => socket.once('data', () => fault(socket))))
    const attempt = open('mqtt://broker.test:1883', { proxy: `${scheme}://user:s3cret@localhost:${port}` })
    await expect(attempt).rejects.toThrow(ConnectError)
    await expect(attempt).rejects.toThrow(`${scheme}://localhost:${port}`)
    await expect(attempt).rejects.not.toThrow(/s3cret/)
  }
})

test('what is too long for SOCKS is an OptionsError', async () => {
  const { port } = await socksProxy(['a:b'])
  for (const [url, credentials] of [
    ['mqtt://broker.test', `${'x'.repeat(256)}:s3cret`],
    ['mqtt://broker.test', `user:${'s3cret'.repeat(50)}`],
    [`mqtt://${'x'.repeat(256)}`, 'user:s3cret'],
  ] as const) {
    const attempt = open(url, { proxy: `socks5://${credentials}@127.0.0.1:${port}` })
    await expect(attempt).rejects.toThrow(OptionsError)
    await expect(attempt).rejects.not.toThrow(/s3cret/)
  }
})

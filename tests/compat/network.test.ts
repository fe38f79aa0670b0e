import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createSecureContext } from 'node:tls'
import {
  CallbackAPIVersion,
  Client,
  MQTTException,
  publish,
  socks,
  ssl,
  subscribe,
  ValueError,
  WebsocketConnectionError,
} from 'mqtt-await/compat'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeMosquitto, Mosquitto, startAedes } from '../support/brokers.ts'
import { certificates } from '../support/certificates.ts'
import { NameServer } from './name-server.ts'
import { ScriptedPeer } from './scripted-peer.ts'

const V2 = CallbackAPIVersion.VERSION2

/** Connects, waits for CONNACK, and disconnects. Resolves with the reason. */
async function handshake(client: Client, host: string, port: number): Promise<string> {
  const reasons: string[] = []
  client.on_connect = (_client, _userdata, _flags, reason) => {
    reasons.push(String(reason))
    client.disconnect()
  }
  await client.connect(host, port)
  await client.loop_forever()
  return reasons.join()
}

describeMosquitto('TLS, WebSocket and Unix sockets', () => {
  let broker: Mosquitto

  beforeAll(async () => {
    broker = await Mosquitto.start({ listeners: ['tcp', 'tls', 'ws', 'wss', 'unix'] })
  })

  afterAll(async () => {
    await broker.dispose()
  })

  test('tls_set() with the authority', async () => {
    const client = new Client(V2)
    client.tls_set(certificates().caFile)
    expect(await handshake(client, 'localhost', broker.port('tls'))).toBe('Success')
  })

  test('tls_set() without it: the broker is not trusted', async () => {
    const client = new Client(V2)
    client.tls_set()
    await expect(client.connect('localhost', broker.port('tls'))).rejects.toMatchObject({
      code: expect.stringMatching(/UNABLE_TO|SELF_SIGNED/),
    })
  })

  test('CERT_NONE trusts anybody', async () => {
    const client = new Client(V2)
    client.tls_set({ cert_reqs: ssl.CERT_NONE, tls_version: ssl.PROTOCOL_TLSv1_2 })
    expect(await handshake(client, 'localhost', broker.port('tls'))).toBe('Success')
  })

  test('tls_set_context() with a context, and with options', async () => {
    const { ca } = certificates()
    for (const context of [createSecureContext({ ca }), { ca }]) {
      const client = new Client(V2)
      client.tls_set_context(context)
      expect(await handshake(client, 'localhost', broker.port('tls'))).toBe('Success')
    }
  })

  test('tls_insecure_set() leaves the host name unchecked, and nothing else', async () => {
    // The certificate is for localhost and its addresses: any other server name is wrong.
    const { ca, caFile } = certificates()
    const named = new Client(V2)
    named.tls_set_context({ ca, servername: 'other.test' })
    await expect(named.connect('localhost', broker.port('tls'))).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    named.tls_insecure_set(true)
    expect(await handshake(named, 'localhost', broker.port('tls'))).toBe('Success')
    const untrusting = new Client(V2)
    untrusting.tls_set()
    untrusting.tls_insecure_set(true)
    await expect(untrusting.connect('localhost', broker.port('tls'))).rejects.toMatchObject({
      code: expect.stringMatching(/UNABLE_TO|SELF_SIGNED/),
    })
    const trusting = new Client(V2)
    trusting.tls_set(caFile)
    trusting.tls_insecure_set(true)
    trusting.tls_insecure_set(false)
    expect(await handshake(trusting, 'localhost', broker.port('tls'))).toBe('Success')
  })

  test('the stream of a WebSocket carries MQTT', async () => {
    const client = new Client(V2, { transport: 'websockets' })
    await client.connect('localhost', broker.port('ws'))
    const stream = client.socket()?.stream
    const connack = await new Promise<Buffer>((resolve) => {
      stream?.once('data', resolve)
    })
    expect(connack.toString('hex')).toBe('20020000')
    const pong = new Promise<Buffer>((resolve) => {
      stream?.once('data', resolve)
    })
    stream?.write(Buffer.of(0xc0, 0))
    expect((await pong).toString('hex')).toBe('d000')
    client.disconnect()
  })

  test('files are read in the call, and TLS is configured once', () => {
    const client = new Client(V2)
    expect(() => client.tls_insecure_set(true)).toThrow(ValueError)
    expect(() => client.tls_set('/no/such/file')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    const { client: own, server } = certificates()
    expect(() => client.tls_set({ certfile: own.certFile, keyfile: server.keyFile })).toThrow()
    // Of another kind: Node itself would show no certificate, and say nothing.
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const keyfile = join(mkdtempSync(join(tmpdir(), 'other-key-')), 'rsa.key')
    writeFileSync(keyfile, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    expect(() => client.tls_set({ certfile: own.certFile, keyfile })).toThrow(/private key/)
    rmSync(dirname(keyfile), { recursive: true })
    expect(() =>
      client.tls_set({ certfile: own.certFile, keyfile: own.keyFile, keyfile_password: 'wrong' }),
    ).toThrow()
    client.tls_set({ certfile: own.certFile, keyfile: own.keyFile, keyfile_password: own.passphrase })
    expect(() => client.tls_set()).toThrow(ValueError)
    expect(() => client.tls_set_context()).toThrow(ValueError)
  })

  test.each(['ws', 'wss'] as const)('%s', async (kind) => {
    const client = new Client(V2, { transport: 'websockets' })
    client.ws_set_options('/mqtt', { 'X-Mine': '1' })
    if (kind === 'wss') client.tls_set(certificates().caFile)
    expect(await handshake(client, 'localhost', broker.port(kind))).toBe('Success')
  })

  test('a Unix socket', async () => {
    const client = new Client(V2, { transport: 'unix' })
    expect(await handshake(client, broker.url('unix').slice('unix:'.length), 1)).toBe('Success')
  })

  test('an HTTP proxy, from proxy_set() and from the environment', async () => {
    const asked: string[] = []
    const proxy = createHttpServer()
    proxy.on('connect', (request, socket) => {
      asked.push(request.url ?? '')
      const out = connectTcp(broker.port('tcp'), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        out.pipe(socket)
        socket.pipe(out)
      })
      for (const one of [out, socket]) one.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const client = new Client(V2)
    client.proxy_set({ proxy_type: socks.HTTP, proxy_addr: '127.0.0.1', proxy_port: port })
    expect(await handshake(client, 'broker.test', 1883)).toBe('Success')
    process.env['mqtt_proxy'] = `http://127.0.0.1:${port}`
    try {
      expect(await handshake(new Client(V2), 'other.test', 1884)).toBe('Success')
    } finally {
      delete process.env['mqtt_proxy']
    }
    expect(asked).toEqual(['broker.test:1883', 'other.test:1884'])
    proxy.closeAllConnections()
    proxy.close()
  })

  test.each([
    [socks.SOCKS4, 4],
    [socks.SOCKS5, 5],
  ])('a SOCKS proxy of type %d', async (proxy_type, version) => {
    const seen: number[] = []
    const proxy = createServer((socket) => {
      socket.on('error', () => undefined)
      const tunnel = (answer: number[]): void => {
        const out = connectTcp(broker.port('tcp'), '127.0.0.1', () => {
          socket.write(Uint8Array.from(answer))
          out.pipe(socket)
          socket.pipe(out)
        })
        out.on('error', () => undefined)
      }
      socket.once('data', (hello) => {
        seen.push(hello[0] as number)
        if (version === 4) {
          tunnel([0, 90, 0, 0, 0, 0, 0, 0])
          return
        }
        socket.write(Uint8Array.of(5, 0))
        socket.once('data', () => tunnel([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
      })
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const client = new Client(V2)
    const proxy_port = (proxy.address() as AddressInfo).port
    client.proxy_set({ proxy_type, proxy_addr: '127.0.0.1', proxy_port })
    expect(await handshake(client, 'broker.test', 1883)).toBe('Success')
    expect(seen).toEqual([version])
    proxy.close()
  })
})

describe('WebSocket handshakes', () => {
  test('headers: a function gets the default ones and returns those to send', async () => {
    let headers: IncomingHttpHeaders = {}
    let path: string | undefined
    const server = createHttpServer((request, response) => {
      headers = request.headers
      path = request.url
      response.writeHead(404).end()
    })
    server.on('upgrade', (request, socket) => {
      headers = request.headers
      path = request.url
      socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = new Client(V2, { transport: 'websockets' })
    client.ws_set_options('/some/path?q=1', (standard) => {
      expect(Object.keys(standard)).toEqual([
        'Host',
        'Upgrade',
        'Connection',
        'Origin',
        'Sec-WebSocket-Key',
        'Sec-Websocket-Version',
        'Sec-Websocket-Protocol',
      ])
      return { ...standard, Authorization: 'Bearer x' }
    })
    await expect(client.connect('127.0.0.1', port)).rejects.toThrow(WebsocketConnectionError)
    expect(path).toBe('/some/path?q=1')
    expect(headers).toMatchObject({
      host: `127.0.0.1:${port}`,
      origin: `http://127.0.0.1:${port}`,
      authorization: 'Bearer x',
      'sec-websocket-protocol': 'mqtt',
    })
    server.close()
  })

  test.each([
    [
      'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n',
      'WebSocket handshake error, connection not upgraded',
    ],
    [
      'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n',
      'WebSocket handshake error, invalid secret key',
    ],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'WebSocket handshake error'],
    ['', 'WebSocket handshake error'],
  ])('%j is %s', async (answer, message) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(answer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = new Client(V2, { transport: 'websockets' })
    await expect(client.connect('127.0.0.1', (server.address() as AddressInfo).port)).rejects.toMatchObject({
      name: 'WebsocketConnectionError',
      message,
    })
    server.close()
  })
})

describe('opening', () => {
  test('connect_timeout', async () => {
    const client = new Client(V2, { transport: 'websockets' })
    const peer = await ScriptedPeer.listen()
    client.connect_timeout = 0.05
    client.keepalive = 0
    await expect(client.connect('127.0.0.1', peer.port, 0)).rejects.toThrow('WebSocket handshake error')
    await peer.close()
  })

  test('a name that does not exist, and no SRV records', async () => {
    const client = new Client(V2)
    await expect(client.connect('no.such.host.invalid')).rejects.toMatchObject({
      code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
    })
    await expect(client.connect_srv('no.such.domain.invalid')).rejects.toThrow(ValueError)
  })

  test('connect_srv() tries the records by priority, then by weight', async () => {
    const names = await NameServer.listen()
    const peer = await ScriptedPeer.listen()
    try {
      const closed = { priority: 1, port: 1, target: '127.0.0.1' }
      names.records = [
        { priority: 2, weight: 1, port: 3, target: 'no.such.host.invalid' },
        { priority: 2, weight: 5, port: peer.port, target: '127.0.0.1' },
        { ...closed, weight: 1 },
        { ...closed, weight: 9 },
      ]
      const client = new Client(V2)
      const tried: number[] = []
      client.on_pre_connect = () => tried.push(client.port)
      expect(await client.connect_srv('example.test')).toBe(0)
      expect(tried).toEqual([1, 1, peer.port])
      expect(names.questions).toEqual(['_mqtt._tcp.example.test'])
      client.disconnect()
      const secure = new Client(V2)
      secure.tls_set()
      names.records = []
      await expect(secure.connect_srv('example.test')).rejects.toThrow(ValueError)
      expect(names.questions.at(-1)).toBe('_secure-mqtt._tcp.example.test')
    } finally {
      names.close()
      await peer.close()
    }
  })

  test('from a local address and port', async () => {
    const peer = await ScriptedPeer.listen()
    const client = new Client(V2)
    await client.connect('127.0.0.1', peer.port, 60, '127.0.0.1')
    await (await peer.accept()).packet()
    client.disconnect()
    await expect(client.connect('127.0.0.1', peer.port, { bind_port: -1 })).rejects.toThrow(ValueError)
    await peer.close()
  })
})

describe('helpers', () => {
  const brokers: { close(): Promise<void> }[] = []

  afterEach(async () => {
    for (const broker of brokers.splice(0)) await broker.close()
  })

  test('publish.multiple sends one after the other, and subscribe.simple collects', async () => {
    const broker = await startAedes()
    brokers.push(broker)
    const { port } = broker
    const subscribed = new Promise<void>((resolve) => {
      broker.broker.on('subscribe', () => resolve())
    })
    const collected = subscribe.simple(['t/#'], 2, 3, { hostname: '127.0.0.1', port })
    await subscribed
    await publish.multiple(
      [{ topic: 't/1', payload: 'one', qos: 2 }, ['t/2', 'two', 1], ['t/3']],
      '127.0.0.1',
      port,
    )
    const messages = await collected
    // Not in this order: QoS 2 takes longer to arrive.
    expect(
      Array.isArray(messages) && messages.map((one) => `${one.topic} ${Buffer.from(one.payload)}`).sort(),
    ).toEqual(['t/1 one', 't/2 two', 't/3 '])
  })

  test.each([4, 5] as const)(
    'subscribe.simple gives one message, retained or not (protocol %d)',
    async (protocol) => {
      const broker = await startAedes()
      brokers.push(broker)
      const { port } = broker
      await publish.single('r', 'kept', 1, true, { hostname: '127.0.0.1', port, protocol })
      const message = await subscribe.simple('r', { hostname: '127.0.0.1', port, protocol })
      expect(message).toMatchObject({ topic: 'r', retain: true })
    },
  )

  test('subscribe.callback ends with disconnect(), or with what the callback throws', async () => {
    const broker = await startAedes()
    brokers.push(broker)
    const { port } = broker
    await publish.single('r', 'kept', { retain: true, hostname: '127.0.0.1', port })
    const seen: unknown[] = []
    await subscribe.callback(
      (client, userdata, message) => {
        seen.push(userdata, message.topic)
        client.disconnect()
      },
      'r',
      { userdata: 'mine', hostname: '127.0.0.1', port },
    )
    expect(seen).toEqual(['mine', 'r'])
    const failing = subscribe.callback(
      () => {
        throw new Error('no')
      },
      'r',
      { hostname: '127.0.0.1', port },
    )
    await expect(failing).rejects.toThrow('no')
  })

  test('a refusal is an MQTTException', async () => {
    const peer = await ScriptedPeer.listen()
    brokers.push(peer)
    const single = publish.single('t', 'x', { hostname: '127.0.0.1', port: peer.port })
    const connection = await peer.accept()
    await connection.packet()
    connection.send('20020005')
    await expect(single).rejects.toThrow(MQTTException)
    expect(await connection.packet()).toBe('closed')
  })

  test('wrong arguments', async () => {
    await expect(publish.multiple([])).rejects.toThrow(ValueError)
    await expect(publish.multiple(3 as unknown as [])).rejects.toThrow(TypeError)
    await expect(publish.single('t', { auth: { password: 'x' } as never })).rejects.toMatchObject({
      name: 'KeyError',
    })
    await expect(subscribe.simple('t', 0, 0)).rejects.toThrow(ValueError)
    await expect(subscribe.callback(() => undefined, 't', 3)).rejects.toThrow(ValueError)
  })
})

test('messages of all sizes get through a network that was slow at first', async () => {
  const server = createServer({ pauseOnConnect: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new Client(V2)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await client.connect('127.0.0.1', port)
  client.loop_start()
  const [socket] = await accepted
  socket.write(Buffer.from('20020000', 'hex'))
  await new Promise<void>((resolve) => {
    client.on_connect = () => resolve()
  })
  let expected = 0
  const send = (size: number): void => {
    client.publish('t', new Uint8Array(size))
    expected += size
  }
  const stream = client.socket()?.stream as Socket
  while (stream.writableLength === 0) {
    send(100_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  // A long one behind a short one: when the short one has gone, what is left is little enough to ask for more.
  for (let index = 0; index < 60; index++) send(1_100_000)
  await new Promise((resolve) => setImmediate(resolve))
  const start = performance.now()
  let received = 0
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      received += chunk.length
      if (received > expected) resolve()
    })
    socket.resume()
  })
  expect(received).toBeGreaterThan(expected)
  // Not by the grace of the loop's timer, which looks once a second.
  expect(performance.now() - start).toBeLessThan(5_000)
  socket.destroy()
  client.loop_stop()
  await new Promise((resolve) => server.close(resolve))
})

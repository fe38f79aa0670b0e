import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'
import { Client, type ClientOptions, type LogEntry, TimeoutError } from 'mqtt-await'
import { encode, PacketDecoder } from 'mqtt-await/codec'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { describeMosquitto, Mosquitto } from '../support/brokers.ts'
import { certificates } from '../support/certificates.ts'

/*
 * Connecting over real sockets: giving up at each point of the way, the hook before each attempt on each transport, and what
 * may be read in what is told about it all.
 */

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

async function listen(server: Server, path?: string): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  return path === undefined ? (server.address() as AddressInfo).port : 0
}

/** Resolves when the server's side of every connection is gone too. */
async function untilNoSockets(): Promise<void> {
  await Promise.all([...sockets].map((socket) => (socket.destroyed ? undefined : once(socket, 'close'))))
}

/** Takes connections, and says nothing. */
async function silentServer(): Promise<{ readonly port: number; readonly accepted: Promise<unknown> }> {
  const server = createServer((socket) => socket.resume())
  const accepted = once(server, 'connection')
  return { port: await listen(server), accepted }
}

interface Point {
  readonly options: ClientOptions
  /** Resolves when the attempt has got there. */
  readonly reached: Promise<unknown>
}

const points: Readonly<Record<string, () => Promise<Point>>> = {
  DNS: async () => {
    let asked = (): void => {}
    const reached = new Promise<void>((resolve) => {
      asked = resolve
    })
    return { options: { url: 'mqtt://broker.example', socket: { lookup: () => asked() } }, reached }
  },
  'the hook': async () => {
    let asked = (): void => {}
    const reached = new Promise<void>((resolve) => {
      asked = resolve
    })
    const connectOptions = (): Promise<never> => {
      asked()
      return new Promise<never>(() => {})
    }
    return { options: { url: 'mqtt://broker.example', connectOptions }, reached }
  },
  'a proxy': async () => {
    const { port, accepted } = await silentServer()
    const options = { url: 'mqtt://broker.example', proxy: `http://127.0.0.1:${port}` }
    return { options, reached: accepted }
  },
  TLS: async () => {
    const { port, accepted } = await silentServer()
    return { options: { url: `mqtts://127.0.0.1:${port}` }, reached: accepted }
  },
  WebSocket: async () => {
    const { port, accepted } = await silentServer()
    return { options: { url: `ws://127.0.0.1:${port}` }, reached: accepted }
  },
  CONNACK: async () => {
    const { port } = await silentServer()
    const [server] = servers.slice(-1)
    const reached = new Promise((resolve) => {
      server?.on('connection', (socket) => socket.once('data', resolve))
    })
    return { options: { url: `mqtt://127.0.0.1:${port}` }, reached }
  },
}

describe.each(Object.entries(points))('an attempt that has got as far as %s', (_, point) => {
  const begin = async (more: ClientOptions = {}) => {
    const { options, reached } = await point()
    const client = new Client({ reconnect: false, ...options, ...more })
    const abort = new AbortController()
    const outcome = client.connect({ signal: abort.signal }).catch((error: unknown) => error)
    await reached
    expect(client.state).toBe('connecting')
    return { client, abort, outcome }
  }

  test('is given up by its signal; the client may try again', async () => {
    const { client, abort, outcome } = await begin()
    const reason = new Error('enough')
    abort.abort(reason)
    expect(await outcome).toBe(reason)
    expect(client.state).toBe('idle')
    await untilNoSockets()
    await client.close()
  })

  test.each(['close', 'disconnect'] as const)('is given up by %s()', async (end) => {
    const { client, outcome } = await begin()
    const ended = client[end]()
    expect(client.state).toBe('closed')
    expect(await outcome).toMatchObject({ code: 'ERR_MQTT_CLOSED' })
    expect(await ended).toMatchObject({ queuedMessages: 0, inFlight: 0 })
    await client[end]()
    await untilNoSockets()
    await expect(client.connect()).rejects.toMatchObject({ code: 'ERR_MQTT_CLOSED' })
  })

  test('is given up after connectTimeoutMs', async () => {
    const { client, outcome } = await begin({ connectTimeoutMs: 300 })
    expect(await outcome).toBeInstanceOf(TimeoutError)
    expect(client.state).toBe('idle')
    await untilNoSockets()
    await client.close()
  })
})

/** Speaks MQTT 5 and takes only those whose user name is "fresh 2": the second attempt's. */
function door(
  seen: string[],
): (send: (bytes: Uint8Array) => void, end: () => void) => (chunk: Uint8Array) => void {
  return (send, end) => {
    const decoder = new PacketDecoder({ from: 'client' })
    return (chunk) => {
      decoder.push(chunk)
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        if (packet.type === 'disconnect') end()
        if (packet.type !== 'connect') continue
        seen.push(packet.username ?? '')
        const reasonCode = packet.username === 'fresh 2' ? 0 : 0x88
        send(
          encode(
            { type: 'connack', sessionPresent: false, reasonCode },
            { protocolVersion: 5, from: 'server' },
          ),
        )
        if (reasonCode !== 0) end()
      }
    }
  }
}

type Speak = ReturnType<typeof door>

const onSocket =
  (speak: Speak) =>
  (socket: Socket): void => {
    socket.on(
      'data',
      speak(
        (bytes) => socket.write(bytes),
        () => socket.end(),
      ),
    )
    socket.on('error', () => {})
  }

async function webServer(server: Server, speak: Speak, headers: unknown[]): Promise<number> {
  new WebSocketServer({ server: server as never }).on('connection', (peer, request) => {
    headers.push(request.headers['x-token'])
    const take = speak(
      (bytes) => peer.send(bytes),
      () => peer.close(),
    )
    peer.on('message', (data) => take(data as Buffer))
  })
  return listen(server)
}

/** Says CONNECT to whatever is asked for and leads to one port. */
function tunnel(port: () => number): Server {
  return createHttpServer().on('connect', (_request, socket: Duplex) => {
    const onward = connectSocket(port(), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const one of [socket, onward]) one.on('error', () => {})
  })
}

const ways: Readonly<Record<string, (speak: Speak, headers: unknown[]) => Promise<ClientOptions>>> = {
  TCP: async (speak) => ({ url: `mqtt://127.0.0.1:${await listen(createServer(onSocket(speak)))}` }),
  TLS: async (speak) => {
    const { cert, key } = certificates().server
    const server = createTlsServer({ cert, key }, onSocket(speak))
    return { url: `mqtts://localhost:${await listen(server)}`, tls: { ca: certificates().ca } }
  },
  WebSocket: async (speak, headers) => ({
    url: `ws://127.0.0.1:${await webServer(createHttpServer(), speak, headers)}`,
  }),
  'WebSocket over TLS': async (speak, headers) => {
    const { cert, key } = certificates().server
    const port = await webServer(createHttpsServer({ cert, key }), speak, headers)
    return { url: `wss://localhost:${port}`, tls: { ca: certificates().ca } }
  },
  'Unix sockets': async (speak) => {
    const path = join(tmpdir(), `mqtt-await-${process.pid}-${Date.now()}.sock`)
    await listen(createServer(onSocket(speak)), path)
    return { url: `unix:${path}` }
  },
  'an HTTP proxy': async (speak) => {
    const port = await listen(createServer(onSocket(speak)))
    return { url: 'mqtt://broker.example', proxy: `http://127.0.0.1:${await listen(tunnel(() => port))}` }
  },
  "streams of one's own": async (speak) => {
    const port = await listen(createServer(onSocket(speak)))
    return {
      transport: async () => {
        const socket = connectSocket(port, '127.0.0.1')
        await once(socket, 'connect')
        return Duplex.toWeb(socket) as never
      },
    }
  },
}

test.each(Object.entries(ways))(
  'over %s the hook is asked before every attempt, and what it gives is what is sent',
  async (name, way) => {
    const seen: string[] = []
    const headers: unknown[] = []
    const options = await way(door(seen), headers)
    const asked: unknown[] = []
    const client = new Client({
      ...options,
      username: 'stale',
      reconnect: { initial: true, minDelayMs: 1, jitter: 'none' },
      connectOptions: async ({ attempt, cause, signal }) => {
        asked.push([attempt, cause?.reasonCode, signal.aborted])
        const username = `fresh ${attempt}`
        return name.startsWith('WebSocket')
          ? { username, websocket: { headers: { 'x-token': username } } }
          : { username }
      },
    })
    await client.connect()
    expect(seen).toEqual(['fresh 1', 'fresh 2'])
    expect(asked).toEqual([
      [1, undefined, false],
      [2, 0x88, false],
    ])
    if (name.startsWith('WebSocket')) expect(headers).toEqual(['fresh 1', 'fresh 2'])
    await client.disconnect()
  },
)

/** Refuses everybody, with a reference to another server. */
function sendsAway(seen: string[], serverReference: string): Speak {
  return (send, end) => () => {
    seen.push(serverReference)
    const connack = {
      type: 'connack',
      sessionPresent: false,
      reasonCode: 0x9d,
      properties: { serverReference },
    } as const
    send(encode(connack, { protocolVersion: 5, from: 'server' }))
    end()
  }
}

test('a server that has moved is remembered: the old address is not asked again', async () => {
  const old: string[] = []
  const seen: string[] = []
  const there = await listen(createServer(onSocket(door(seen))))
  const here = await listen(createServer(onSocket(sendsAway(old, `127.0.0.1:${there}`))))
  const client = new Client(`mqtt://127.0.0.1:${here}`, {
    username: 'fresh 2',
    reconnect: { minDelayMs: 1, maxDelayMs: 5 },
  })
  await client.connect()
  for (let round = 0; round < 3; round++) {
    const back = new Promise((resolve) => client.once('connect', resolve))
    for (const socket of sockets) socket.destroy()
    await back
  }
  expect(seen).toHaveLength(4)
  expect(old).toHaveLength(1)
  expect(client.connection?.server).toBe(`mqtt://127.0.0.1:${there}`)
  await client.disconnect()
})

test('nobody is talked out of encryption by a Server Reference', async () => {
  const { cert, key } = certificates().server
  const old: string[] = []
  const seen: string[] = []
  const open = await listen(createServer(onSocket(door(seen))))
  const secure = await listen(
    createTlsServer({ cert, key }, onSocket(sendsAway(old, `mqtt://127.0.0.1:${open}`))),
  )
  const client = new Client(`mqtts://localhost:${secure}`, {
    username: 'fresh 2',
    reconnect: false,
    tls: { ca: certificates().ca },
  })
  await expect(client.connect()).rejects.toMatchObject({ reasonCode: 0x9d })
  expect([old.length, seen.length]).toEqual([1, 0])
  await client.close()
})

test('no secret is told by errors, events, traces, log entries or inspection, whatever goes wrong', async () => {
  const told: unknown[] = []
  const log = (entry: LogEntry): void => void told.push(entry)
  const { cert, key } = certificates().server
  const refuse: Speak = (send, end) => () => {
    send(
      encode(
        { type: 'connack', sessionPresent: false, reasonCode: 0x87 },
        { protocolVersion: 5, from: 'server' },
      ),
    )
    end()
  }
  const plain = await listen(createServer(onSocket(refuse)))
  const secure = await listen(createTlsServer({ cert, key }, onSocket(refuse)))
  const web = await listen(createHttpServer((_request, response) => response.writeHead(401).end()))
  const proxy = await listen(
    createHttpServer().on('connect', (_request, socket: Duplex) => {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    }),
  )
  const secrets = { password: 'geheim-1', will: { topic: 'a', payload: 'public' } }
  const pem = '-----BEGIN geheim-6'
  const attempts: ClientOptions[] = [
    { url: `mqtt://wer:geheim-3@127.0.0.1:${plain}` },
    { url: `mqtts://wer:geheim-3@localhost:${secure}`, tls: { passphrase: 'geheim-4' } },
    { url: `mqtts://localhost:${secure}`, tls: { psk: { identity: 'wer', key: Buffer.from('geheim-5') } } },
    { url: `mqtts://localhost:${secure}`, tls: { ca: pem, key: pem, cert: pem } },
    {
      url: `ws://wer:geheim-3@127.0.0.1:${web}/mqtt?token=geheim-7`,
      websocket: { headers: { authorization: 'Bearer geheim-8' } },
    },
    { url: `mqtt://127.0.0.1:${plain}`, proxy: `http://wer:geheim-9@127.0.0.1:${proxy}` },
    { url: `mqtt://127.0.0.1:${plain}`, proxy: 'socks5://wer:geheim-9@127.0.0.1:1' },
    { url: 'mqtt://wer:geheim-3@127.0.0.1:1' },
    {
      url: `mqtt://127.0.0.1:${plain}`,
      authenticator: { method: 'M', start: () => Buffer.from('geheim-0'), continue: () => undefined },
    },
  ]
  for (const options of attempts) {
    const client = new Client({
      ...secrets,
      username: 'wer',
      clientId: 'id',
      reconnect: false,
      log,
      ...options,
    })
    for (const event of ['state', 'disconnect', 'error', 'close', 'packetsend', 'packetreceive'] as const) {
      client.on(event, (...details: unknown[]) => told.push(details))
    }
    const error = await client.connect().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    told.push(error, client, client.lastError, client.stats, JSON.stringify(client), String(client))
    await client.close()
    told.push(await client.closed)
  }
  expect(told.length).toBeGreaterThan(100)
  const text = told
    .map((one) =>
      inspect(one, {
        depth: 12,
        showHidden: true,
        maxStringLength: null,
        breakLength: Number.POSITIVE_INFINITY,
      }),
    )
    .join('\n')
  expect(text.match(/.{0,80}(geheim|Z2VoZWlt|67 65 68 65 69 6d|103, 101, 104, 101).{0,40}/g)).toBeNull()
})

test('a link that keep-alive has found dead is dropped at once: nobody is there to close it with', async () => {
  const server = createHttpServer()
  new WebSocketServer({ server: server as never }).on('connection', (peer) => {
    peer.once('message', () => {
      peer.send(
        encode(
          { type: 'connack', sessionPresent: false, reasonCode: 0 },
          { protocolVersion: 5, from: 'server' },
        ),
      )
      // From here on it hears and says nothing, not even the answer to a Close frame.
      for (const socket of sockets) socket.pause()
    })
  })
  const client = new Client(`ws://127.0.0.1:${await listen(server)}`, { keepAlive: 1, reconnect: false })
  await client.connect()
  const lost = new Promise<number>((resolve) => {
    client.once('disconnect', () => resolve(performance.now()))
  })
  expect(await client.closed).toMatchObject({ error: { code: 'ERR_MQTT_KEEP_ALIVE_TIMEOUT' } })
  expect(performance.now() - (await lost)).toBeLessThan(1_000)
})

describeMosquitto(
  'two programs with one client identifier, on a broker that does not say who took over',
  () => {
    test('do not play ping-pong: they come back ever more slowly', async () => {
      await using broker = await Mosquitto.start({ listeners: ['tcp'] })
      const make = (): Client =>
        new Client(broker.url('tcp'), {
          clientId: 'twin',
          protocolVersion: 4,
          reconnect: { minDelayMs: 50, maxDelayMs: 60_000, jitter: 'none' },
        })
      const [one, other] = [make(), make()]
      const delays: number[] = []
      const enough = new Promise<void>((resolve) => {
        one.on('reconnecting', ({ delayMs }) => {
          if (delays.push(delayMs) === 5) resolve()
        })
      })
      await one.connect()
      await other.connect()
      await enough
      expect(delays).toEqual([50, 100, 200, 400, 800])
      await Promise.all([one.close(), other.close()])
    })
  },
)

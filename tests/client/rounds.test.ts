import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Client, type ClientOptions, TimeoutError } from 'mqtt-await'
import { type ConnectPacket, encode, type Packet, PacketDecoder } from 'mqtt-await/codec'
import { afterEach, describe, expect, test } from 'vitest'

/*
 * Which server is asked next: rounds over several, what the hook says about them, and what servers say about one another. Over real
 * sockets, since only those have addresses.
 */

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

interface Peer {
  readonly url: string
  readonly address: string
  /** CONNECTs so far. */
  readonly connects: ConnectPacket[]
  answer: (send: (...packets: Packet[]) => void, socket: Socket) => void
  cut(): void
}

const accept: Peer['answer'] = (send) => send({ type: 'connack', sessionPresent: false, reasonCode: 0 })

const refuse =
  (reasonCode: number, serverReference?: () => string): Peer['answer'] =>
  (send, socket) => {
    const properties = serverReference === undefined ? {} : { serverReference: serverReference() }
    send({ type: 'connack', sessionPresent: false, reasonCode, properties })
    socket.end()
  }

async function listen(answer: Peer['answer'] = accept): Promise<Peer> {
  const own = new Set<Socket>()
  const connects: ConnectPacket[] = []
  const server = createServer((socket) => {
    for (const set of [own, sockets]) {
      set.add(socket)
      socket.on('close', () => set.delete(socket))
    }
    socket.on('error', () => {})
    const decoder = new PacketDecoder({ from: 'client' })
    const send = (...packets: Packet[]): void => {
      const chunks = packets.map((packet) => encode(packet, { protocolVersion: 5, from: 'server' }))
      socket.write(Buffer.concat(chunks))
    }
    socket.on('data', (chunk) => {
      decoder.push(new Uint8Array(chunk))
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        if (packet.type === 'disconnect') socket.end()
        if (packet.type !== 'connect') continue
        connects.push(packet)
        peer.answer(send, socket)
      }
    })
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const cut = (): void => {
    for (const socket of own) socket.destroy()
  }
  const peer: Peer = { url: `mqtt://${address}`, address, connects, answer, cut }
  return peer
}

/** Nobody listens there. */
const nowhere = 'mqtt://127.0.0.1:1'
const quick = { minDelayMs: 1, maxDelayMs: 5 }

async function comesBack(client: Client, lose: () => void): Promise<void> {
  const back = new Promise((resolve) => client.once('connect', resolve))
  lose()
  await back
}

const using = async (
  first: ClientOptions | string,
  options: ClientOptions,
  body: (client: Client) => Promise<void>,
): Promise<void> => {
  const client = new Client(first, { reconnect: quick, ...options })
  try {
    await body(client)
  } finally {
    await client.close()
  }
}

describe('the hook', () => {
  test('that gives credentials alone changes nothing about the round: all servers are tried, the one that worked comes first', async () => {
    const [busy, good] = [await listen(refuse(0x89)), await listen()]
    const options = { connectOptions: () => ({ username: 'fresh' }) }
    await using({ servers: [nowhere, busy.url, good.url] }, options, async (client) => {
      await client.connect()
      expect(client.connection?.server).toBe(good.url)
      expect(good.connects[0]?.username).toBe('fresh')
      await comesBack(client, good.cut)
      expect([busy.connects.length, good.connects.length]).toEqual([1, 2])
    })
  })

  test('that gives credentials alone does not make a server that has moved forgotten', async () => {
    const there = await listen()
    const here = await listen(refuse(0x9d, () => there.address))
    await using(here.url, { connectOptions: () => ({ username: 'fresh' }) }, async (client) => {
      await client.connect()
      await comesBack(client, there.cut)
      expect([here.connects.length, there.connects.length]).toEqual([1, 2])
    })
  })

  test('that gives several servers has them tried in one round', async () => {
    const good = await listen()
    const asked: number[] = []
    const connectOptions: ClientOptions['connectOptions'] = ({ attempt }) => {
      asked.push(attempt)
      return { servers: [nowhere, nowhere, good.url] }
    }
    await using('mqtt://unused.invalid', { connectOptions }, async (client) => {
      await client.connect()
      expect(client.connection?.server).toBe(good.url)
      expect(asked).toEqual([1, 2, 3])
    })
  })

  test('may give less time to an attempt, and the error tells who gave no answer', async () => {
    const silent = await listen(() => {})
    const connectOptions = () => ({ connectTimeoutMs: 50 })
    await using(silent.url, { connectOptions, connectTimeoutMs: 60_000 }, async (client) => {
      const error = await client.connect().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(TimeoutError)
      expect((error as Error).message).toBe(
        `Could not connect to ${silent.url} within 50 ms: the server gave no answer`,
      )
    })
    const hangs = { connectOptions: () => new Promise<never>(() => {}), connectTimeoutMs: 50 }
    await using(silent.url, hangs, async (client) => {
      await expect(client.connect()).rejects.toThrow(/connectOptions gave no answer/)
    })
  })

  test.each([
    ['a string', () => 'x', /^connectOptions: .*expected an object/],
    ['a wrong value', () => ({ keepAlive: -1 }), /^connectOptions: keepAlive/],
    ['an unknown option', () => ({ keepalive: 1 }), /^connectOptions: keepalive/],
  ])('that gives %s is told so by name', async (_, connectOptions, words) => {
    await using(nowhere, { connectOptions: connectOptions as never }, async (client) => {
      const error = await client.connect().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'ERR_MQTT_OPTIONS', message: expect.stringMatching(words) })
      expect(client.state).toBe('closed')
    })
  })

  test('that throws is told so by name, and may be asked again; one that gives null changes nothing', async () => {
    const good = await listen()
    let failure: Error | undefined = new Error('no token today')
    const connectOptions = (): never => {
      if (failure !== undefined) throw failure
      return null as never
    }
    await using(good.url, { connectOptions }, async (client) => {
      await expect(client.connect()).rejects.toThrow(/`connectOptions` failed: no token today/)
      expect(client.state).toBe('idle')
      failure = undefined
      await client.connect()
    })
  })
})

describe('a Server Reference', () => {
  test('is followed again after three in a row have led to nothing', async () => {
    const good = await listen()
    const loop = await listen(refuse(0x9c, () => loop.address))
    await using(loop.url, {}, async (client) => {
      await expect(client.connect()).rejects.toMatchObject({ reasonCode: 0x9c })
      expect(loop.connects).toHaveLength(4)
      loop.answer = refuse(0x9c, () => good.address)
      await client.connect()
      expect(client.connection?.server).toBe(good.url)
    })
    loop.answer = refuse(0x9c, () => loop.address)
    await using(loop.url, { reconnect: { ...quick, initial: true } }, async (client) => {
      client.on('reconnecting', ({ attempt }) => {
        if (attempt > 8) loop.answer = refuse(0x9c, () => good.address)
      })
      await client.connect()
      expect(client.connection?.server).toBe(good.url)
    })
  })

  test('for the time being is not remembered', async () => {
    const substitute = await listen()
    const first = await listen(refuse(0x9c, () => substitute.address))
    await using(first.url, {}, async (client) => {
      await client.connect()
      first.answer = accept
      await comesBack(client, substitute.cut)
      expect(client.connection?.server).toBe(first.url)
    })
  })

  test('of two servers that send a client to each other does not keep it running between them', async () => {
    const sendTo =
      (other: () => Peer): Peer['answer'] =>
      (send, socket) => {
        send({ type: 'connack', sessionPresent: false, reasonCode: 0 })
        setTimeout(() => {
          const properties = { serverReference: other().address }
          send({ type: 'disconnect', reasonCode: 0x9c, properties })
          socket.end()
        }, 2)
      }
    const one: Peer = await listen(sendTo(() => other))
    const other = await listen(sendTo(() => one))
    const delays: number[] = []
    await using(one.url, { reconnect: { minDelayMs: 60_000, jitter: 'none' } }, async (client) => {
      const tired = new Promise<void>((resolve) => {
        client.on('reconnecting', ({ delayMs }) => {
          delays.push(delayMs)
          if (delayMs > 0) resolve()
        })
      })
      await client.connect()
      await tired
      expect(delays.slice(0, 3)).toEqual([0, 0, 0])
      expect(delays).toHaveLength(4)
    })
  })
})

test('"auto" asks the server again that has refused MQTT 5, not the first of the list', async () => {
  const old = await listen((_send, socket) => socket.end(Buffer.from([0x20, 2, 0, 1])))
  const versions: number[] = []
  const options: ClientOptions = { protocolVersion: 'auto' }
  await using({ servers: [nowhere, old.url] }, options, async (client) => {
    old.answer = (_send, socket) => {
      const { protocolVersion } = old.connects.at(-1) as ConnectPacket
      versions.push(protocolVersion)
      socket.write(Buffer.from([0x20, 2, 0, protocolVersion === 5 ? 1 : 0]))
    }
    const tried: number[] = []
    client.on('reconnecting', ({ attempt }) => tried.push(attempt))
    await client.connect()
    expect(versions).toEqual([5, 4])
    expect(tried).toEqual([2, 3])
  })
})

test('what is no MQTT is told together with where it came from', async () => {
  const web = await listen((_send, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await using(web.url, {}, async (client) => {
    const error = await client.connect().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_MQTT_PROTOCOL', packet: 'PUBACK' })
    expect((error as Error).message).toContain(`Connection to ${web.url} failed before CONNACK`)
  })
})

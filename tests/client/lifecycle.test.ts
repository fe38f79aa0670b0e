import {
  Client,
  type ClientOptions,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  OptionsError,
  TimeoutError,
} from 'mqtt-await'
import { describe, expect, test } from 'vitest'
import { type Answer, acceptAll, outcomeOf, ScriptedServer, TestClock } from './scripted-server.ts'

function setup(options: ClientOptions = {}, answer: Answer = acceptAll) {
  const server = new ScriptedServer(answer)
  const clock = new TestClock()
  const client = new Client(
    { transport: server.transport, clientId: 'me', keepAlive: 0, ...options },
    undefined,
    clock,
  )
  const states: string[] = []
  client.on('state', ({ state }) => states.push(state))
  return { server, clock, client, states }
}

const refuse =
  (reasonCode: number, properties = {}): Answer =>
  (packet, connection) => {
    if (packet.type !== 'connect') return
    connection.send({ type: 'connack', sessionPresent: false, reasonCode, properties })
    connection.end()
  }

describe('connecting', () => {
  test('resolves at CONNACK with what the server granted', async () => {
    const { client, states } = setup({}, (packet, connection) => {
      if (packet.type === 'connect') {
        connection.send({
          type: 'connack',
          sessionPresent: false,
          reasonCode: 0,
          properties: { assignedClientIdentifier: 'given', receiveMaximum: 7 },
        })
      }
    })
    const info = await client.connect()
    expect(info).toMatchObject({ sessionPresent: false, reasonCode: 0, clientId: 'given' })
    expect(info.properties.receiveMaximum).toBe(7)
    expect(client.connection).toBe(info)
    expect(await client.connect()).toBe(info)
    expect(states).toEqual(['connecting', 'connected'])
    await client.close()
  })

  test('a network error rejects the first attempt and leaves the client idle', async () => {
    const { client, server, states } = setup()
    server.refuse = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const error = await client.connect().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConnectError)
    expect((error as ConnectError).cause).toMatchObject({ code: 'ECONNREFUSED' })
    expect(states).toEqual(['connecting', 'idle'])
    server.refuse = undefined
    await client.connect()
    await client.close()
  })

  test('a refusal for good ends the client with that error', async () => {
    const { client, states } = setup({}, refuse(0x86))
    await expect(client.connect()).rejects.toMatchObject({ reasonCode: 0x86 })
    expect(states).toEqual(['connecting', 'closed'])
    expect(await client.closed).toMatchObject({ reason: 'error', error: { reasonCode: 0x86 } })
    expect(() => client.publish('a')).toThrow()
  })

  test('a server that never answers is given up after connectTimeoutMs', async () => {
    const { client, clock, server } = setup({ connectTimeoutMs: 1_000 }, () => {})
    const connecting = client.connect()
    await clock.pass(999)
    expect(await outcomeOf(connecting)).toBe('pending')
    await clock.pass(1)
    expect(await outcomeOf(connecting)).toBeInstanceOf(TimeoutError)
    expect(server.last.closed).toBe(true)
    expect(client.state).toBe('idle')
    expect(clock.virtual.pending).toBe(0)
  })

  test('the signal gives up an attempt at any point: while opening, and while CONNACK is awaited', async () => {
    for (const hang of [true, false]) {
      const { client, clock, server } = setup({}, () => {})
      server.hang = hang
      const abort = new AbortController()
      const connecting = client.connect({ signal: abort.signal })
      await clock.settle()
      const reason = new Error('enough')
      abort.abort(reason)
      expect(await outcomeOf(connecting)).toBe(reason)
      expect(client.state).toBe('idle')
      expect(clock.virtual.pending).toBe(0)
    }
  })

  test('several callers share one attempt; one that gives up does not take it from the others', async () => {
    const { client, clock, server } = setup({}, () => {})
    const abort = new AbortController()
    const first = client.connect({ signal: abort.signal })
    const second = client.connect()
    await clock.settle()
    abort.abort()
    expect(await outcomeOf(first)).toBeInstanceOf(Error)
    server.last.send({ type: 'connack', sessionPresent: false, reasonCode: 0 })
    await expect(second).resolves.toMatchObject({ clientId: 'me' })
    expect(server.opened).toBe(1)
    await client.close()
  })

  test('the hook is asked before every attempt and replaces options', async () => {
    const seen: unknown[] = []
    const { client, server, clock } = setup({
      reconnect: { initial: true, jitter: 'none' },
      connectOptions: async ({ attempt, cause, signal }) => {
        seen.push([attempt, cause?.reasonCode, signal.aborted])
        return { username: 'u', password: `token ${attempt}` }
      },
    })
    server.answer = (packet, connection) => {
      if (packet.type === 'connect' && new TextDecoder().decode(packet.password) === 'token 1')
        refuse(0x87)(packet, connection)
      else acceptAll(packet, connection)
    }
    const connecting = client.connect()
    await clock.pass(5_000)
    await connecting
    expect(seen).toEqual([
      [1, undefined, false],
      [2, 0x87, false],
    ])
    await client.close()
  })

  test('refused credentials are not hammered, fresh ones neither', async () => {
    const { client, server, clock } = setup(
      { reconnect: { initial: true }, connectOptions: () => ({ username: 'u' }) },
      refuse(0x86),
    )
    const connecting = client.connect()
    connecting.catch(() => {})
    await clock.pass(600_000)
    expect(await outcomeOf(connecting)).toMatchObject({ reasonCode: 0x86 })
    expect(server.opened).toBe(3)
    expect(client.state).toBe('closed')
  })

  test('what the hook returns is checked', async () => {
    const { client } = setup({ connectOptions: () => ({ keepAlive: -1 }) })
    await expect(client.connect()).rejects.toBeInstanceOf(OptionsError)
    expect(client.state).toBe('closed')
  })

  test('protocolVersion "auto" asks for 3.1.1 where 5.0 is refused', async () => {
    const { client, server } = setup({ protocolVersion: 'auto' }, (packet, connection) => {
      if (packet.type !== 'connect') return
      if (packet.protocolVersion === 5) connection.bytes(0x20, 2, 0, 1)
      else connection.send({ type: 'connack', sessionPresent: false, reasonCode: 0 })
    })
    const info = await client.connect()
    expect(info.limits.protocolVersion).toBe(4)
    expect(server.opened).toBe(2)
    await client.close()
  })
})

describe('servers', () => {
  const servers = ['mqtt://one', 'mqtt://two', 'mqtt://three']

  test('one round tries each of them, in order, without waiting', async () => {
    const tried: string[] = []
    const { client, server } = setup({ servers })
    server.refuse = new Error('down')
    client.on('reconnecting', ({ delayMs }) => tried.push(String(delayMs)))
    await expect(client.connect()).rejects.toBeInstanceOf(ConnectError)
    expect(server.opened).toBe(3)
    expect(tried).toEqual(['0', '0'])
    await client.close()
  })

  test('the pause between two rounds doubles from round to round, however many servers are tried in each', async () => {
    const delays: number[] = []
    const reconnect = { minDelayMs: 100, jitter: 'none', maxAttempts: 9, initial: true } as const
    const { client, server, clock } = setup({ servers, reconnect })
    server.refuse = new Error('down')
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    const connecting = client.connect()
    connecting.catch(() => {})
    await clock.pass(10_000)
    expect(delays).toEqual([0, 0, 100, 0, 0, 200, 0, 0])
    expect(await outcomeOf(connecting)).toBeInstanceOf(ConnectError)
    expect(client.state).toBe('closed')
  })

  test('a Server Reference is followed, three times at most', async () => {
    const { client, server } = setup({ servers: ['mqtt://one'] })
    server.answer = (packet, connection) => {
      if (server.opened < 3) refuse(0x9c, { serverReference: 'other:1884' })(packet, connection)
      else acceptAll(packet, connection)
    }
    await client.connect()
    expect(server.opened).toBe(3)
    await client.close()

    const lost = setup({ servers: ['mqtt://one'] }, refuse(0x9c, { serverReference: 'other' }))
    await expect(lost.client.connect()).rejects.toMatchObject({ reasonCode: 0x9c })
    expect(lost.server.opened).toBe(4)
    await lost.client.close()
  })
})

describe('losing the connection', () => {
  test('comes back with backoff, and takes up the session', async () => {
    const { client, server, clock, states } = setup({ sessionExpiryInterval: 100, cleanStart: true })
    await client.connect()
    expect(server.last.packets[0]).toMatchObject({ cleanStart: true })
    server.last.cut()
    await clock.settle()
    expect(client.state).toBe('reconnecting')
    expect(client.lastError).toBeInstanceOf(ConnectionLostError)
    await clock.pass(500)
    expect(client.state).toBe('connected')
    expect(server.last.packets[0]).toMatchObject({ cleanStart: false, clientId: 'me' })
    expect(states).toEqual(['connecting', 'connected', 'reconnecting', 'connected'])
    expect(client.stats).toMatchObject({ connections: 2, connectionsLost: 1 })
    await client.close()
  })

  test('delays double up to their maximum, and begin anew after a stable time', async () => {
    const delays: number[] = []
    const { client, server, clock } = setup({
      reconnect: { minDelayMs: 100, maxDelayMs: 300, jitter: 'none', stableAfterMs: 1_000 },
    })
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    await client.connect()
    server.refuse = new Error('down')
    server.last.cut()
    await clock.pass(100 + 200 + 300 + 10)
    server.refuse = undefined
    await clock.pass(300)
    expect(client.state).toBe('connected')
    server.last.cut()
    await clock.pass(300)
    expect(delays).toEqual([100, 200, 300, 300, 300])
    await clock.pass(1_000)
    server.last.cut()
    await clock.pass(100)
    expect(delays.at(-1)).toBe(100)
    expect(client.connected).toBe(true)
    await client.close()
  })

  test('full jitter is anything below that', async () => {
    const delays: number[] = []
    const { client, server, clock } = setup()
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    await client.connect()
    server.last.cut()
    await clock.settle()
    expect(delays).toEqual([250])
    await client.close()
  })

  test('maxAttempts ends the client with the last error', async () => {
    const { client, server, clock } = setup({ reconnect: { maxAttempts: 2, jitter: 'none' } })
    await client.connect()
    server.refuse = new Error('gone')
    server.last.cut()
    await clock.pass(60_000)
    expect(server.opened).toBe(3)
    expect(await client.closed).toMatchObject({ reason: 'error', error: { cause: { message: 'gone' } } })
  })

  test('a function decides itself', async () => {
    const asked: number[] = []
    const { client, server, clock } = setup({
      reconnect: (attempt) => {
        asked.push(attempt)
        return attempt < 3 ? 10 : false
      },
    })
    await client.connect()
    server.refuse = new Error('down')
    server.last.cut()
    await clock.pass(1_000)
    expect(asked).toEqual([1, 2, 3])
    expect(client.state).toBe('closed')
  })

  test.each([undefined, null, Number.NaN, -1, '5', true, Promise.resolve(5)])(
    'a function that gives %s ends the client, instead of a loop without a pause',
    async (delay) => {
      const { client, server, clock } = setup({ reconnect: () => delay as never })
      const errors: unknown[] = []
      client.on('error', (error) => errors.push(error))
      await client.connect()
      server.refuse = new Error('down')
      server.last.cut()
      await clock.pass(1_000)
      expect(server.opened).toBe(1)
      expect(errors).toMatchObject([{ code: 'ERR_MQTT_OPTIONS', path: 'reconnect' }])
      expect(await client.closed).toMatchObject({ error: { code: 'ERR_MQTT_CONNECTION_LOST' } })
    },
  )

  test('reconnect: false ends the client; "manual" leaves it idle with what it holds', async () => {
    const never = setup({ reconnect: false })
    await never.client.connect()
    never.server.last.cut()
    await never.clock.settle()
    expect(await never.client.closed).toMatchObject({
      reason: 'error',
      error: { code: 'ERR_MQTT_CONNECTION_LOST' },
    })

    const manual = setup({ reconnect: 'manual' })
    await manual.client.connect()
    manual.server.last.cut()
    await manual.clock.settle()
    expect(manual.client.state).toBe('idle')
    const publication = manual.client.publish('a', 'b', { qos: 1 })
    await manual.client.connect()
    await publication.acked
    await manual.client.close()
  })

  test('a session that was taken over does not fight for it', async () => {
    const { client, server, clock } = setup()
    await client.connect()
    server.last.send({ type: 'disconnect', reasonCode: 0x8e })
    await clock.pass(60_000)
    expect(server.opened).toBe(1)
    expect(await client.closed).toMatchObject({ error: { reasonCode: 0x8e } })
  })

  test('"manual": a listener of "disconnect" may ask for the next connection', async () => {
    const { client, server, clock, states } = setup({ reconnect: 'manual' })
    await client.connect()
    let next: Promise<unknown> = Promise.reject(new Error('not asked'))
    next.catch(() => {})
    client.once('disconnect', () => {
      next = client.connect()
    })
    server.last.cut()
    await clock.settle()
    await next
    expect(states).toEqual(['connecting', 'connected', 'idle', 'connecting', 'connected'])
    await client.close()
  })

  test.each([0x8e, 0x87, 0x8c])(
    'a DISCONNECT for good (%i) that comes before the proof of CONNACK was looked at is one too',
    async (reasonCode) => {
      const authenticator = { method: 'X', start: () => undefined, continue: () => undefined }
      const options: ClientOptions = { reconnect: { initial: true }, authenticator }
      const { client, server, clock } = setup(options, (packet, connection) => {
        if (packet.type !== 'connect') return
        const properties = { authenticationMethod: 'X' }
        connection.send(
          { type: 'connack', sessionPresent: false, reasonCode: 0, properties },
          { type: 'disconnect', reasonCode },
        )
      })
      client.connect().catch(() => {})
      await clock.pass(60_000)
      expect(server.opened).toBe(1)
      expect(client.state).toBe('closed')
      const error = { code: 'ERR_MQTT_SERVER_DISCONNECT', reasonCode }
      expect(await client.closed).toMatchObject({ error })
    },
  )

  test('the classes of reason codes can be replaced', async () => {
    const { client, server, clock } = setup({ reasonCodes: { disconnect: { 142: 'retry' } } })
    await client.connect()
    server.last.send({ type: 'disconnect', reasonCode: 0x8e })
    await clock.pass(60_000)
    expect(client.connected).toBe(true)
    await client.close()
  })

  test('a fatal refusal ends the client also in the middle of its life', async () => {
    const { client, server, clock } = setup()
    await client.connect()
    const loop = (async () => {
      for await (const _ of client.messages('a')) void _
    })()
    const ended = outcomeOf(loop)
    server.answer = refuse(0x8a)
    server.last.cut()
    await clock.pass(1_000)
    expect(client.state).toBe('closed')
    expect(await outcomeOf(loop)).toMatchObject({ reasonCode: 0x8a })
    await ended
  })

  test('keep-alive finds a dead link within one and a half intervals', async () => {
    const { client, server, clock } = setup({ keepAlive: 10 }, (packet, connection) => {
      if (packet.type !== 'pingreq') acceptAll(packet, connection)
    })
    await client.connect()
    const lost: number[] = []
    const began = clock.now()
    client.on('disconnect', () => lost.push(clock.now() - began))
    await clock.pass(15_000)
    expect(server.connections[0]?.types).toContain('pingreq')
    expect(lost[0]).toBeGreaterThan(9_000)
    expect(lost[0]).toBeLessThanOrEqual(15_000)
    await client.close()
  })

  test('ping() gives the round trip, and rejects when the connection goes first', async () => {
    const { client, server, clock } = setup({ reconnect: false }, (packet, connection) => {
      if (packet.type === 'pingreq') clock.setTimer(() => connection.send({ type: 'pingresp' }), 37)
      else acceptAll(packet, connection)
    })
    await expect(client.ping()).rejects.toMatchObject({ code: 'ERR_MQTT_NOT_CONNECTED' })
    await client.connect()
    const ping = client.ping()
    await clock.pass(40)
    expect(await ping).toBe(37)
    server.answer = () => {}
    const abort = new AbortController()
    const given = client.ping({ signal: abort.signal }).catch((error: unknown) => error)
    const unanswered = client.ping().catch((error: unknown) => error)
    await clock.settle()
    const reason = new Error('enough')
    abort.abort(reason)
    expect(await given).toBe(reason)
    server.last.cut()
    expect(await unanswered).toBeInstanceOf(ConnectionLostError)
  })

  test('ackTimeoutMs takes a silent connection for dead', async () => {
    const { client, server, clock } = setup({ ackTimeoutMs: 1_000 })
    await client.connect()
    server.answer = (packet, connection) => {
      if (packet.type !== 'publish' || server.opened > 1) acceptAll(packet, connection)
    }
    const publication = client.publish('a', 'b', { qos: 1 })
    await clock.pass(3_000)
    expect(server.opened).toBe(2)
    await publication.acked
    await clock.pass(10_000)
    expect(server.opened).toBe(2)
    await client.close()
  })
})

describe('ending', () => {
  test('disconnect() lets what is under way finish, then sends DISCONNECT', async () => {
    const { client, server, clock, states } = setup({}, (packet, connection) => {
      if (packet.type !== 'publish') acceptAll(packet, connection)
    })
    await client.connect()
    const publication = client.publish('a', 'b', { qos: 1 })
    const leaving = client.disconnect()
    expect(() => client.publish('late')).toThrow(ClosedError)
    await clock.settle()
    expect(client.state).toBe('disconnecting')
    expect(server.last.types).not.toContain('disconnect')
    server.last.send({ type: 'puback', packetId: publication.packetId, reasonCode: 0 })
    expect(await leaving).toMatchObject({ queuedMessages: 0, inFlight: 0 })
    await publication.acked
    expect(server.last.types.at(-1)).toBe('disconnect')
    expect(states).toEqual(['connecting', 'connected', 'disconnecting', 'closed'])
    expect(clock.virtual.pending).toBe(0)
    expect(await client.disconnect()).toMatchObject({ inFlight: 0 })
  })

  test('disconnect() waits no longer than timeoutMs and tells what was left', async () => {
    const { client, server, clock } = setup({}, (packet, connection) => {
      if (packet.type !== 'publish') acceptAll(packet, connection)
    })
    await client.connect()
    const publication = client.publish('a', 'b', { qos: 1 })
    const leaving = client.disconnect({ timeoutMs: 300 })
    await clock.pass(300)
    expect(await leaving).toEqual({ queuedMessages: 0, inFlight: 1, unacknowledged: 0, keptIn: 'nowhere' })
    await expect(publication.acked).rejects.toBeInstanceOf(ClosedError)
    expect(server.last.types.at(-1)).toBe('disconnect')
  })

  test('close() ends every promise at once, without DISCONNECT', async () => {
    const { client, server, clock } = setup({}, (packet, connection) => {
      if (packet.type !== 'publish') acceptAll(packet, connection)
    })
    await client.connect()
    const { acked } = client.publish('a', 'b', { qos: 2 })
    const { ready } = client.messages('x')
    const drained = client.flush()
    const ping = client.ping()
    const ends = ([acked, drained, ping] as Promise<unknown>[]).map(outcomeOf)
    void ready.catch(() => {})
    await Promise.all([client.close(), client.close()])
    for (const end of ends) expect(await end).not.toBe('pending')
    expect(server.last.types).not.toContain('disconnect')
    expect(server.last.closed).toBe(true)
    expect(clock.virtual.pending).toBe(0)
    await expect(client.connect()).rejects.toBeInstanceOf(ClosedError)
  })

  test('disconnect() and close() end a client in every state', async () => {
    for (const end of ['disconnect', 'close'] as const) {
      const idle = setup()
      await idle.client[end]()
      expect(idle.client.state).toBe('closed')

      const connecting = setup({}, () => {})
      const connected = outcomeOf(connecting.client.connect())
      await connecting.client[end]()
      expect(await connected).toBeInstanceOf(ClosedError)
      expect(connecting.clock.virtual.pending).toBe(0)

      const reconnecting = setup()
      await reconnecting.client.connect()
      reconnecting.server.last.cut()
      await reconnecting.clock.settle()
      expect(reconnecting.client.state).toBe('reconnecting')
      await reconnecting.client[end]()
      expect(reconnecting.client.state).toBe('closed')
      expect(reconnecting.clock.virtual.pending).toBe(0)
    }
  })

  test('"close" is the last event, also when a listener closes the client that has just connected', async () => {
    const { client } = setup()
    const events: string[] = []
    for (const event of ['connect', 'disconnect', 'close'] as const)
      client.on(event, () => events.push(event))
    client.on('state', ({ state }) => {
      if (state === 'connected') void client.close()
    })
    await expect(client.connect()).rejects.toBeInstanceOf(ClosedError)
    await client.closed
    expect(events.at(-1)).toBe('close')
    expect(client.stats.connections).toBe(0)
  })

  test('connect() during disconnect() is refused', async () => {
    const { client } = setup()
    await client.connect()
    const leaving = client.disconnect()
    await expect(client.connect()).rejects.toBeInstanceOf(ClosedError)
    await leaving
  })

  test('an interval that was 0 cannot be raised at the end, and nothing has happened [MQTT 5.0 3.14.2.2.2]', async () => {
    const { client } = setup()
    await client.connect()
    await expect(client.disconnect({ sessionExpiryInterval: 10 })).rejects.toBeInstanceOf(OptionsError)
    expect(client.state).toBe('connected')
    await client.close()
  })

  test('states() gives each change, and ends with the client', async () => {
    const { client } = setup()
    const changes = client.states()
    await client.connect()
    await client.disconnect()
    const seen: string[] = []
    for await (const { state } of changes) seen.push(state)
    expect(seen).toEqual(['connecting', 'connected', 'disconnecting', 'closed'])
  })

  test('a thousand lives leave no timer behind', async () => {
    for (let life = 0; life < 1_000; life++) {
      const { client, clock } = setup({ keepAlive: 60 })
      await client.connect()
      await client.disconnect()
      expect(clock.virtual.pending).toBe(0)
    }
  })
})

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import {
  type Authenticator,
  bearerAuthenticator,
  Client,
  type MqttError,
  scramAuthenticator,
} from 'mqtt-await'
import type { Packet } from 'mqtt-await/codec'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { saslprep } from '../../src/client/authentication/saslprep.ts'
import {
  type Answer,
  acceptAll,
  outcomeOf,
  type ScriptedConnection,
  ScriptedServer,
  TestClock,
} from './scripted-server.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const bytes = (text: string) => encoder.encode(text)
const text = (data: Uint8Array | undefined) => decoder.decode(data)
const context = () => ({ signal: new AbortController().signal })

describe('SCRAM', () => {
  test.each([
    [
      'RFC 5802, section 5',
      'SHA-1',
      'fyko+d2lbbFgONRv9qkxdawL',
      'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
      'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
      'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
    ],
    [
      'RFC 7677, section 3',
      'SHA-256',
      'rOprNGfwEbeRWgbNEkqO',
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    ],
  ] as const)('%s', async (_, hash, nonce, serverFirst, clientFinal, serverFinal) => {
    const scram = scramAuthenticator({ username: 'user', password: 'pencil', hash, nonce: () => nonce })
    expect(scram.method).toBe(`SCRAM-${hash}`)
    expect(text(await scram.start(context()))).toBe(`n,,n=user,r=${nonce}`)
    expect(text(await scram.continue(bytes(serverFirst), context()))).toBe(clientFinal)
    expect(() => scram.finish?.(bytes(serverFinal), context())).not.toThrow()
  })

  test.each([
    ['another nonce', 'r=other,s=QSXCR+Q6sek8bf92,i=4096'],
    ['a nonce it did not extend', 'r=abc,s=QSXCR+Q6sek8bf92,i=4096'],
    ['too few iterations', 'r=abcd,s=QSXCR+Q6sek8bf92,i=1'],
    ['too many iterations', 'r=abcd,s=QSXCR+Q6sek8bf92,i=999999999'],
    ['an unknown mandatory extension', 'm=x,r=abcd,s=QSXCR+Q6sek8bf92,i=4096'],
    ['an error', 'e=unknown-user'],
    ['nothing', ''],
  ])('refuses a server that sends %s', async (_, serverFirst) => {
    const scram = scramAuthenticator({ username: 'u', password: 'p', nonce: () => 'abc' })
    await scram.start(context())
    await expect(scram.continue(bytes(serverFirst), context())).rejects.toMatchObject({
      code: 'ERR_MQTT_AUTHENTICATION',
    })
  })

  test('user names are escaped and prepared', async () => {
    const scram = scramAuthenticator({ username: 'a=b,c\u00ad\u2168', password: 'p', nonce: () => 'n' })
    expect(text(await scram.start(context()))).toBe('n,,n=a=3Db=2CcIX,r=n')
    expect(saslprep('I\u00adX', 'x')).toBe('IX')
    expect(saslprep('\u00aa', 'x')).toBe('a')
    expect(() => saslprep('\u0007', 'x')).toThrow(/RFC 4013/)
    expect(() => saslprep('\u0627\u0031', 'x')).toThrow(/RFC 4013/)
  })
})

/** The server's side of SCRAM, with Node's own functions. */
class ScramServer {
  readonly #hash: string
  readonly #password: string
  #clientFirstBare = ''
  #serverFirst = ''

  constructor(hash: string, password: string) {
    this.#hash = hash
    this.#password = password
  }

  first(clientFirst: string): string {
    this.#clientFirstBare = clientFirst.slice(3)
    const nonce = /r=(.*)$/.exec(clientFirst)?.[1]
    this.#serverFirst = `r=${nonce}server,s=${Buffer.from('salt').toString('base64')},i=4096`
    return this.#serverFirst
  }

  /** The last message, or undefined for a wrong proof. */
  final(clientFinal: string): string | undefined {
    const node = this.#hash.replace('-', '').toLowerCase()
    const length = createHash(node).digest().length
    const hmac = (key: Buffer, data: string) => createHmac(node, key).update(data).digest()
    const salted = pbkdf2Sync(this.#password, 'salt', 4096, length, node)
    const bare = clientFinal.replace(/,p=.*$/, '')
    const message = `${this.#clientFirstBare},${this.#serverFirst},${bare}`
    const clientKey = hmac(salted, 'Client Key')
    const signature = hmac(createHash(node).update(clientKey).digest(), message)
    const proof = Buffer.from(clientKey.map((byte, n) => byte ^ (signature[n] ?? 0)))
    if (proof.toString('base64') !== /p=(.*)$/.exec(clientFinal)?.[1]) return undefined
    return `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
  }
}

function setup(authenticator: Authenticator, answer: Answer) {
  const server = new ScriptedServer(answer)
  const clock = new TestClock()
  const options = { transport: server.transport, clientId: 'me', keepAlive: 0, authenticator }
  return { server, clock, client: new Client(options, undefined, clock) }
}

const auth = (method: string, reasonCode: number, data?: string): Packet => ({
  type: 'auth',
  reasonCode,
  properties: {
    authenticationMethod: method,
    ...(data === undefined ? {} : { authenticationData: bytes(data) }),
  },
})

const connack = (method: string, data?: string): Packet => ({
  type: 'connack',
  sessionPresent: false,
  reasonCode: 0,
  properties: {
    authenticationMethod: method,
    ...(data === undefined ? {} : { authenticationData: bytes(data) }),
  },
})

function scramBroker(hash: string, password: string, forge?: string): Answer {
  let exchange = new ScramServer(hash, password)
  let online = false
  return (packet, connection: ScriptedConnection) => {
    const method = `SCRAM-${hash}`
    const data =
      packet.type === 'connect' || packet.type === 'auth' ? text(packet.properties?.authenticationData) : ''
    if (packet.type === 'connect' || (packet.type === 'auth' && packet.reasonCode === 0x19)) {
      online = packet.type === 'auth'
      exchange = new ScramServer(hash, password)
      connection.send(auth(method, 0x18, exchange.first(data)))
    } else if (packet.type === 'auth') {
      const final = exchange.final(data)
      if (final === undefined) {
        connection.send({ type: 'connack', sessionPresent: false, reasonCode: 0x87 })
        connection.end()
      } else connection.send(online ? auth(method, 0, final) : connack(method, forge ?? final))
    } else acceptAll(packet, connection)
  }
}

/** Takes every token. */
function bearerBroker(): Answer {
  return (packet, connection) => {
    if (packet.type === 'connect') connection.send(connack('OAUTHBEARER'))
    else if (packet.type === 'auth') connection.send(auth('OAUTHBEARER', 0))
    else acceptAll(packet, connection)
  }
}

describe('the exchange of a client', () => {
  test.each(['SHA-1', 'SHA-256', 'SHA-512'] as const)('SCRAM-%s, at CONNECT and again', async (hash) => {
    const { client } = setup(
      scramAuthenticator({ username: 'u', password: 'geheim', hash }),
      scramBroker(hash, 'geheim'),
    )
    await client.connect()
    await client.reauthenticate()
    expect(client.connected).toBe(true)
    await client.disconnect()
  })

  test('clients that share an authenticator do not disturb each other', async () => {
    const authenticator = scramAuthenticator({ username: 'u', password: 'geheim' })
    const clients = Array.from({ length: 5 }, () => setup(authenticator, scramBroker('SHA-256', 'geheim')))
    await Promise.all(clients.map(({ client }) => client.connect()))
    await Promise.all(clients.map(({ client }) => client.reauthenticate()))
    await Promise.all(clients.map(({ client }) => client.disconnect()))
  })

  test('a wrong password is refused by the server', async () => {
    const { client } = setup(
      scramAuthenticator({ username: 'u', password: 'falsch' }),
      scramBroker('SHA-256', 'geheim'),
    )
    await expect(client.connect()).rejects.toMatchObject({ reasonCode: 0x87 })
    await client.close()
  })

  test('a server that does not know the password is refused, for good', async () => {
    for (const forge of ['v=AAAA', '']) {
      const { client } = setup(
        scramAuthenticator({ username: 'u', password: 'geheim' }),
        scramBroker('SHA-256', 'geheim', forge),
      )
      const error = (await client.connect().catch((error: unknown) => error)) as MqttError
      expect(error.code).toBe('ERR_MQTT_AUTHENTICATION')
      expect(error.message).not.toContain('geheim')
      expect(client.state).toBe('closed')
    }
  })

  test('nothing is published to a server that has not proved that it knows the password', async () => {
    const make = (forge?: string) => {
      const authenticator = scramAuthenticator({ username: 'u', password: 'geheim' })
      const made = setup(authenticator, scramBroker('SHA-256', 'geheim', forge))
      for (const qos of [0, 1, 2] as const) made.client.publish('a', 'for the right one alone', { qos })
      return made
    }
    const forged = make('v=AAAA')
    await expect(forged.client.connect()).rejects.toMatchObject({ code: 'ERR_MQTT_AUTHENTICATION' })
    await forged.clock.settle()
    expect(forged.server.last.types).toEqual(['connect', 'auth'])

    const right = make()
    await right.client.connect()
    await right.client.flush()
    expect(right.server.last.types).toEqual(['connect', 'auth', 'publish', 'publish', 'publish', 'pubrel'])
    // Neither is it held back for ever, nor on the next connection.
    right.server.last.cut()
    await right.clock.pass(1_000)
    await right.client.publish('a', 'again', { qos: 1 }).acked
    await right.client.disconnect()
  })

  test('a server that skips the exchange is refused', async () => {
    const { client } = setup(
      scramAuthenticator({ username: 'u', password: 'geheim' }),
      (packet, connection) => {
        if (packet.type === 'connect') connection.send(connack('SCRAM-SHA-256'))
      },
    )
    await expect(client.connect()).rejects.toMatchObject({ code: 'ERR_MQTT_AUTHENTICATION' })
  })

  test('an authenticator that fails, or hangs, ends the attempt', async () => {
    const failing = setup(
      {
        method: 'X',
        start: () => {
          throw new Error('no key')
        },
        continue: () => undefined,
      },
      acceptAll,
    )
    await expect(failing.client.connect()).rejects.toThrow(/no key/)
    expect(failing.server.opened).toBe(0)
    expect(failing.client.state).toBe('idle')
    await failing.client.close()

    const hanging = setup(
      { method: 'X', start: () => new Promise(() => {}), continue: () => undefined },
      acceptAll,
    )
    const connecting = hanging.client.connect()
    connecting.catch(() => {})
    await hanging.clock.pass(10_000)
    expect(await outcomeOf(connecting)).toMatchObject({ code: 'ERR_MQTT_TIMEOUT' })
    await hanging.client.close()
  })

  test('a bearer token is replaced before it expires, on the same connection', async () => {
    const tokens: string[] = []
    const clockHolder: { now?: () => number } = {}
    const bearer = bearerAuthenticator({
      renewBeforeMs: 10_000,
      token: () => ({ token: `t${tokens.length}`, expiresAt: (clockHolder.now?.() ?? 0) + 60_000 }),
    })
    const { client, server, clock } = setup(bearer, (packet, connection) => {
      if (packet.type === 'connect' || packet.type === 'auth')
        tokens.push(text(packet.properties?.authenticationData))
      if (packet.type === 'connect') connection.send(connack('OAUTHBEARER'))
      else if (packet.type === 'auth') connection.send(auth('OAUTHBEARER', 0))
      else acceptAll(packet, connection)
    })
    clockHolder.now = () => clock.now()
    await client.connect()
    await clock.pass(125_000)
    expect(tokens).toEqual(['t0', 't1', 't2'].map((token) => `n,,\x01auth=Bearer ${token}\x01\x01`))
    expect(server.opened).toBe(1)
    await client.disconnect()
    expect(clock.virtual.pending).toBe(0)
  })

  test('the expiry of a JSON Web Token is read from it; other methods get the token as it is', async () => {
    const claims = Buffer.from(JSON.stringify({ exp: 2_000_000_000 })).toString('base64url')
    const bearer = bearerAuthenticator({ method: 'OAUTH2-JWT', token: async () => `h.${claims}.s` })
    expect(text(await bearer.start(context()))).toBe(`h.${claims}.s`)
    expect(bearer.renewAt?.()).toBe(2_000_000_000_000 - 60_000)
    const opaque = bearerAuthenticator({ token: () => 'opaque' })
    await opaque.start(context())
    expect(opaque.renewAt?.()).toBeUndefined()
  })

  test('a token that can not be fetched while the network is down is fetched later', async () => {
    let failures = 0
    const bearer = bearerAuthenticator({
      token: () => {
        if (failures-- > 0) throw new Error('fetch failed')
        return 'opaque'
      },
    })
    const { client, server, clock } = setup(bearer, bearerBroker())
    await client.connect()
    failures = 3
    server.last.cut()
    await clock.pass(60_000)
    expect(client.state).toBe('connected')
    expect(client.stats).toMatchObject({ connections: 2, connectFailures: 3 })
    await client.disconnect()
  })

  test('a refused token is followed by another, three times in a row at most', async () => {
    const tokens: string[] = []
    const bearer = bearerAuthenticator({ token: () => `t${tokens.length}` })
    const refused = setup(bearer, (packet, connection) => {
      if (packet.type !== 'connect') return
      tokens.push(text(packet.properties?.authenticationData))
      if (tokens.length === 2) connection.send(connack('OAUTHBEARER'))
      else connection.send({ type: 'connack', sessionPresent: false, reasonCode: 0x87 })
    })
    await expect(refused.client.connect()).rejects.toMatchObject({ reasonCode: 0x87 })
    expect(refused.client.state).toBe('idle')
    await refused.client.connect()
    // Expired, and not renewed in time: the server ends the connection.
    refused.server.last.send({ type: 'disconnect', reasonCode: 0x87 })
    await refused.clock.pass(600_000)
    expect(tokens).toHaveLength(4)
    expect(refused.client.state).toBe('closed')
    expect(await refused.client.closed).toMatchObject({ error: { reasonCode: 0x87 } })
  })

  test('a renewal that fails, or hangs, is reported and tried again', async () => {
    const hang = new Promise<never>(() => {})
    const answers = [() => 'first', () => Promise.reject(new Error('fetch failed')), () => hang, () => 'last']
    const asked: number[] = []
    const holder: { now: () => number } = { now: () => 0 }
    const bearer = bearerAuthenticator({
      renewBeforeMs: 60_000,
      token: async () => {
        const answer = answers[asked.length]
        asked.push(holder.now())
        return { token: (await answer?.()) ?? 'more', expiresAt: holder.now() + 120_000 }
      },
    })
    const { client, server, clock } = setup(bearer, bearerBroker())
    holder.now = () => clock.now()
    const errors: string[] = []
    client.on('error', ({ code, message }) => errors.push(`${code} ${message}`))
    const began = clock.now()
    await client.connect()
    await clock.pass(100_000)
    expect(asked.map((at) => at - began)).toEqual([0, 60_000, 61_000, 73_000])
    expect(errors).toEqual([
      'ERR_MQTT_CONNECT Could not re-authenticate: fetch failed',
      'ERR_MQTT_TIMEOUT No re-authentication within 10000 ms',
    ])
    expect(server.opened).toBe(1)
    await client.disconnect()
    expect(clock.virtual.pending).toBe(0)
  })

  test('a server that does not answer a renewal loses the connection; the next one begins anew', async () => {
    const holder: { now: () => number } = { now: () => 0 }
    const bearer = bearerAuthenticator({
      token: () => ({ token: 'opaque', expiresAt: holder.now() + 120_000 }),
    })
    const { client, server, clock } = setup(bearer, (packet, connection) => {
      if (packet.type === 'connect') connection.send(connack('OAUTHBEARER'))
    })
    holder.now = () => clock.now()
    await client.connect()
    await clock.pass(60_000)
    expect(server.opened).toBe(1)
    await clock.pass(11_000)
    expect(server.opened).toBe(2)
    expect(client.lastError?.message).toContain('No re-authentication within 10000 ms')
    expect(client.connected).toBe(true)
    await client.close()
    expect(clock.virtual.pending).toBe(0)
  })

  test('a token that lives shorter than `renewBeforeMs` is renewed in the middle of its life, an expired one once a minute', async () => {
    const bearer = bearerAuthenticator({ token: () => ({ token: 't', expiresAt: Date.now() + 20_000 }) })
    await bearer.start(context())
    expect((bearer.renewAt?.() ?? 0) - Date.now()).toBeGreaterThan(9_000)
    expect((bearer.renewAt?.() ?? 0) - Date.now()).toBeLessThanOrEqual(10_000)

    let asked = 0
    const holder: { now: () => number } = { now: () => 0 }
    const expired = bearerAuthenticator({
      token: () => {
        asked++
        return { token: 't', expiresAt: holder.now() - 3_600_000 }
      },
    })
    const { client, clock } = setup(expired, bearerBroker())
    holder.now = () => clock.now()
    await client.connect()
    await clock.pass(300_000)
    expect(asked).toBe(6)
    await client.close()
  })

  test('a clock that is set after the start of the process does not delay a renewal', async () => {
    // As of a device that learns the time from the network.
    const dateNow = vi.spyOn(Date, 'now')
    try {
      const tomorrow = performance.timeOrigin + 86_400_000
      dateNow.mockImplementation(() => tomorrow + performance.now())
      let asked = 0
      const renewed = new Promise<void>((resolve) => {
        const token = () => {
          if (++asked === 2) resolve()
          return { token: 't', expiresAt: Date.now() + 3_000 }
        }
        const server = new ScriptedServer(bearerBroker())
        const authenticator = bearerAuthenticator({ token })
        const client = new Client({ transport: server.transport, authenticator })
        onTestFinished(async () => {
          await client.close()
        })
        void client.connect()
      })
      await renewed
    } finally {
      dateNow.mockRestore()
    }
  })

  test.each([4, 3, 'auto'] as const)(
    'no connection is made without the authentication that was asked for: version %s',
    async (protocolVersion) => {
      const server = new ScriptedServer((packet, connection) => {
        if (packet.type !== 'connect') return
        connection.bytes(0x20, 2, 0, packet.protocolVersion === 5 ? 1 : 0)
      })
      const client = new Client({
        transport: server.transport,
        protocolVersion,
        authenticator: bearerAuthenticator({ token: () => 't' }),
      })
      await expect(client.connect()).rejects.toMatchObject({ path: 'authenticator' })
      expect(server.opened).toBe(protocolVersion === 'auto' ? 1 : 0)
    },
  )

  test('re-authentication needs a connection and an authenticator', async () => {
    const server = new ScriptedServer()
    const client = new Client({ transport: server.transport })
    await expect(client.reauthenticate()).rejects.toMatchObject({ code: 'ERR_MQTT_NOT_CONNECTED' })
    await client.connect()
    await expect(client.reauthenticate()).rejects.toMatchObject({ code: 'ERR_MQTT_OPTIONS' })
    await client.close()
  })
})

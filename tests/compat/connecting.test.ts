import {
  CallbackAPIVersion,
  Client,
  MQTTErrorCode,
  MQTTv5,
  MQTTv311,
  ReasonCode,
  ValueError,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { online } from './online.ts'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** Sections 4 and 8 of the contract: how a connection comes about, what a client answers meanwhile, and how it ends. */

const V2 = CallbackAPIVersion.VERSION2
const HOST = '127.0.0.1'
const CONNACK = '20020000'
const CONNACK5 = '2003000000'
const NO_CONN = MQTTErrorCode.MQTT_ERR_NO_CONN

let peer: ScriptedPeer
const clients: Client[] = []

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await peer.close()
})

function make(...args: unknown[]): Client {
  const client = new (Client as unknown as new (...args: unknown[]) => Client)(V2, ...args)
  clients.push(client)
  return client
}

/** Which callbacks have run, with what each was told in short. */
function record(client: Client): string[] {
  const seen: string[] = []
  for (const name of ['on_pre_connect', 'on_socket_open', 'on_socket_close', 'on_connect_fail'] as const) {
    client[name] = () => seen.push(name)
  }
  client.on_connect = (_client, _userdata, _flags, reason) => seen.push(`on_connect ${reason}`)
  client.on_disconnect = (_client, _userdata, flags, reason) => {
    const by = flags.is_disconnect_packet_from_server ? ' by the server' : ''
    seen.push(`on_disconnect ${reason}${by}, connected ${client.is_connected()}`)
  }
  return seen
}

/** The other side of a connection whose CONNECT has been read. */
async function accepted(): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  return connection
}

/** Loops by hand until something has happened; what loop() gave last. */
async function until(client: Client, happened: () => boolean): Promise<number> {
  let rc = 0
  while (!happened()) rc = await client.loop(0.05)
  return rc
}

describe('answers without a connection', () => {
  const states: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
    new: async () => undefined,
    'to be connected': async (client) => client.connect_async(HOST, peer.port),
    'connecting in vain': (client) => client.connect(HOST, 1).catch(() => undefined),
    lost: async (client) => {
      await client.connect(HOST, peer.port)
      ;(await peer.accept()).destroy()
      await until(client, () => client.socket() === null)
    },
    disconnected: async (client) => {
      await client.connect(HOST, peer.port)
      client.disconnect()
    },
  }

  test.each(Object.keys(states))('%s', async (state) => {
    const client = make()
    await states[state]?.(client)
    const gone = client.publish('a')
    const kept = client.publish('a', 'x', 1)
    expect([gone.rc, kept.rc]).toEqual([NO_CONN, NO_CONN])
    expect([client.subscribe('a'), client.unsubscribe('a')]).toEqual([
      [NO_CONN, null],
      [NO_CONN, null],
    ])
    expect([client.loop_read(), client.loop_write(), client.loop_misc()]).toEqual([NO_CONN, NO_CONN, NO_CONN])
    expect(await client.loop_stop()).toBe(MQTTErrorCode.MQTT_ERR_INVAL)
    expect([client.ack(1, 1), client.socket(), client.is_connected(), client.want_write()]).toEqual([
      0,
      null,
      false,
      false,
    ])
    expect(await client.loop()).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect(client.disconnect()).toBe(NO_CONN)
    // Closed: settings can be changed.
    client.port = 7
    expect(client.port).toBe(7)
  })
})

describe('reconnect()', () => {
  test('needs a place', async () => {
    await expect(make().reconnect()).rejects.toThrow(ValueError)
  })

  test('drops what is open and what was not written, and takes no part of a packet along', async () => {
    const client = make()
    client.on_socket_register_write = () => undefined
    const seen = record(client)
    await client.connect(HOST, peer.port)
    client.loop_write()
    const first = await accepted()
    first.send(`${CONNACK}3005`)
    await until(client, () => client.is_connected())
    const lost = client.publish('a', '0')
    const waiting = expect(lost.wait_for_publish()).rejects.toThrow('connection was lost')
    seen.length = 0
    expect(await client.reconnect()).toBe(0)
    expect(seen).toEqual(['on_socket_close', 'on_pre_connect', 'on_socket_open'])
    await waiting
    expect(lost.rc).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect(() => lost.is_published()).toThrow()
    client.loop_write()
    const second = await accepted()
    second.send(CONNACK)
    await until(client, () => client.is_connected())
    client.loop_write()
    expect(second.unread).toBe('')
  })

  test('that can not connect rejects, and no callback tells', async () => {
    const client = make()
    const seen = record(client)
    await expect(client.connect(HOST, 1)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(client.reconnect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(seen).toEqual(['on_pre_connect', 'on_pre_connect'])
  })
})

describe('while connect() is pending', () => {
  test('disconnect() means CONNECT, what was queued, DISCONNECT', async () => {
    const client = make('c')
    const seen = record(client)
    const opening = client.connect(HOST, peer.port)
    client.publish('a', '1')
    expect(client.disconnect()).toBe(0)
    expect(await opening).toBe(0)
    const connection = await accepted()
    connection.send(CONNACK)
    expect(await connection.packet()).toBe(publish3('a', '1'))
    expect(await connection.packet()).toBe('e000')
    expect(seen.at(-2)).toBe('on_disconnect Normal disconnection, connected false')
  })

  test('disconnect() with nothing queued does not wait for CONNACK', async () => {
    const client = make('c')
    const opening = client.connect(HOST, peer.port)
    client.disconnect()
    await opening
    const connection = await accepted()
    expect(await connection.packet()).toBe('e000')
  })

  test('attempts of the loop are another matter', async () => {
    const client = make()
    client.connect_async(HOST, peer.port)
    const answers = new Promise<unknown[]>((resolve) => {
      client.on_pre_connect = () => {
        setImmediate(() => resolve([client.publish('a').rc, client.subscribe('a'), client.disconnect()]))
      }
    })
    client.loop_start()
    expect(await answers).toEqual([NO_CONN, [NO_CONN, null], NO_CONN])
  })
})

describe('clean start of MQTT 5', () => {
  const flag = (packet: string): boolean => (Number.parseInt(packet.slice(18, 20), 16) & 2) !== 0

  test.each([
    [3, [true, true, false, true]],
    [true, [true, true, true, true]],
    [false, [false, false, false, false]],
  ] as const)(
    '%s: until the first CONNACK after connect(), and connect() starts over',
    async (clean_start, flags) => {
      const client = make('c', { protocol: MQTTv5 })
      const seen: boolean[] = []
      const connect = async (): Promise<void> => {
        await client.connect(HOST, peer.port, { clean_start })
      }
      // No CONNACK; refused by none; after one; and anew.
      for (const open of [connect, () => client.reconnect(), () => client.reconnect(), connect]) {
        await open()
        const connection = await peer.accept()
        seen.push(flag(await connection.packet()))
        if (seen.length === 2) {
          connection.send(CONNACK5)
          await until(client, () => client.is_connected())
        }
      }
      expect(seen).toEqual(flags)
    },
  )
})

describe('CONNACK', () => {
  test('of a wrong length is a protocol error', async () => {
    const client = make()
    const seen = record(client)
    await client.connect(HOST, peer.port)
    ;(await accepted()).send('2003000000')
    expect(await until(client, () => client.socket() === null)).toBe(MQTTErrorCode.MQTT_ERR_PROTOCOL)
    expect(seen.slice(-2)).toEqual(['on_socket_close', 'on_disconnect Unspecified error, connected false'])
  })

  test('code 1 without leave to reconnect is a protocol error without on_connect', async () => {
    const client = make({ reconnect_on_failure: false })
    const seen = record(client)
    await client.connect(HOST, peer.port)
    ;(await accepted()).send('20020001')
    expect(await until(client, () => client.socket() === null)).toBe(MQTTErrorCode.MQTT_ERR_PROTOCOL)
    expect(seen.slice(2)).toEqual(['on_socket_close', 'on_disconnect Unspecified error, connected false'])
  })

  test.each([
    ['', MQTTv311, '20020003', 'Server unavailable', MQTTErrorCode.MQTT_ERR_CONN_REFUSED],
    ['c', MQTTv311, '20020002', 'Client identifier not valid', MQTTErrorCode.MQTT_ERR_CONN_REFUSED],
    ['', MQTTv311, '20020005', 'Not authorized', MQTTErrorCode.MQTT_ERR_CONN_REFUSED],
    ['', MQTTv5, '2003008700', 'Not authorized', MQTTErrorCode.MQTT_ERR_PROTOCOL],
    ['', MQTTv5, '20020001', 'Unsupported protocol version', MQTTErrorCode.MQTT_ERR_PROTOCOL],
    ['', MQTTv5, '20020003', 'Server unavailable', MQTTErrorCode.MQTT_ERR_PROTOCOL],
    ['', MQTTv5, '20020005', 'Not authorized', MQTTErrorCode.MQTT_ERR_PROTOCOL],
  ] as const)('%j with protocol %d refused with %s: %s', async (id, protocol, connack, reason, code) => {
    const client = make(id, { protocol })
    const seen = record(client)
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(connack)
    expect(await until(client, () => client.socket() === null)).toBe(code)
    expect(seen.slice(2)).toEqual([
      `on_connect ${reason}`,
      'on_socket_close',
      'on_disconnect Unspecified error, connected false',
    ])
    // Locked: the program may try again.
    expect(() => {
      client.port = 7
    }).toThrow()
  })

  test('a refusal is tried again by the loop', async () => {
    const client = make()
    client.reconnect_delay_set(0.01)
    client.loop_start()
    await client.connect(HOST, peer.port)
    ;(await accepted()).send('20020003')
    ;(await accepted()).send(CONNACK)
    while (!client.is_connected()) await new Promise(setImmediate)
  })
})

describe('waits between attempts', () => {
  test('also the first after a loss waits, a TCP connection alone does not reset them, and CONNACK does', async () => {
    const client = make()
    client.reconnect_delay_set({ min_delay: 0.05, max_delay: 10 })
    const times: number[] = []
    client.on_pre_connect = () => times.push(performance.now())
    const first = await online(client, peer)
    first.destroy()
    let lost = performance.now()
    for (let count = 0; count < 4; count++) (await accepted()).destroy()
    const last = await accepted()
    const waits = times.slice(1).map((time, at) => time - (at === 0 ? lost : times[at]!))
    for (const [at, least] of [50, 100, 200, 400, 800].entries()) expect(waits[at]).toBeGreaterThan(least - 2)
    last.send(CONNACK)
    while (!client.is_connected()) await new Promise(setImmediate)
    last.destroy()
    lost = performance.now()
    await accepted()
    // Doubling on would have made it 1600.
    expect(times[6]! - lost).toBeLessThan(1500)
  })

  test('reconnect_delay_set() forgets the wait that has been reached', async () => {
    const client = make()
    let failures = 0
    client.on_connect_fail = () => {
      client.reconnect_delay_set(0.05, 10)
      failures += 1
      if (failures === 6) client.disconnect()
    }
    client.reconnect_delay_set(0.05, 10)
    client.connect_async(HOST, 1)
    const start = performance.now()
    await client.loop_forever(1, true)
    // Doubling on would have made it 50 + 100 + 200 + 400 + 800.
    expect(performance.now() - start).toBeLessThan(1400)
  })

  test.each(['disconnect', 'loop_stop'] as const)('%s() ends a wait at once', async (how) => {
    const client = make()
    client.reconnect_delay_set(30)
    const connection = await online(client, peer)
    const ended = new Promise((resolve) => {
      client.on_disconnect = resolve
    })
    connection.destroy()
    await ended
    const start = performance.now()
    if (how === 'disconnect') client.disconnect()
    await client.loop_stop()
    expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe('ends', () => {
  test('SocketLike.close() is a lost connection: closed first, then told', async () => {
    const client = make()
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(CONNACK)
    await until(client, () => client.is_connected())
    const seen = record(client)
    client.socket()?.close()
    expect(await until(client, () => client.socket() === null)).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect(seen).toEqual(['on_socket_close', 'on_disconnect Unspecified error, connected false'])
  })

  test('lost after disconnect() and before DISCONNECT was written: a normal one', async () => {
    const client = make()
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    await until(client, () => client.is_connected())
    client.on_socket_register_write = () => undefined
    const seen = record(client)
    expect(client.disconnect()).toBe(0)
    expect(seen).toEqual([])
    connection.destroy()
    await new Promise((resolve) => client.socket()?.once('readable', resolve))
    client.loop_read()
    expect(seen).toEqual(['on_socket_close', 'on_disconnect Normal disconnection, connected false'])
  })

  test.each([
    ['an unknown packet type', '0000'],
    ['a length of more than four bytes', '30ffffffff01'],
    ['AUTH', 'f000'],
    ['DISCONNECT before MQTT 5', 'e000'],
    ['a wrong length', '4001 00'],
    ['QoS 3', '3603 0001 61'],
    ['an empty topic', '3003 0000 61'],
    ['PINGREQ, which only clients send', 'c000'],
    ['a topic that is not UTF-8', '3003 0001 ff'],
  ])('%s is a protocol error', async (_what, packet) => {
    const client = make()
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    await until(client, () => client.is_connected())
    const seen = record(client)
    connection.send(packet)
    expect(await until(client, () => client.socket() === null)).toBe(MQTTErrorCode.MQTT_ERR_PROTOCOL)
    expect(seen).toEqual(['on_socket_close', 'on_disconnect Unspecified error, connected false'])
  })

  test('properties that can not be parsed, and an alias that nobody gave', async () => {
    for (const packet of ['3006 0001 61 02 01 02', '3006 0000 03 23 0001']) {
      const client = make('', { protocol: MQTTv5 })
      await client.connect(HOST, peer.port)
      const connection = await accepted()
      connection.send(CONNACK5)
      await until(client, () => client.is_connected())
      connection.send(packet)
      expect(await until(client, () => client.socket() === null)).toBe(MQTTErrorCode.MQTT_ERR_PROTOCOL)
    }
  })

  test.each([
    ['e000', 'Normal disconnection'],
    ['e0018b', 'Server shutting down'],
    ['e0028b00', 'Server shutting down'],
  ])('DISCONNECT of the broker %s: told, and the loop connects again', async (packet, reason) => {
    const client = make('', { protocol: MQTTv5 })
    client.reconnect_delay_set(0.01)
    const connection = await online(client, peer, CONNACK5)
    const seen = record(client)
    connection.send(packet)
    await accepted()
    expect(seen.slice(0, 3)).toEqual([
      'on_socket_close',
      `on_disconnect ${reason} by the server, connected false`,
      'on_pre_connect',
    ])
  })

  test('a client can be connected again after any of them', async () => {
    const client = make()
    const first = await online(client, peer)
    client.disconnect()
    expect(await first.packet()).toBe('e000')
    await client.loop_stop()
    const second = await online(client, peer)
    client.publish('still', 'here')
    expect(await second.packet()).toBe(publish3('still', 'here'))
  })

  test('a reason and is_connected() inside on_disconnect of disconnect()', async () => {
    const client = make('', { protocol: MQTTv5 })
    const connection = await online(client, peer, CONNACK5)
    const seen = record(client)
    client.disconnect(new ReasonCode(14, 'Disconnect with will message'))
    expect(await connection.packet()).toBe('e00104')
    await client.loop_stop()
    expect(seen).toEqual(['on_disconnect Normal disconnection, connected false', 'on_socket_close'])
  })
})

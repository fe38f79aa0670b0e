import { Socket } from 'node:net'
import {
  CallbackAPIVersion,
  Client,
  ConnectFlags,
  DisconnectFlags,
  MQTTErrorCode,
  MQTTMessage,
  MQTTv5,
  MQTTv31,
  MQTTv311,
  Properties,
  ReasonCode,
  type SocketLike,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

const V1 = CallbackAPIVersion.VERSION1
const V2 = CallbackAPIVersion.VERSION2
const CONNACK = '20020000'
const CALLBACKS = [
  'on_log',
  'on_pre_connect',
  'on_connect',
  'on_connect_fail',
  'on_subscribe',
  'on_message',
  'on_publish',
  'on_unsubscribe',
  'on_disconnect',
  'on_socket_open',
  'on_socket_close',
  'on_socket_register_write',
  'on_socket_unregister_write',
] as const
const HOST = '127.0.0.1'

let peer: ScriptedPeer
let client: Client

beforeEach(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  peer = await ScriptedPeer.listen()
  client = new Client(V2)
})

afterEach(async () => {
  client.disconnect()
  await peer.close()
})

/** The other side of a connection whose CONNECT has been read. */
async function accepted(): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  return connection
}

/** The packet identifier of a SUBSCRIBE or UNSUBSCRIBE. */
function idOf(packet: string): string {
  return packet.slice(4, 8)
}

/** Loops until something has happened. */
async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await client.loop(0.05).catch(() => undefined)
}

/** A value for comparing: classes by name with what they show. */
function shown(value: unknown): unknown {
  if (value instanceof ReasonCode) return `ReasonCode ${value}`
  if (value instanceof Properties) return `Properties ${value}`
  if (value instanceof ConnectFlags) return `ConnectFlags ${value.session_present}`
  if (value instanceof DisconnectFlags) return `DisconnectFlags ${value.is_disconnect_packet_from_server}`
  return Array.isArray(value) ? value.map(shown) : value
}

const rich = {
  connack: '20 0b 00 00 08 1f 0005 68656c6c6f',
  suback: '90 06 0001 00 01 87 00',
  unsuback: 'b0 04 0002 00 11',
  puback: '40 03 0003 10',
  disconnect: 'e0 02 8b 00',
}
const plain = {
  connack: CONNACK,
  suback: '90 05 0001 01 80 00',
  unsuback: 'b0 02 0002',
  puback: '40 02 0003',
  disconnect: '',
}

describe('arguments', () => {
  const tables = [
    [
      V1,
      MQTTv311,
      [
        ['on_connect', { 'session present': 0 }, 0],
        ['on_subscribe', 1, [1, 128, 0]],
        ['on_unsubscribe', 2],
        ['on_publish', 3],
        ['on_disconnect', MQTTErrorCode.MQTT_ERR_CONN_LOST],
      ],
    ],
    [
      V1,
      MQTTv5,
      [
        ['on_connect', { 'session present': 0 }, 'ReasonCode Success', 'Properties [ReasonString : hello]'],
        [
          'on_subscribe',
          1,
          ['ReasonCode Granted QoS 1', 'ReasonCode Not authorized', 'ReasonCode Granted QoS 0'],
          'Properties []',
        ],
        ['on_unsubscribe', 2, 'Properties []', 'ReasonCode No subscription found'],
        ['on_publish', 3],
        ['on_disconnect', 'ReasonCode Server shutting down', 'Properties []'],
      ],
    ],
    [
      V2,
      MQTTv311,
      [
        ['on_connect', 'ConnectFlags false', 'ReasonCode Success', 'Properties []'],
        [
          'on_subscribe',
          1,
          ['ReasonCode Granted QoS 1', 'ReasonCode Unspecified error', 'ReasonCode Granted QoS 0'],
          'Properties []',
        ],
        ['on_unsubscribe', 2, [], 'Properties []'],
        ['on_publish', 3, 'ReasonCode Success', 'Properties []'],
        ['on_disconnect', 'DisconnectFlags false', 'ReasonCode Unspecified error', 'Properties []'],
      ],
    ],
    [
      V2,
      MQTTv5,
      [
        ['on_connect', 'ConnectFlags false', 'ReasonCode Success', 'Properties [ReasonString : hello]'],
        [
          'on_subscribe',
          1,
          ['ReasonCode Granted QoS 1', 'ReasonCode Not authorized', 'ReasonCode Granted QoS 0'],
          'Properties []',
        ],
        ['on_unsubscribe', 2, ['ReasonCode No subscription found'], 'Properties []'],
        ['on_publish', 3, 'ReasonCode No matching subscribers', 'Properties []'],
        ['on_disconnect', 'DisconnectFlags true', 'ReasonCode Server shutting down', 'Properties []'],
      ],
    ],
  ] as const
  // MQTT 3.1 has those of 3.1.1.
  const rows = tables.flatMap(([version, protocol, expected]) =>
    (protocol === MQTTv5 ? ([MQTTv5] as const) : ([MQTTv31, MQTTv311] as const)).map(
      (one) => [version, one, expected] as const,
    ),
  )

  test.each(rows.map(([version, protocol]) => [version, protocol] as const))(
    'callback version %d with protocol %d: those that are the same in all',
    async (version, protocol) => {
      client = new Client(version, { protocol, userdata: 'mine' })
      const seen = new Map<string, unknown[]>()
      for (const name of CALLBACKS) {
        client[name] = function (this: unknown, first, userdata, ...args) {
          expect([this, first, userdata]).toEqual([client, client, 'mine'])
          seen.set(name, args)
          if (name === 'on_connect_fail') client.disconnect()
          if (name === 'on_socket_register_write') setImmediate(() => client.loop_write())
        }
      }
      await client.connect(HOST, peer.port)
      const socket = client.socket()
      const connection = await accepted()
      connection.send(protocol === MQTTv5 ? rich.connack : CONNACK)
      connection.send(protocol === MQTTv5 ? '3005 0001 74 00 78' : publish3('t', 'x'))
      while (!seen.has('on_message')) await client.loop(0.05)
      connection.destroy()
      while (!seen.has('on_disconnect')) await client.loop(0.05)
      client.connect_async(HOST, 1)
      await client.loop_forever({ retry_first_connection: true })
      expect(seen.get('on_pre_connect')).toEqual([])
      expect(seen.get('on_connect_fail')).toEqual([])
      for (const name of ['open', 'close', 'register_write', 'unregister_write']) {
        expect(seen.get(`on_socket_${name}`)).toEqual([socket])
      }
      expect(seen.get('on_message')).toEqual([expect.any(MQTTMessage)])
      expect(seen.get('on_log')).toEqual([expect.any(Number), expect.any(String)])
    },
  )

  test.each(rows)('callback version %d with protocol %d', async (version, protocol, expected) => {
    client = new Client(version, { protocol, userdata: 'mine' })
    const answers = protocol === MQTTv5 ? rich : plain
    const seen: unknown[][] = []
    for (const name of [
      'on_connect',
      'on_subscribe',
      'on_unsubscribe',
      'on_publish',
      'on_disconnect',
    ] as const) {
      client[name] = function (this: unknown, first, userdata, ...args) {
        expect([this, first, userdata]).toEqual([client, client, 'mine'])
        seen.push([name, ...args.map(shown)])
      }
    }
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(answers.connack)
    await until(() => seen.length === 1)
    const list = ['a', 'b', 'c'].map((topic) => [topic, 1] as [string, number])
    expect(client.subscribe(list)).toEqual([0, 1])
    connection.send(answers.suback.replace('0001', idOf(await connection.packet())))
    await until(() => seen.length === 2)
    client.unsubscribe('a')
    connection.send(answers.unsuback.replace('0002', idOf(await connection.packet())))
    await until(() => seen.length === 3)
    client.publish('a', 'x', 1)
    connection.send(answers.puback.replace('0003', (await connection.packet()).slice(10, 14)))
    await until(() => seen.length === 4)
    if (protocol === MQTTv5) connection.send(answers.disconnect)
    else connection.destroy()
    await until(() => seen.length === 5)
    expect(seen).toEqual(expected)
  })

  test('a broker that knows no MQTT 5', async () => {
    for (const [version, properties] of [
      [V1, null],
      [V2, 'Properties []'],
    ] as const) {
      client = new Client(version, { protocol: MQTTv5 })
      const seen: unknown[] = []
      client.on_connect = (_client, _userdata, _flags, reason, properties) => {
        seen.push(shown(reason), shown(properties))
      }
      await client.connect(HOST, peer.port)
      ;(await accepted()).send('20020001')
      await until(() => seen.length > 0)
      expect(seen).toEqual(['ReasonCode Unsupported protocol version', properties])
    }
  })

  test('QoS 2 that is refused with PUBREC is finished by it', async () => {
    client = new Client(V2, { protocol: MQTTv5 })
    const seen: unknown[] = []
    client.on_publish = (_client, _userdata, ...args) => {
      seen.push(args.map(shown))
    }
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send('2003000000')
    await until(() => client.is_connected())
    const info = client.publish('a', 'x', 2)
    await connection.packet()
    connection.send('50 03 0001 97')
    await until(() => seen.length > 0)
    expect(seen).toEqual([[1, 'ReasonCode Quota exceeded', 'Properties []']])
    expect(info.is_published()).toBe(true)
  })
})

describe('order', () => {
  const names = [
    'on_pre_connect',
    'on_socket_open',
    'on_socket_register_write',
    'on_socket_unregister_write',
    'on_socket_close',
    'on_connect',
    'on_disconnect',
    'on_message',
  ] as const

  function record(): string[] {
    const seen: string[] = []
    for (const name of names) client[name] = () => seen.push(name.slice(3))
    return seen
  }

  async function recorded(): Promise<[string[], PeerConnection]> {
    const seen = record()
    client.on_socket_register_write = null
    client.on_socket_unregister_write = null
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    await until(() => client.is_connected())
    expect(seen.splice(0)).toEqual(['pre_connect', 'socket_open', 'connect'])
    return [seen, connection]
  }

  test('disconnect(): told before the socket is closed, inside the call', async () => {
    const [seen, connection] = await recorded()
    expect(client.disconnect()).toBe(0)
    expect(seen).toEqual(['disconnect', 'socket_close'])
    expect(client.socket()).toBeNull()
    expect(await connection.packet()).toBe('e000')
    expect(client.disconnect()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
  })

  test('a lost connection: closed before it is told', async () => {
    const [seen, connection] = await recorded()
    connection.end()
    await until(() => seen.length === 2)
    expect(seen).toEqual(['socket_close', 'disconnect'])
    expect(client.is_connected()).toBe(false)
    expect(client.loop_read()).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    expect(await client.loop()).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
  })

  test('a refusal', async () => {
    const seen = record()
    client.on_socket_register_write = null
    await client.connect(HOST, peer.port)
    ;(await accepted()).send('20020005')
    expect(await client.loop()).toBe(MQTTErrorCode.MQTT_ERR_CONN_REFUSED)
    expect(seen).toEqual(['pre_connect', 'socket_open', 'connect', 'socket_close', 'disconnect'])
  })

  test('a protocol error', async () => {
    const [seen, connection] = await recorded()
    connection.send('f000')
    expect(await client.loop()).toBe(MQTTErrorCode.MQTT_ERR_PROTOCOL)
    expect(seen).toEqual(['socket_close', 'disconnect'])
  })

  test('dropped by another connect(): no on_disconnect', async () => {
    const [seen] = await recorded()
    const promise = client.connect(HOST, peer.port)
    expect(seen).toEqual(['socket_close', 'pre_connect'])
    await promise
    expect(seen).toEqual(['socket_close', 'pre_connect', 'socket_open'])
  })

  test('dropped by reinitialise(), which makes everything new', async () => {
    const [seen] = await recorded()
    client.reinitialise('other')
    expect(seen).toEqual(['socket_close'])
    expect([client.on_message, client.host, client.publish('a').mid]).toEqual([null, '', 1])
  })

  test('an attempt that is abandoned for another resolves with MQTT_ERR_NO_CONN', async () => {
    const first = client.connect(HOST, peer.port)
    const second = client.connect(HOST, peer.port)
    expect(await first).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    expect(await second).toBe(0)
  })

  test('an event loop of the program: registered and unregistered in turn, nothing written but by loop_write()', async () => {
    const seen = record()
    let socket: SocketLike | undefined
    client.on_socket_open = (_client, _userdata, sock: SocketLike) => {
      socket = sock
      seen.push('socket_open')
    }
    await client.connect(HOST, peer.port)
    expect(seen.splice(0)).toEqual(['pre_connect', 'socket_open', 'socket_register_write'])
    expect(client.want_write()).toBe(true)
    expect(client.socket()).toBe(socket)
    const connection = await peer.accept()
    expect(client.loop_write()).toBe(0)
    expect(seen.splice(0)).toEqual(['socket_unregister_write'])
    await connection.packet()
    expect(client.want_write()).toBe(false)
    connection.send(CONNACK + publish3('a', '1', 1, 7))
    await new Promise((resolve) => socket?.once('readable', resolve))
    expect(client.loop_read()).toBe(0)
    expect(seen.splice(0)).toEqual(['connect', 'message', 'socket_register_write'])
    client.publish('b')
    expect(seen).toEqual([])
    expect(client.loop_misc()).toBe(0)
    client.loop_write()
    expect(seen.splice(0)).toEqual(['socket_unregister_write'])
    expect(await connection.packet()).toBe('40020007')
    expect(await connection.packet()).toBe(publish3('b', ''))
    client.disconnect()
    expect(seen.splice(0)).toEqual(['socket_register_write'])
    client.loop_write()
    expect(seen).toEqual(['disconnect', 'socket_unregister_write', 'socket_close'])
  })

  test('readable comes again as long as there is something to read', async () => {
    let misc: NodeJS.Timeout | undefined
    const read = vi.fn(() => client.loop_read())
    const write = (): number => client.loop_write()
    const closed = vi.fn()
    client.on_socket_open = (_client, _userdata, sock: SocketLike) => {
      sock.on('readable', read)
      sock.on('close', closed)
      misc = setInterval(() => client.loop_misc(), 1000)
    }
    client.on_socket_close = (_client, _userdata, sock: SocketLike) => {
      sock.off('readable', read)
      clearInterval(misc)
    }
    client.on_socket_register_write = (_client, _userdata, sock: SocketLike) => sock.on('writable', write)
    client.on_socket_unregister_write = (_client, _userdata, sock: SocketLike) => sock.off('writable', write)
    const got = new Promise<void>((resolve) => {
      client.on_message = (_client, _userdata, message) => {
        if (message.mid === 2) {
          client.disconnect()
          resolve()
        }
      }
    })
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    connection.send(publish3('a', '1', 1, 1))
    expect(await connection.packet()).toBe('40020001')
    connection.send(publish3('a', '1', 1, 2))
    await got
    let packet = ''
    while (packet !== 'closed') {
      packet = await connection.packet()
      expect(['40020002', 'e000', 'closed']).toContain(packet)
    }
    expect(closed).toHaveBeenCalledOnce()
    expect(client.socket()).toBeNull()
  })
})

describe('direct mode and loops', () => {
  test('without a loop on_publish of QoS 0 runs inside publish()', async () => {
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(CONNACK)
    await until(() => client.is_connected())
    const seen = vi.fn()
    client.on_publish = seen
    const info = client.publish('a')
    expect(seen).toHaveBeenCalledOnce()
    expect(info.is_published()).toBe(true)
  })

  test('under loop_start() no callback runs inside publish() or disconnect()', async () => {
    client.loop_start()
    expect(client.loop_start()).toBe(MQTTErrorCode.MQTT_ERR_INVAL)
    const connect = new Promise((resolve) => {
      client.on_connect = resolve
    })
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(CONNACK)
    await connect
    const seen: string[] = []
    const ended = new Promise<void>((resolve) => {
      client.on_disconnect = () => {
        seen.push('disconnect')
        resolve()
      }
    })
    client.on_publish = () => seen.push('publish')
    client.publish('a')
    client.disconnect()
    expect(seen).toEqual([])
    await ended
    expect(seen).toEqual(['publish', 'disconnect'])
  })

  test('loop_stop() waits for acknowledgements, and the connection stays open', async () => {
    client.loop_start()
    const connect = new Promise((resolve) => {
      client.on_connect = resolve
    })
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    await connect
    client.publish('a', 'x', 1)
    let stopped = false
    const stop = client.loop_stop().then((rc) => {
      stopped = true
      return rc
    })
    await connection.packet()
    expect(stopped).toBe(false)
    connection.send('40020001')
    expect(await stop).toBe(0)
    expect(client.socket()).not.toBeNull()
    expect(await client.loop_stop()).toBe(MQTTErrorCode.MQTT_ERR_INVAL)
    client.disconnect()
    expect(await connection.packet()).toBe('e000')
  })

  test('loop_forever() rejects with what a callback throws, and can be called again', async () => {
    client.on_connect = () => {
      throw new Error('mine')
    }
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    await expect(client.loop_forever()).rejects.toThrow('mine')
    expect(client.is_connected()).toBe(true)
    const loop = client.loop_forever()
    client.disconnect()
    expect(await loop).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
  })

  test('an async callback that rejects does so as well', async () => {
    client.on_connect = async () => {
      await Promise.resolve()
      throw new Error('later')
    }
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(CONNACK)
    await expect(client.loop_forever()).rejects.toThrow('later')
  })

  test('connect_async() and loop_start(): retried until it works, on_connect_fail each time', async () => {
    const { port } = peer
    await peer.close()
    client.reconnect_delay_set({ min_delay: 0.01, max_delay: 0.02 })
    let fails = 0
    const failed = new Promise<void>((resolve) => {
      client.on_connect_fail = () => {
        fails += 1
        if (fails === 3) resolve()
      }
    })
    client.connect_async(HOST, port)
    client.loop_start()
    await failed
    expect(client.publish('a').rc).toBe(MQTTErrorCode.MQTT_ERR_NO_CONN)
    expect(await client.loop_stop()).toBe(0)
    peer = await ScriptedPeer.listen()
  })

  test('reconnect_delay_set(): the wait doubles up to its longest', async () => {
    client.reconnect_delay_set({ min_delay: 0.02, max_delay: 0.05 })
    const times: number[] = []
    client.on_connect_fail = () => {
      times.push(performance.now())
      if (times.length === 7) client.disconnect()
    }
    client.connect_async(HOST, 1)
    await client.loop_forever({ retry_first_connection: true })
    const waits = times.slice(1).map((time, at) => time - (times[at] as number))
    // A timer may be late, never early; a millisecond is its grain.
    for (const [at, least] of [20, 40, 50, 50, 50, 50].entries())
      expect(waits[at]).toBeGreaterThan(least - 1.5)
    // Doubling on would have made it 80 + 160 + 320 + 640.
    expect(waits.slice(2).reduce((sum, wait) => sum + wait)).toBeLessThan(1000)
  })

  test('loop_forever() rejects when the first connection fails, unless told to retry', async () => {
    const { port } = peer
    await peer.close()
    client.on_connect_fail = vi.fn()
    client.connect_async(HOST, port)
    await expect(client.loop_forever()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(client.on_connect_fail).toHaveBeenCalledOnce()
    peer = await ScriptedPeer.listen()
  })

  test('loop_forever() without reconnect_on_failure ends with the code of the end', async () => {
    client = new Client(V2, { reconnect_on_failure: false })
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send('20020005')
    expect(await client.loop_forever()).toBe(MQTTErrorCode.MQTT_ERR_CONN_REFUSED)
  })

  test('wrong arguments of what returns a promise are rejections', async () => {
    await expect(client.loop_forever()).rejects.toThrow()
    await expect(client.loop(-1)).rejects.toThrow()
    await expect(client.reconnect()).rejects.toThrow()
    await expect(client.connect('')).rejects.toThrow()
    await expect(client.connect('h', { clean_start: true })).rejects.toThrow()
  })

  test('an exception under loop_start() arrives where uncaught exceptions arrive, and ends the loop', async () => {
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const caught = new Promise<Error>((resolve) => {
      process.once('uncaughtException', resolve)
    })
    client.on_connect = () => {
      throw new Error('thrown')
    }
    client.loop_start()
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(CONNACK)
    const error = await caught
    for (const listener of others) process.on('uncaughtException', listener)
    expect(error.message).toBe('thrown')
    expect(client.loop_start()).toBe(0)
  })
})

describe('decorators and subclasses', () => {
  test.each(CALLBACKS)('that of %s sets it and returns the function', (name) => {
    const callback = (): void => undefined
    const decorate = client[`${name.slice('on_'.length)}_callback` as 'log_callback']
    expect(decorate.call(client)(callback)).toBe(callback)
    expect(client[name]).toBe(callback)
    client[name] = null
    expect(new Client(V2)[name]).toBeNull()
  })

  test('topic_callback() sets one for a filter', () => {
    const callback = (): void => undefined
    expect(client.topic_callback('a/#')(callback)).toBe(callback)
  })

  test('a subclass may have callbacks as methods', async () => {
    const seen: unknown[] = []
    class Mine extends Client {}
    Object.assign(Mine.prototype, {
      on_connect(
        this: Client,
        _client: Client,
        _userdata: unknown,
        _flags: ConnectFlags,
        reason: ReasonCode,
      ) {
        seen.push(this === client, String(reason))
      },
    })
    client = new Mine(V2)
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(CONNACK)
    await until(() => seen.length > 0)
    expect(seen).toEqual([true, 'Success'])
  })
})

describe('log', () => {
  test('lines of a small conversation go to on_log and to the logger', async () => {
    const lines: string[] = []
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
    client = new Client(V2, 'c')
    client.enable_logger(logger)
    client.on_log = (_client, _userdata, level, line) => {
      expect(level).toBe(16)
      lines.push(line)
    }
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    await until(() => client.is_connected())
    client.subscribe('a', 1)
    connection.send('9003000101')
    connection.send(publish3('t', '1234567', 1, 9))
    await until(() => lines.some((line) => line.startsWith('Sending PUBACK')))
    client.publish('t', '1234567')
    client.publish('t')
    client.disconnect()
    expect(lines).toEqual([
      "Sending CONNECT (u0, p0, wr0, wq0, wf0, c1, k60) client_id='c'",
      'Received CONNACK (0, 0)',
      "Sending SUBSCRIBE (d0, m1) [('a', 1)]",
      'Received SUBACK',
      "Received PUBLISH (d0, q1, r0, m9), 't', ...  (7 bytes)",
      'Sending PUBACK (Mid: 9)',
      "Sending PUBLISH (d0, q0, r0, m2), 't', ... (7 bytes)",
      "Sending PUBLISH (d0, q0, r0, m3), 't' (NULL payload)",
      'Sending DISCONNECT',
    ])
    expect(logger.debug.mock.calls.flat()).toEqual(lines)
    client.disable_logger()
    expect(client.logger).toBeNull()
  })

  test.each([
    ['a refused version', '', '20020001', 'Received CONNACK (0, 1), attempting downgrade to MQTT v3.1.'],
    ['a refused empty client id', '', '20020002', 'Received CONNACK (0, 2), attempting to use non-empty CID'],
    ['a refused client id', 'c', '20020002', 'Received CONNACK (0, 2)'],
  ])('%s has one line', async (_what, id, connack, line) => {
    const lines: string[] = []
    client = new Client(V2, id)
    client.on_log = (_client, _userdata, _level, text) => {
      lines.push(text)
    }
    await client.connect(HOST, peer.port)
    ;(await accepted()).send(connack)
    await until(() => lines.length > 1)
    expect(lines[1]).toBe(line)
  })

  test.each([
    ['f000', 240],
    ['8200', 128],
    ['0000', 0],
  ])('a packet that no broker sends (%s)', async (packet, command) => {
    const errors: string[] = []
    client.on_log = (_client, _userdata, level, text) => {
      if (level === 8) errors.push(text)
    }
    await client.connect(HOST, peer.port)
    const connection = await accepted()
    connection.send(CONNACK)
    connection.send(packet)
    const ended = new Promise<unknown>((resolve) => {
      client.on_disconnect = (_client, _userdata, _flags, reason) => resolve(reason)
    })
    client.loop_start()
    expect(String(await ended)).toBe('Unspecified error')
    expect(errors).toEqual([`Error: Unrecognised command ${command}`])
    client.disconnect()
  })
})

describe('socket()', () => {
  test('its stream is the socket of Node', async () => {
    await client.connect(HOST, peer.port)
    expect(client.socket()?.stream).toBeInstanceOf(Socket)
    expect(client.socket()?.stream).toBe(client.socket()?.stream)
  })
})

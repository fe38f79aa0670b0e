import {
  BlockingIOError,
  CallbackAPIVersion,
  Client,
  MQTTErrorCode,
  MQTTv5,
  type SocketLike,
  ValueError,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { online } from './online.ts'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** Section 5 of the contract: the loop functions, the keepalive, and the socket for event loops of the program's own. */

const V2 = CallbackAPIVersion.VERSION2
const HOST = '127.0.0.1'
const CONNACK = '20020000'
const { MQTT_ERR_INVAL, MQTT_ERR_CONN_LOST, MQTT_ERR_KEEPALIVE } = MQTTErrorCode

let peer: ScriptedPeer
let client: Client

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
  client = new Client(V2)
})

afterEach(async () => {
  client.disconnect()
  await peer.close()
})

async function accepted(): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  return connection
}

/** Connected, without a loop. */
async function connected(connack: string = CONNACK, ...more: [keepalive?: number]): Promise<PeerConnection> {
  await client.connect(HOST, peer.port, ...more)
  const connection = await accepted()
  connection.send(connack)
  while (!client.is_connected()) await client.loop(0.05)
  return connection
}

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number): unknown => (left === 0 ? resolve() : setImmediate(next, left - 1))
    next(count)
  })
}

describe('loop()', () => {
  test('a negative timeout is a ValueError', async () => {
    await expect(client.loop(-1)).rejects.toThrow(ValueError)
  })

  test('waits no longer than its timeout, and no longer than until there is something', async () => {
    const connection = await connected()
    const start = performance.now()
    expect(await client.loop(0.05)).toBe(0)
    expect(performance.now() - start).toBeGreaterThan(45)
    let told = false
    client.on_message = () => {
      told = true
    }
    const loop = client.loop(30)
    connection.send(publish3('a', ''))
    expect(await loop).toBe(0)
    expect(told).toBe(true)
  })

  test('waits for a pending connect()', async () => {
    const opening = client.connect(HOST, peer.port)
    expect(await client.loop(5)).toBe(0)
    expect(client.socket()).not.toBeNull()
    await opening
  })

  test('lets the event loop turn, also without a connection', async () => {
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
    }, 1)
    // A loop that starves the timer never ends.
    while (ticks < 5) expect(await client.loop()).toBe(MQTT_ERR_CONN_LOST)
    clearInterval(timer)
  })

  test('may be called from a callback, and beside loop_start()', async () => {
    client.on_connect = () => void client.loop(0.01)
    await online(client, peer)
    expect(await client.loop(0.01)).toBe(0)
    expect(client.is_connected()).toBe(true)
  })
})

describe('loop_read(), loop_write(), loop_misc()', () => {
  test('the end of the stream is MQTT_ERR_CONN_LOST', async () => {
    const connection = await connected()
    connection.end()
    await new Promise((resolve) => client.socket()?.once('readable', resolve))
    expect(client.loop_read()).toBe(MQTT_ERR_CONN_LOST)
  })

  test('loop_read() returns 0 when there is nothing, or part of a packet; its argument is ignored', async () => {
    const connection = await connected()
    expect(client.loop_read(3)).toBe(0)
    connection.send('3005')
    await new Promise((resolve) => client.socket()?.once('readable', resolve))
    expect(client.loop_read()).toBe(0)
    expect(client.is_connected()).toBe(true)
  })

  test('a callback that disconnects inside loop_read() is no error', async () => {
    const connection = await connected()
    client.on_message = () => client.disconnect()
    connection.send(publish3('a', ''))
    await new Promise((resolve) => client.socket()?.once('readable', resolve))
    expect([0, MQTTErrorCode.MQTT_ERR_NO_CONN]).toContain(client.loop_read())
    expect(await connection.packet()).toBe('e000')
  })

  test('nothing is read while no loop function runs: the broker feels it', async () => {
    const connection = await connected()
    const message = publish3('a', 'x'.repeat(100)).repeat(20_000)
    connection.send(message)
    await turns(50)
    const { stream } = client.socket() as SocketLike
    expect(stream.isPaused()).toBe(true)
    expect(client.socket()?.pending()).toBeLessThan(200_000)
  })
})

describe('keepalive', () => {
  test('of zero: no ping, and CONNECT says so', async () => {
    const connection = await connected(CONNACK, 0)
    await client.loop(0.02)
    expect(client.loop_misc()).toBe(0)
    expect(connection.unread).toBe('')
  })

  test('PINGREQ when nothing was sent, and nothing more than a PINGRESP is needed', async () => {
    const connection = await connected(CONNACK, 1)
    const loop = client.loop_forever(0.05)
    for (let count = 0; count < 2; count++) {
      expect(await connection.packet()).toBe('c000')
      connection.send('d000')
    }
    client.disconnect()
    await loop
  })

  test('no CONNACK in time: MQTT_ERR_KEEPALIVE, once', async () => {
    await client.connect(HOST, peer.port, 1)
    await accepted()
    const reasons: string[] = []
    client.on_disconnect = (_client, _userdata, _flags, reason) => reasons.push(String(reason))
    let rc: number = 0
    while (client.socket() !== null) rc = await client.loop(0.1)
    expect(rc).toBe(MQTT_ERR_CONN_LOST)
    expect(reasons).toEqual(['Keep alive timeout'])
    expect(MQTT_ERR_KEEPALIVE).toBe(16)
  })

  test('that of the broker takes its place, and the property shows what was set', async () => {
    client = new Client(V2, 'c', { protocol: MQTTv5 })
    const connection = await connected('2006000003 130001', 60)
    const loop = client.loop_forever(0.05)
    expect(await connection.packet()).toBe('c000')
    expect(client.keepalive).toBe(60)
    client.disconnect()
    await loop
  })
})

describe('loop_forever() and loop_start()', () => {
  test('loop_forever() without any place is a ValueError', async () => {
    await expect(client.loop_forever()).rejects.toThrow(ValueError)
  })

  test('loop_start() before connect(), not awaited: the connection is opened once', async () => {
    expect(client.loop_start()).toBe(0)
    await turns(3)
    void client.connect(HOST, peer.port)
    client.subscribe('a/b')
    client.publish('c', 'x')
    const connection = await accepted()
    connection.send(CONNACK)
    expect((await connection.packet()).slice(0, 2)).toBe('82')
    expect(await connection.packet()).toBe(publish3('c', 'x'))
    let second = false
    void peer.accept().then(() => {
      second = true
    })
    await turns(20)
    expect(second).toBe(false)
  })

  test('loop_start() after disconnect() waits for the next connect()', async () => {
    await online(client, peer)
    client.disconnect()
    await client.loop_stop()
    expect(client.loop_start()).toBe(0)
    expect(client.loop_start()).toBe(MQTT_ERR_INVAL)
    await turns(3)
    await client.connect(HOST, peer.port)
    // After the connection of before.
    ;(await accepted()).send(CONNACK)
    while (!client.is_connected()) await turns(1)
  })

  test('loop_stop() without a connection ends at once, and inside a callback it is fine', async () => {
    client.loop_start()
    expect(await client.loop_stop()).toBe(0)
    const stopped = new Promise((resolve) => {
      client.on_message = () => void client.loop_stop().then(resolve)
    })
    const connection = await online(client, peer)
    connection.send(publish3('a', ''))
    expect(await stopped).toBe(0)
    expect(await client.loop_stop()).toBe(MQTT_ERR_INVAL)
  })

  test('after loop_stop() nobody reads until another loop function is called', async () => {
    const connection = await online(client, peer)
    await client.loop_stop()
    const seen: string[] = []
    client.on_message = (_client, _userdata, message) => seen.push(message.topic)
    connection.send(publish3('a', ''))
    await turns(10)
    expect(seen).toEqual([])
    await client.loop(1)
    expect(seen).toEqual(['a'])
  })

  test('reconnect_on_failure false: the loop ends with the connection', async () => {
    client = new Client(V2, { reconnect_on_failure: false })
    const connection = await connected()
    const loop = client.loop_forever()
    connection.destroy()
    expect(await loop).toBe(MQTT_ERR_CONN_LOST)
  })
})

describe('callbacks', () => {
  test('are looked up at each call: one may replace itself', async () => {
    const seen: string[] = []
    client.on_message = () => {
      seen.push('first')
      client.on_message = () => seen.push('second')
    }
    const connection = await online(client, peer)
    connection.send(publish3('a', '').repeat(2))
    while (seen.length < 2) await turns(1)
    expect(seen).toEqual(['first', 'second'])
  })

  test('of filters: the list is made before the first is called, and one that throws ends it', async () => {
    const seen: string[] = []
    client.message_callback_add('a', () => {
      seen.push('a')
      client.message_callback_remove('#')
    })
    client.message_callback_add('#', () => seen.push('#'))
    const connection = await connected()
    connection.send(publish3('a', ''))
    await client.loop()
    expect(seen).toEqual(['a', '#'])
    client.message_callback_add('+', function named() {
      throw new Error('mine')
    })
    client.message_callback_add('#', () => seen.push('never'))
    const lines: string[] = []
    client.on_log = (_client, _userdata, _level, line) => lines.push(line)
    connection.send(publish3('b', ''))
    await expect(client.loop()).rejects.toThrow('mine')
    expect(seen).toEqual(['a', '#'])
    expect(lines).toContain('Caught exception in user defined callback function named: mine')
  })

  test('exceptions of on_connect_fail, on_log and the logger never go on', async () => {
    client.on_connect_fail = () => {
      client.disconnect()
      throw new Error('on_connect_fail')
    }
    client.on_log = () => {
      throw new Error('on_log')
    }
    client.logger = { ...console, debug: () => JSON.parse('{'), error: () => JSON.parse('{') }
    client.connect_async(HOST, 1)
    expect(await client.loop_forever(1, true)).toBe(MQTT_ERR_CONN_LOST)
  })

  test('the socket is closed even if on_socket_close throws', async () => {
    const connection = await connected()
    client.on_socket_close = () => {
      throw new Error('mine')
    }
    expect(() => client.disconnect()).toThrow('mine')
    expect(await connection.packet()).toBe('e000')
    expect(await connection.packet()).toBe('closed')
    expect(client.socket()).toBeNull()
  })

  test('an exception inside publish() in direct mode comes out of it', async () => {
    await connected()
    client.on_publish = () => {
      throw new Error('mine')
    }
    expect(() => client.publish('a')).toThrow('mine')
    client.on_publish = null
    expect(client.publish('a').is_published()).toBe(true)
  })
})

describe('direct mode', () => {
  test('does not hold inside a callback: what it publishes is written by the next loop_write()', async () => {
    const connection = await connected()
    const seen: string[] = []
    client.on_publish = () => seen.push('on_publish')
    client.on_message = () => {
      client.publish('b')
      seen.push(`want_write ${client.want_write()}`)
    }
    connection.send(publish3('a', ''))
    await new Promise((resolve) => client.socket()?.once('readable', resolve))
    client.loop_read()
    expect(seen).toEqual(['want_write true', 'on_publish'])
    expect(await connection.packet()).toBe(publish3('b', ''))
    expect(client.want_write()).toBe(false)
  })

  test('ends with loop_start(): publish() returns before anything is written', async () => {
    const connection = await online(client, peer)
    const info = client.publish('a')
    expect([info.rc, info.is_published()]).toEqual([0, false])
    await info.wait_for_publish()
    expect(await connection.packet()).toBe(publish3('a', ''))
  })
})

describe('SocketLike', () => {
  test('recv() and pending(): what is there, nothing yet, and the end', async () => {
    const connection = await connected()
    const socket = client.socket() as SocketLike
    expect(() => socket.recv(10)).toThrow(BlockingIOError)
    connection.send('d000 c0')
    await new Promise((resolve) => socket.once('readable', resolve))
    expect(socket.pending()).toBe(3)
    expect([...socket.recv(2)]).toEqual([0xd0, 0])
    expect([...socket.recv(10)]).toEqual([0xc0])
    expect(socket.pending()).toBe(0)
    connection.end()
    await new Promise((resolve) => socket.once('readable', resolve))
    expect(socket.recv(10)).toHaveLength(0)
    expect(client.loop_read()).toBe(MQTT_ERR_CONN_LOST)
  })

  test('send(), fileno(), setblocking() and close()', async () => {
    const connection = await connected()
    const socket = client.socket() as SocketLike
    expect(socket.send(Uint8Array.of(0xc0, 0))).toBe(2)
    expect(await connection.packet()).toBe('c000')
    expect(socket.fileno()).toBe(-1)
    expect(socket.setblocking(false)).toBeUndefined()
    let closed = 0
    socket.on('close', () => {
      closed += 1
    })
    socket.close()
    expect(await connection.packet()).toBe('closed')
    while (client.socket() !== null) await client.loop(0.05)
    expect(closed).toBe(1)
    expect(() => socket.send(Uint8Array.of(1))).toThrow(BlockingIOError)
    expect(new BlockingIOError('').code).toBe('EAGAIN')
  })

  test('"writable" comes in every turn while somebody listens, and not without a reason', async () => {
    await connected()
    const socket = client.socket() as SocketLike
    let writable = 0
    let readable = 0
    const count = (): void => {
      writable += 1
    }
    socket.on('writable', count)
    socket.on('readable', () => {
      readable += 1
    })
    await turns(10)
    socket.off('writable', count)
    expect(writable).toBeGreaterThan(3)
    const before = writable
    await turns(5)
    expect([writable, readable]).toEqual([before, 0])
  })
})

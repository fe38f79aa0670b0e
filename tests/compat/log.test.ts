import {
  CallbackAPIVersion,
  Client,
  LogLevel,
  MQTTv5,
  PacketTypes,
  Properties,
  ReasonCode,
  SubscribeOptions,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** Section 10 of the contract: every line that goes to on_log and to the logger, and its level. */

const V2 = CallbackAPIVersion.VERSION2
const HOST = '127.0.0.1'
const CONNACK = '20020000'
const { MQTT_LOG_DEBUG, MQTT_LOG_ERR } = LogLevel

let peer: ScriptedPeer
let client: Client
let lines: [level: number, line: string][]

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
  lines = []
})

afterEach(async () => {
  client.disconnect()
  await peer.close()
})

function make(...args: unknown[]): Client {
  client = new (Client as unknown as new (...args: unknown[]) => Client)(V2, ...args)
  client.on_log = (_client, _userdata, level, line) => lines.push([level, line])
  client.reconnect_delay_set(0.01)
  return client
}

/** Connected without a loop. */
async function connected(connack: string = CONNACK): Promise<PeerConnection> {
  await client.connect(HOST, peer.port)
  const connection = await peer.accept()
  await connection.packet()
  connection.send(connack)
  while (!client.is_connected()) await client.loop(0.05)
  return connection
}

/** Loops until a line has come, and gives it. */
async function line(start: string): Promise<string> {
  for (;;) {
    const found = lines.find(([, text]) => text.startsWith(start))
    if (found !== undefined) return found[1]
    await client.loop(0.05)
  }
}

function texts(): string[] {
  return lines.splice(0).map(([level, text]) => {
    expect(level).toBe(MQTT_LOG_DEBUG)
    return text
  })
}

describe('packets', () => {
  test('CONNECT with everything', async () => {
    make('c', false)
    client.username_pw_set('u', 'p')
    client.will_set('w', 'x', 2, true)
    await connected('20020100')
    expect(texts()).toEqual([
      "Sending CONNECT (u1, p1, wr1, wq2, wf1, c0, k60) client_id='c'",
      'Received CONNACK (1, 0)',
    ])
  })

  test('QoS 2 both ways, UNSUBSCRIBE, and pings', async () => {
    make('c')
    const connection = await connected()
    lines.length = 0
    client.publish('a', 'x', 2, true)
    await connection.packet()
    connection.send('50020001')
    await line('Sending PUBREL')
    connection.send('70020001')
    await line('Received PUBCOMP')
    expect(texts()).toEqual([
      "Sending PUBLISH (d0, q2, r1, m1), 'a', ... (1 bytes)",
      'Received PUBREC (Mid: 1)',
      'Sending PUBREL (Mid: 1)',
      'Received PUBCOMP (Mid: 1)',
    ])
    connection.send(publish3('b', '', 2, 7, 8))
    await line('Sending PUBREC')
    connection.send('62020007')
    await line('Sending PUBCOMP')
    expect(texts()).toEqual([
      "Received PUBLISH (d1, q2, r0, m7), 'b', ...  (0 bytes)",
      'Sending PUBREC (Mid: 7)',
      'Received PUBREL (Mid: 7)',
      'Sending PUBCOMP (Mid: 7)',
    ])
    await connection.packet()
    client.publish('a', 'x', 1)
    connection.send('40020002')
    await line('Received PUBACK')
    client.unsubscribe(['a', 'b'])
    connection.send('b0020003')
    await line('Received UNSUBACK')
    expect(texts()).toEqual([
      "Sending PUBLISH (d0, q1, r0, m2), 'a', ... (1 bytes)",
      'Received PUBACK (Mid: 2)',
      "Sending UNSUBSCRIBE (d0, m3) ['a', 'b']",
      'Received UNSUBACK (Mid: 3)',
    ])
  })

  test('PINGREQ and PINGRESP', async () => {
    make('c')
    await client.connect(HOST, peer.port, 1)
    const connection = await peer.accept()
    connection.send(CONNACK)
    await line('Sending PINGREQ')
    connection.send('d000')
    await line('Received PINGRESP')
    expect(texts().slice(2)).toEqual(['Sending PINGREQ', 'Received PINGRESP'])
  })

  test('all of MQTT 5 with their properties', async () => {
    make('c', { protocol: MQTTv5 })
    const connection = await connected('20 0b 00 00 08 1f 0005 68656c6c6f')
    const properties = new Properties(PacketTypes.PUBLISH)
    properties.ContentType = 't'
    client.publish('a', 'x', { properties })
    client.subscribe('a', { options: new SubscribeOptions(1, true) })
    client.subscribe('b', 2)
    client.unsubscribe('a')
    connection.send('3008 0001 61 04 03 0001 74')
    await line('Received PUBLISH')
    client.disconnect(new ReasonCode(PacketTypes.DISCONNECT, 'Disconnect with will message'))
    expect(texts()).toEqual([
      "Sending CONNECT (u0, p0, wr0, wq0, wf0, c1, k60) client_id='c' properties=[]",
      'Received CONNACK (0, Success) properties=[ReasonString : hello]',
      "Sending PUBLISH (d0, q0, r0, m1), 'a', properties=[ContentType : t], ... (1 bytes)",
      "Sending SUBSCRIBE (d0, m2) [('a', {QoS=1, noLocal=True, retainAsPublished=False, retainHandling=0})]",
      "Sending SUBSCRIBE (d0, m3) [('b', 2)]",
      "Sending UNSUBSCRIBE (d0, m4) [] ['a']",
      "Received PUBLISH (d0, q0, r0, m0), 'a', properties=[ContentType : t], ...  (0 bytes)",
      'Sending DISCONNECT reasonCode=Disconnect with will message properties=[]',
    ])
  })

  test('DISCONNECT of the broker', async () => {
    make('c', { protocol: MQTTv5 })
    const connection = await connected('2003000000')
    connection.send('e0028b00')
    expect(await line('Received DISCONNECT')).toBe('Received DISCONNECT Server shutting down []')
  })

  test('with an empty client id that is refused, and the random one that follows', async () => {
    make()
    await client.connect(HOST, peer.port)
    ;(await peer.accept()).send('20020002')
    expect(await line('Received CONNACK')).toBe('Received CONNACK (0, 2), attempting to use non-empty CID')
  })
})

describe('what goes wrong', () => {
  async function broken(error: NodeJS.ErrnoException): Promise<string> {
    make()
    await connected()
    lines.length = 0
    client.socket()?.stream.destroy(error)
    while (client.socket() !== null) await client.loop(0.05)
    expect(lines).toHaveLength(1)
    expect(lines[0]?.[0]).toBe(MQTT_LOG_ERR)
    return lines[0]?.[1] ?? ''
  }

  test('an error of the socket', async () => {
    make()
    const connection = await connected()
    lines.length = 0
    connection.reset()
    expect(await line('failed')).toBe('failed to receive on socket: read ECONNRESET')
    expect(lines[0]?.[0]).toBe(MQTT_LOG_ERR)
  })

  test('a timeout of the socket', async () => {
    const error: NodeJS.ErrnoException = new Error('read ETIMEDOUT')
    error.code = 'ETIMEDOUT'
    expect(await broken(error)).toBe('timeout on socket: read ETIMEDOUT')
  })

  test('an attempt of the loop that fails', async () => {
    make()
    client.connect_async(HOST, 1)
    client.on_connect_fail = () => client.disconnect()
    await client.loop_forever(1, true)
    expect(lines).toEqual([[MQTT_LOG_DEBUG, 'Connection failed, retrying']])
  })

  test('an exception in a callback', async () => {
    make()
    client.on_connect = () => {
      throw new Error('mine')
    }
    await expect(connected()).rejects.toThrow('mine')
    expect(lines.at(-1)).toEqual([MQTT_LOG_ERR, 'Caught exception in on_connect: mine'])
  })
})

describe('the logger', () => {
  test('gets each line by its level, after on_log', async () => {
    make('c')
    const seen: string[] = []
    client.on_log = (_client, _userdata, level, text) => seen.push(`on_log ${level} ${text.slice(0, 8)}`)
    const to =
      (name: string) =>
      (text: string): unknown =>
        seen.push(`${name} ${text.slice(0, 8)}`)
    client.enable_logger({ debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') })
    const connection = await connected()
    connection.send('f000')
    while (client.socket() !== null) await client.loop(0.05)
    expect(seen).toEqual([
      'on_log 16 Sending ',
      'debug Sending ',
      'on_log 16 Received',
      'debug Received',
      'on_log 8 Error: U',
      'error Error: U',
    ])
  })

  test('enable_logger() keeps the one that is set, else sets a default one; disable_logger() leaves on_log', async () => {
    make('c')
    client.enable_logger(console)
    client.enable_logger()
    expect(client.logger).toBe(console)
    client.disable_logger()
    expect(client.logger).toBeNull()
    client.enable_logger()
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const connection = await connected()
    connection.send('f000')
    while (client.socket() !== null) await client.loop(0.05)
    client.logger?.warn('careful')
    expect([error.mock.calls, warn.mock.calls, log.mock.calls]).toEqual([
      [['Error: Unrecognised command 240']],
      [['careful']],
      [],
    ])
    expect(lines).toHaveLength(3)
  })
})

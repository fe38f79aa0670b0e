import {
  CallbackAPIVersion,
  Client,
  MQTTErrorCode,
  type MQTTMessage,
  MQTTProtocolVersion,
  MQTTv5,
  MQTTv31,
  PacketTypes,
  Properties,
  ReasonCode,
  SubscribeOptions,
} from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { online } from './online.ts'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

const V2 = CallbackAPIVersion.VERSION2
const CONNACK = '20020000'
const CONNACK5 = '2003000000'

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
  const client = new (Client as unknown as new (...args: unknown[]) => Client)(...args)
  clients.push(client)
  return client
}

function connected(client: Client, connack: string = CONNACK): Promise<PeerConnection> {
  return online(client, peer, connack)
}

describe('CONNECT', () => {
  async function connectBytes(client: Client, ...more: unknown[]): Promise<string> {
    const connect = client.connect as (...args: unknown[]) => Promise<number>
    expect(await connect.call(client, '127.0.0.1', peer.port, ...more)).toBe(0)
    return (await peer.accept()).packet()
  }

  test('MQTT 3.1.1 with nothing asked for', async () => {
    expect(await connectBytes(make(V2))).toBe('100c00044d5154540402003c0000')
  })

  test('MQTT 3.1 with a random client id of 22 characters', async () => {
    const bytes = await connectBytes(make(V2, '', { protocol: MQTTv31 }))
    expect(bytes.slice(0, 32)).toBe('102400064d514973647003 02003c 0016'.replaceAll(' ', ''))
    expect(Buffer.from(bytes.slice(32), 'hex').toString()).toMatch(/^[0-9a-zA-Z]{22}$/)
  })

  test('MQTT 5 without properties has a property length of zero', async () => {
    expect(await connectBytes(make(V2, 'c', { protocol: MQTTv5 }))).toBe('100e00044d5154540502003c00000163')
  })

  test('MQTT 5 with properties, keepalive by keyword and no clean start', async () => {
    const properties = new Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 10
    const more = { keepalive: 0, clean_start: false, properties }
    expect(await connectBytes(make(V2, 'c', { protocol: MQTTv5 }), more)).toBe(
      '101300044d515454050000000511 0000000a 000163'.replaceAll(' ', ''),
    )
  })

  test('a session that is kept, and a fraction of a second of keepalive', async () => {
    expect(await connectBytes(make(V2, 'c', false), 30)).toBe('100d00044d5154540400001e000163')
  })

  test('user name and password; bytes as a password', async () => {
    const client = make(V2, 'c')
    client.username_pw_set('u', Uint8Array.of(0xff))
    expect(await connectBytes(client)).toBe('101300044d51545404c2003c0001630001750001ff')
  })

  test('empty user name and password are sent', async () => {
    const client = make(V2, 'c')
    client.username_pw_set('', '')
    expect(await connectBytes(client)).toBe('101100044d51545404c2003c00016300000000')
  })

  test.each([MQTTProtocolVersion.MQTTv311, MQTTv5])(
    'a password without a user name is not sent (%d)',
    async (protocol) => {
      const client = make(V2, 'c', { protocol })
      client.username_pw_set(null, 'secret')
      expect(await connectBytes(client)).not.toContain(Buffer.from('secret').toString('hex'))
      expect(client.password).toBe('secret')
    },
  )

  test('a will, and none after it was cleared', async () => {
    const client = make(V2, 'c')
    client.will_set('w', 'bye', 1, true)
    expect([client.will_topic, Buffer.from(client.will_payload).toString()]).toEqual(['w', 'bye'])
    expect(await connectBytes(client)).toBe('101500044d515454042e003c0001630001770003627965')
    client.disconnect()
    client.will_clear()
    expect(await connectBytes(client)).toBe('100d00044d5154540402003c000163')
  })

  test('the properties of a will go out with MQTT 5 only', async () => {
    const properties = new Properties(PacketTypes.WILLMESSAGE)
    properties.WillDelayInterval = 5
    const five = make(V2, 'c', { protocol: MQTTv5 })
    five.will_set('w', null, { properties })
    expect(await connectBytes(five)).toBe(
      '101900044d5154540506003c0000016305180000000500017 70000'.replaceAll(' ', ''),
    )
    const three = make(V2, 'c')
    three.will_set('w', null, { properties })
    expect(await connectBytes(three)).toBe('101200044d5154540406003c0001630001770000')
  })

  test.each([
    [MQTTv31, '83'],
    [MQTTProtocolVersion.MQTTv311, '84'],
    [MQTTv5, '85'],
  ] as const)('bridge mode sets the highest bit of level %d', async (protocol, level) => {
    const client = make(V2, 'c', { protocol })
    client.enable_bridge_mode()
    expect((await connectBytes(client)).slice(protocol === MQTTv31 ? 20 : 16).slice(0, 2)).toBe(level)
  })

  test('clean start is set until the first CONNACK, not on a reconnect after it', async () => {
    const client = make(V2, 'c', { protocol: MQTTv5 })
    const connection = await connected(client, CONNACK5)
    connection.destroy()
    client.reconnect_delay_set(0.01)
    const again = await peer.accept()
    expect((await again.packet()).slice(18, 20)).toBe('00')
  })
})

describe('before CONNACK', () => {
  test('connect() has resolved, nothing is read without a loop, and the client is not connected', async () => {
    const client = make(V2)
    const seen = vi.fn()
    client.on_connect = seen
    await client.connect('127.0.0.1', peer.port)
    const connection = await peer.accept()
    await connection.packet()
    connection.send(CONNACK)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(client.is_connected()).toBe(false)
    expect(seen).not.toHaveBeenCalled()
    expect(await client.loop()).toBe(0)
    expect(client.is_connected()).toBe(true)
    expect(seen).toHaveBeenCalledOnce()
  })

  test('what is asked for while connect() is pending is sent in order', async () => {
    const client = make(V2, 'c')
    const promise = client.connect('127.0.0.1', peer.port)
    expect(client.subscribe('a')).toEqual([0, 1])
    const first = client.publish('a', '1')
    const second = client.publish('a', '2', 1)
    expect([first.rc, first.mid, second.rc, second.mid]).toEqual([0, 2, 0, 3])
    client.loop_start()
    expect(await promise).toBe(0)
    const connection = await peer.accept()
    await connection.packet()
    connection.send(CONNACK)
    expect((await connection.packet()).slice(0, 2)).toBe('82')
    expect(await connection.packet()).toBe(publish3('a', '1'))
    expect((await connection.packet()).slice(0, 2)).toBe('32')
  })

  test('disconnect() before any loop sends what is queued, then DISCONNECT', async () => {
    const client = make(V2, 'c')
    await client.connect('127.0.0.1', peer.port)
    const connection = await peer.accept()
    await connection.packet()
    const info = client.publish('a', '1')
    expect(client.disconnect()).toBe(0)
    connection.send(CONNACK)
    expect(await connection.packet()).toBe(publish3('a', '1'))
    expect(await connection.packet()).toBe('e000')
    expect(await connection.packet()).toBe('closed')
    expect(info.is_published()).toBe(true)
  })

  test('a failed connect() drops what was queued and leaves QoS 1 for the next connection', async () => {
    const client = make(V2, 'c')
    const { port } = peer
    await peer.close()
    const promise = client.connect('127.0.0.1', port)
    const lost = client.publish('a', '1')
    const kept = client.publish('a', '2', 1)
    await expect(promise).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(lost.rc).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect(kept.rc).toBe(0)
    expect(() => {
      client.host = 'elsewhere'
    }).toThrow()
    client.disconnect()
    client.host = 'elsewhere'
    peer = await ScriptedPeer.listen()
    const connection = await connected(client)
    expect(await connection.packet()).toBe(publish3('a', '2', 1, 1))
  })
})

describe('delivery', () => {
  test('QoS 1: callbacks first, what they publish next, PUBACK last', async () => {
    const client = make(V2)
    client.on_message = () => client.publish('b', 'x')
    const connection = await connected(client)
    connection.send(publish3('a', '1', 1, 7))
    expect(await connection.packet()).toBe(publish3('b', 'x'))
    expect(await connection.packet()).toBe('40020007')
  })

  test('a callback that throws leaves its message unacknowledged and does not stop the next', async () => {
    const client = make(V2)
    const seen: string[] = []
    client.on_message = (_client, _userdata, message: MQTTMessage) => {
      seen.push(Buffer.from(message.payload).toString())
      if (seen.length === 1) throw new Error('no')
    }
    await client.connect('127.0.0.1', peer.port)
    const connection = await peer.accept()
    await connection.packet()
    connection.send(CONNACK)
    await client.loop()
    connection.send(publish3('a', '1', 1, 7) + publish3('a', '2', 1, 8))
    await expect(client.loop()).rejects.toThrow('no')
    expect(await client.loop(0.01)).toBe(0)
    expect(seen).toEqual(['1', '2'])
    expect(await connection.packet()).toBe('40020008')
  })

  test('suppressed exceptions are logged, and the message is acknowledged', async () => {
    const client = make(V2)
    client.suppress_exceptions = true
    const lines: string[] = []
    client.on_log = (_client, _userdata, _level, line: string) => lines.push(line)
    client.on_message = () => {
      throw new Error('no')
    }
    const connection = await connected(client)
    connection.send(publish3('a', '1', 1, 7))
    expect(await connection.packet()).toBe('40020007')
    expect(lines).toContain('Caught exception in on_message: no')
  })

  test('manual acknowledgement', async () => {
    const client = make(V2, '', { manual_ack: true })
    let received = (): void => undefined
    const done = new Promise<void>((resolve) => {
      received = resolve
    })
    client.on_message = (_client, _userdata, message: MQTTMessage) => {
      expect(message.mid).toBe(7)
      received()
    }
    const connection = await connected(client)
    connection.send(publish3('a', '1', 1, 7))
    await done
    expect(client.publish('still', 'here').rc).toBe(0)
    expect(await connection.packet()).toBe(publish3('still', 'here'))
    expect(client.ack(7, 1)).toBe(0)
    expect(await connection.packet()).toBe('40020007')
  })

  test('every callback whose filter matches, and then not on_message', async () => {
    const client = make(V2)
    const seen: string[] = []
    for (const filter of ['#', 'a/+', 'a/b']) client.message_callback_add(filter, () => seen.push(filter))
    client.on_message = () => seen.push('on_message')
    const connection = await connected(client)
    connection.send(publish3('a/b', '', 1, 1))
    await connection.packet()
    client.message_callback_remove('a/b')
    client.message_callback_remove('a/+')
    client.message_callback_remove('#')
    client.message_callback_remove('unknown')
    connection.send(publish3('a/b', '', 1, 2))
    await connection.packet()
    expect(seen).toEqual(['a/b', 'a/+', '#', 'on_message'])
  })
})

describe('publishing', () => {
  test('without a connection QoS 0 is gone and QoS 1 is kept', async () => {
    const client = make(V2)
    const gone = client.publish('a', '0')
    const kept = client.publish('a', '1', 1)
    expect([gone.rc, kept.rc]).toEqual([4, 4])
    expect(() => kept.is_published()).toThrow()
    expect(client.subscribe('a')).toEqual([4, null])
    expect(client.unsubscribe('a')).toEqual([4, null])
    const connection = await connected(client)
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
    expect(client.publish('a').mid).toBe(3)
  })

  test('the window and the queue', async () => {
    const client = make(V2)
    client.max_inflight_messages_set(1)
    expect(client.max_queued_messages_set(2)).toBe(client)
    const connection = await connected(client)
    const [one, two, three] = [
      client.publish('a', '1', 1),
      client.publish('a', '2', 1),
      client.publish('a', '3', 1),
    ]
    expect([one.rc, two.rc, three.rc]).toEqual([0, 0, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE])
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
    connection.send('40020001')
    await one.wait_for_publish()
    expect((await connection.packet()).slice(0, 2)).toBe('32')
  })

  test('larger than the broker takes', async () => {
    const client = make(V2, '', { protocol: MQTTv5 })
    const connection = await connected(client, '200800000527 00000014'.replaceAll(' ', ''))
    expect(client.publish('a', 'x'.repeat(20)).rc).toBe(MQTTErrorCode.MQTT_ERR_PAYLOAD_SIZE)
    expect(client.publish('a', 'x'.repeat(20), 1).rc).toBe(MQTTErrorCode.MQTT_ERR_PAYLOAD_SIZE)
    client.publish('a', 'x')
    expect(await connection.packet()).toBe('3005000161 00 78'.replaceAll(' ', ''))
  })

  test('properties, alias included', async () => {
    const client = make(V2, '', { protocol: MQTTv5 })
    const connection = await connected(client, '2006000003220005')
    const properties = new Properties(PacketTypes.PUBLISH)
    properties.TopicAlias = 3
    properties.UserProperty = ['k', 'v']
    client.publish('a', 'x', { properties })
    expect(await connection.packet()).toBe('300f000161 0a230003 2600016b000176 78'.replaceAll(' ', ''))
    const short = new Properties(PacketTypes.PUBLISH)
    short.TopicAlias = 3
    client.publish('', 'y', { properties: short })
    expect(await connection.packet()).toBe('3007000003 230003 79'.replaceAll(' ', ''))
  })

  test('first on_publish, then the info', async () => {
    const client = make(V2)
    const states: boolean[] = []
    const infos = [client.publish('a', '', 1)]
    const connection = await connected(client)
    infos.push(client.publish('a', '', 1))
    client.on_publish = (_client, _userdata, mid: number) =>
      states.push(infos[mid - 1]?.rc === 0 && infos[mid - 1]!.is_published())
    await connection.packet()
    await connection.packet()
    connection.send('4002000140020002')
    await infos[1]?.wait_for_publish()
    expect(states).toEqual([false, false])
  })

  test.each([
    ['with a clean session as new messages', true, '32'],
    ['to a kept session with DUP', false, '3a'],
  ])('after a reconnect: %s', async (_what, clean, first) => {
    const client = make(V2, 'c', clean)
    client.reconnect_delay_set(0.01)
    const connection = await connected(client)
    const info = client.publish('a', '1', 1)
    await connection.packet()
    connection.destroy()
    const again = await peer.accept()
    await again.packet()
    again.send(clean ? CONNACK : '20020100')
    const packet = await again.packet()
    expect(packet.slice(0, 2)).toBe(first)
    again.send(`4002${packet.slice(10, 14)}`)
    await info.wait_for_publish()
    expect(info.is_published()).toBe(true)
  })
})

describe('SUBSCRIBE', () => {
  test('of MQTT 3: a filter, a pair, a list', async () => {
    const client = make(V2)
    const connection = await connected(client)
    client.subscribe('a', 1)
    expect(await connection.packet()).toBe('820600010001 6101'.replaceAll(' ', ''))
    client.subscribe(['a', 2])
    expect(await connection.packet()).toBe('82060002000161 02'.replaceAll(' ', ''))
    expect(
      client.subscribe([
        ['a', 0],
        ['b', 1],
      ]),
    ).toEqual([0, 3])
    expect(await connection.packet()).toBe('820a0003 00016100 00016201'.replaceAll(' ', ''))
    client.unsubscribe(['a', 'b'])
    expect(await connection.packet()).toBe('a2080004000161000162')
  })

  test('of MQTT 5: options and properties', async () => {
    const client = make(V2, '', { protocol: MQTTv5 })
    const connection = await connected(client, CONNACK5)
    const properties = new Properties(PacketTypes.SUBSCRIBE)
    properties.SubscriptionIdentifier = 9
    const options = new SubscribeOptions({
      qos: 1,
      noLocal: true,
      retainAsPublished: true,
      retainHandling: 2,
    })
    client.subscribe('a', { options, properties })
    expect(await connection.packet()).toBe('82090001020b09000161 2d'.replaceAll(' ', ''))
    client.unsubscribe('a')
    expect(await connection.packet()).toBe('a206000200000161')
  })
})

describe('DISCONNECT', () => {
  test('of MQTT 5 is short unless a reason or properties are given', async () => {
    const bytes: string[] = []
    const properties = new Properties(PacketTypes.DISCONNECT)
    properties.ReasonString = 'r'
    const reason = new ReasonCode(PacketTypes.DISCONNECT, 'Disconnect with will message')
    for (const args of [[], [reason], [reason, properties], [{ properties }]]) {
      const client = make(V2, '', { protocol: MQTTv5 })
      const connection = await connected(client, CONNACK5)
      const disconnect = client.disconnect as (...args: unknown[]) => number
      expect(disconnect.apply(client, args)).toBe(0)
      bytes.push(await connection.packet())
    }
    expect(bytes).toEqual(['e000', 'e00104', 'e00604041f000172', 'e00600041f000172'])
  })
})

describe('keepalive', () => {
  test('a PINGREQ that is not answered ends the connection', async () => {
    const client = make(V2)
    const ended = new Promise<string>((resolve) => {
      client.on_disconnect = (_client, _userdata, _flags, reason: ReasonCode) => resolve(String(reason))
    })
    await client.connect('127.0.0.1', peer.port, 1)
    const connection = await peer.accept()
    await connection.packet()
    connection.send(CONNACK)
    const loop = client.loop_forever(0.05)
    expect(await connection.packet()).toBe('c000')
    expect(await ended).toBe('Keep alive timeout')
    client.disconnect()
    expect(await loop).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
  })
})

describe('refusals of MQTT 3.1.1', () => {
  test('of the version: connects again with MQTT 3.1', async () => {
    const client = make(V2)
    client.loop_start()
    await client.connect('127.0.0.1', peer.port)
    const first = await peer.accept()
    await first.packet()
    first.send('20020001')
    const second = await peer.accept()
    expect((await second.packet()).slice(8, 22)).toBe('4d514973647003')
    expect(client.protocol).toBe(MQTTv31)
  })

  test('of an empty client id: connects again with a random one', async () => {
    const client = make(V2)
    client.loop_start()
    await client.connect('127.0.0.1', peer.port)
    const first = await peer.accept()
    await first.packet()
    first.send('20020002')
    const second = await peer.accept()
    expect(Buffer.from((await second.packet()).slice(28), 'hex').toString()).toMatch(/^[0-9a-zA-Z]{22}$/)
  })
})

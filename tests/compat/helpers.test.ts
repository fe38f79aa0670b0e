import { Client, MQTTException, type MQTTMessage, MQTTv5, publish, subscribe } from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type PeerConnection, publish3, ScriptedPeer } from './scripted-peer.ts'

/** Sections 11.8 and 11.9 of the contract: what the helpers say to a broker, in which order. */

const CONNACK = '20020000'
let peer: ScriptedPeer
let place: { hostname: string; port: number }

beforeEach(async () => {
  peer = await ScriptedPeer.listen()
  place = { hostname: '127.0.0.1', port: peer.port }
})

afterEach(async () => {
  await peer.close()
})

async function accepted(connack: string = CONNACK): Promise<PeerConnection> {
  const connection = await peer.accept()
  await connection.packet()
  connection.send(connack)
  return connection
}

/** The packet identifier of a SUBSCRIBE. */
function idOf(packet: string): string {
  return packet.slice(4, 8)
}

describe('publish.multiple', () => {
  test('one at a time: the next when the one before is acknowledged, then DISCONNECT', async () => {
    const done = publish.multiple(
      [{ topic: 'a', payload: '1', qos: 1 }, ['b', '2', 2], ['c'], { topic: 'd' }],
      place,
    )
    const connection = await accepted()
    expect(await connection.packet()).toBe(publish3('a', '1', 1, 1))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(connection.unread).toBe('')
    connection.send('40020001')
    const second = await connection.packet()
    expect(second.slice(0, 2)).toBe('34')
    const id = second.slice(10, 14)
    connection.send(`5002${id}`)
    expect(await connection.packet()).toBe(`6202${id}`)
    connection.send(`7002${id}`)
    expect([await connection.packet(), await connection.packet()]).toEqual([
      publish3('c', ''),
      publish3('d', ''),
    ])
    expect(await connection.packet()).toBe('e000')
    await done
  })

  test('a lost connection is made again, and what was not acknowledged is sent again', async () => {
    const done = publish.single('a', '1', 1, place)
    const first = await accepted()
    expect(await first.packet()).toBe(publish3('a', '1', 1, 1))
    first.destroy()
    const second = await accepted()
    const packet = await second.packet()
    expect([packet.slice(0, 2), packet.slice(4, 10)]).toEqual(['32', '000161'])
    second.send(`4002${packet.slice(10, 14)}`)
    expect(await second.packet()).toBe('e000')
    await done
  })

  test('the first connection is not retried', async () => {
    await expect(publish.single('a', { ...place, port: 1 })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test.each([
    ['a string', 'ab'],
    ['numbers', [1]],
    ['null', [null]],
  ])('%s is a TypeError once connected', async (_what, msgs) => {
    const done = publish.multiple(msgs as never, place)
    const failed = expect(done).rejects.toThrow(TypeError)
    const connection = await accepted()
    await failed
    expect(await connection.packet()).toBe('e000')
  })

  test('no argument is changed', async () => {
    const args = {
      ...place,
      auth: { username: 'u', password: 'p' },
      will: { topic: 'w' },
      tls: { insecure: true },
    }
    const frozen = Object.freeze({
      ...args,
      auth: Object.freeze(args.auth),
      will: Object.freeze(args.will),
      tls: Object.freeze(args.tls),
    })
    const done = publish.multiple(Object.freeze([Object.freeze({ topic: 'a' })]), frozen)
    ;(await peer.accept()).destroy()
    await expect(done).rejects.toThrow()
    expect(frozen).toEqual(args)
  })

  test('auth that is empty is none', async () => {
    const done = publish.single('a', { ...place, auth: {} })
    const connection = await peer.accept()
    expect((await connection.packet()).slice(18, 20)).toBe('02'.padStart(2, '0'))
    connection.send(CONNACK)
    await done
  })
})

describe('subscribe.callback', () => {
  test('one SUBSCRIBE for each topic, again after a reconnect, and an end by disconnect()', async () => {
    const seen: string[] = []
    const done = subscribe.callback(
      (client, userdata, message) => {
        seen.push(`${userdata} ${message.topic}`)
        if (seen.length === 2) client.disconnect()
      },
      ['a', 'b'],
      1,
      'mine',
      place,
    )
    const first = await accepted()
    const packets = [await first.packet(), await first.packet()]
    expect(packets.map((packet) => packet.slice(8))).toEqual(['00016101', '00016201'])
    for (const packet of packets) first.send(`9003${idOf(packet)}01`)
    first.send(publish3('a', 'x', 1, 5))
    expect(await first.packet()).toBe('40020005')
    first.destroy()
    const second = await accepted()
    const again = [await second.packet(), await second.packet()]
    expect(again.map((packet) => packet.slice(8))).toEqual(['00016101', '00016201'])
    second.send(publish3('b', 'y'))
    expect(await second.packet()).toBe('e000')
    await done
    expect(seen).toEqual(['mine a', 'mine b'])
  })

  test('with MQTT 5 clean_session is not used', async () => {
    for (const clean_session of [true, false, null]) {
      const done = subscribe.callback((client) => client.disconnect(), 'a', {
        ...place,
        protocol: MQTTv5,
        clean_session,
      })
      const connection = await accepted('2003000000')
      connection.send(`9004${idOf(await connection.packet())}0000`)
      connection.send('3005 0001 61 00 78')
      await done
    }
  })

  test('a session that is kept', async () => {
    const done = subscribe.callback((client) => client.disconnect(), 'a', {
      ...place,
      client_id: 'c',
      clean_session: false,
    })
    const connection = await peer.accept()
    expect((await connection.packet()).slice(18, 20)).toBe('00')
    connection.send(CONNACK)
    connection.send(`9003${idOf(await connection.packet())}00${publish3('a', '')}`)
    await done
  })

  test('a refused connection is an MQTTException', async () => {
    const done = subscribe.simple('a', place)
    const failed = expect(done).rejects.toThrow(MQTTException)
    await accepted('20020005')
    await failed
  })
})

describe('subscribe.simple', () => {
  test('several messages in the order of arrival, without what is retained; what still comes is ignored', async () => {
    const done = subscribe.simple('a/#', 0, 2, false, place)
    const connection = await accepted()
    connection.send(`9003${idOf(await connection.packet())}00`)
    connection.send(publish3('a/0', 'old', 0, 1, 1))
    connection.send(publish3('a/1', '') + publish3('a/2', '') + publish3('a/3', ''))
    const messages = (await done) as MQTTMessage[]
    expect(messages.map(({ topic }) => topic)).toEqual(['a/1', 'a/2'])
    expect(await connection.packet()).toBe('e000')
  })
})

test('a helper leaves nothing running', async () => {
  const done = publish.single('a', place)
  const connection = await accepted()
  await connection.packet()
  await done
  expect(await connection.packet()).toBe('e000')
  expect(await connection.packet()).toBe('closed')
  expect(new Client(2).socket()).toBeNull()
})

import { Client, type ClientOptions, ConnectionLostError, type MqttError, ProtocolError } from 'mqtt-await'
import { describe, expect, test } from 'vitest'
import { type Answer, acceptAll, ScriptedServer, TestClock } from '../client/scripted-server.ts'

/** A client with no option that concerns limits, and a server that means ill. */
async function victim(version: 4 | 5, options: ClientOptions = {}, answer: Answer = acceptAll) {
  const server = new ScriptedServer(answer)
  const clock = new TestClock()
  const client = new Client(
    { transport: server.transport, protocolVersion: version, keepAlive: 0, reconnect: false, ...options },
    undefined,
    clock,
  )
  await client.connect()
  return { client, server, clock }
}

/** How the client left: its error, and the reason of its DISCONNECT (3.x has none). */
async function ending(life: Awaited<ReturnType<typeof victim>>) {
  await life.clock.settle()
  const { error } = await life.client.closed
  return { error: error as MqttError, told: life.server.last.last('disconnect')?.reasonCode }
}

/** PUBLISH of QoS 1 on topic "a", by hand: encoders refuse what is sent here. */
function publish(packetId: number): number[] {
  return [0x32, 6, 0, 1, 0x61, packetId >> 8, packetId & 0xff, 0]
}

describe.each([4, 5] as const)('MQTT version %i', (version) => {
  test('a packet larger than 64 MiB is refused by its first bytes, and nothing of it is kept', async () => {
    const life = await victim(version)
    const before = process.memoryUsage().arrayBuffers
    // 67,108,865 bytes follow, the message begins, and its sender takes its time.
    life.server.last.bytes(0x30, 0x81, 0x80, 0x80, 0x20, 0, 1, 0x61)
    const { error, told } = await ending(life)
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error).toMatchObject({ reasonCode: 0x95 })
    if (version === 5) expect(told).toBe(0x95)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000)
  })

  test('acknowledgements that nobody waits for are no memory and no harm, or the end of the connection', async () => {
    const life = await victim(version)
    const acked = life.client.publish('a', 'b', { qos: 1 }).acked
    await acked
    const { connection } = life.client
    for (let id = 1; id <= 20_000; id++) {
      // PUBACK, PUBREC, PUBREL and PUBCOMP in turn.
      const type = [0x40, 0x50, 0x62, 0x70][id % 4] ?? 0x40
      life.server.last.bytes(type, 2, id >> 8, id & 0xff)
      if (life.client.state !== 'connected') break
    }
    await life.clock.settle()
    expect(life.client.stats).toMatchObject({ inFlight: 0, queuedMessages: 0, unacknowledged: 0 })
    if (life.client.connection === connection) await life.client.publish('a', 'c', { qos: 2 }).acked
    else expect((await ending(life)).error).toBeInstanceOf(ProtocolError)
    await life.client.close()
  })

  test('messages of QoS 0 that come faster than they are read are dropped, counted and told', async () => {
    const life = await victim(version)
    let told = 0
    life.client.on('dropped', () => told++)
    const messages = life.client.messages('a')
    await messages.ready
    const one = version === 5 ? [0x30, 4, 0, 1, 0x61, 0] : [0x30, 3, 0, 1, 0x61]
    const many = new Uint8Array(70_000 * one.length).map((_, at) => one[at % one.length] ?? 0)
    life.server.last.transport.write([many])
    await life.clock.settle()
    expect(messages.queued).toBe(65_536)
    expect(messages.dropped).toBe(70_000 - 65_536)
    expect(told).toBe(messages.dropped)
    expect(life.client.stats.dropped).toBe(told)
    await life.client.close()
  })
})

describe('MQTT 5.0', () => {
  test('the limit of a packet is announced [MQTT-3.1.2-24]', async () => {
    const life = await victim(5)
    expect(life.server.last.last('connect')?.properties).toMatchObject({
      maximumPacketSize: 67_108_864,
      receiveMaximum: 1024,
    })
    expect(life.server.last.last('connect')?.properties?.topicAliasMaximum).toBeUndefined()
    await life.client.close()
  })

  test('a Topic Alias is refused where none was allowed, and above what was [MQTT-3.1.2-26]', async () => {
    for (const [options, alias] of [
      [{}, 1],
      [{ topicAliasMaximum: 8 }, 9],
    ] as const) {
      const life = await victim(5, options)
      life.server.last.bytes(0x30, 7, 0, 1, 0x61, 3, 0x23, 0, alias)
      const { error, told } = await ending(life)
      expect(error).toMatchObject({ reasonCode: 0x94 })
      expect(told).toBe(0x94)
    }
  })

  test('more unacknowledged messages than Receive Maximum are refused [MQTT-3.3.4-7]', async () => {
    const life = await victim(5)
    const messages = life.client.messages('a', { qos: 1, ack: 'manual' })
    await messages.ready
    for (let id = 1; id <= 1024; id++) life.server.last.bytes(...publish(id))
    await life.clock.settle()
    expect(life.client.connected).toBe(true)
    expect(life.client.stats.unacknowledged).toBe(1024)
    life.server.last.bytes(...publish(1025))
    const { error, told } = await ending(life)
    expect(error).toMatchObject({ reasonCode: 0x93 })
    expect(told).toBe(0x93)
  })

  test('properties of a message end at 1 MiB, and every packet but a message does', async () => {
    const packets: [name: string, head: number[], reasonCode: number][] = [
      // SUBACK of 2 MiB: a reason code in each byte.
      ['SUBACK', [0x90, 0x80, 0x80, 0x80, 0x01], 0x95],
      // CONNACK, AUTH and DISCONNECT could be made of half a million user properties.
      ['AUTH', [0xf0, 0x80, 0x80, 0x80, 0x01], 0x95],
      ['DISCONNECT', [0xe0, 0x80, 0x80, 0x80, 0x01], 0x95],
    ]
    for (const [name, head, reasonCode] of packets) {
      const life = await victim(5)
      life.server.last.bytes(...head)
      const { error, told } = await ending(life)
      expect(error, name).toMatchObject({ reasonCode })
      expect(told, name).toBe(reasonCode)
    }

    // A message that is nothing but 1,048,577 bytes of Subscription Identifiers, two bytes each, and a byte too many.
    const life = await victim(5)
    const properties = new Uint8Array(1_048_578).map((_, at) => (at % 2 === 0 ? 0x0b : 1))
    life.server.last.bytes(0x30, 0x88, 0x80, 0x40, 0, 1, 0x61, 0x82, 0x80, 0x40)
    life.server.last.transport.write([properties])
    const { error, told } = await ending(life)
    expect(error).toMatchObject({ reasonCode: 0x97 })
    expect(told).toBe(0x97)
  })

  test('an AUTH that nobody asked for ends the connection', async () => {
    const life = await victim(5)
    life.server.last.bytes(0xf0, 2, 0x18, 0)
    const { error, told } = await ending(life)
    expect(error).toBeInstanceOf(ProtocolError)
    expect(told).toBeGreaterThanOrEqual(0x80)
  })

  test('a server that goes on asking for AUTH is given up after connectTimeoutMs', async () => {
    let asked = 0
    const server = new ScriptedServer((packet, connection) => {
      if (packet.type !== 'connect' && packet.type !== 'auth') return
      asked++
      connection.send({ type: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'M' } })
    })
    const clock = new TestClock()
    const client = new Client(
      {
        transport: server.transport,
        reconnect: false,
        authenticator: {
          method: 'M',
          start: () => undefined,
          // Each answer takes a tenth of a second of the client's time.
          continue: () => new Promise((resolve) => clock.setTimer(() => resolve(Uint8Array.of(1)), 100)),
        },
      },
      undefined,
      clock,
    )
    const connecting = client.connect().catch((error: unknown) => error)
    await clock.pass(10_000)
    expect(await connecting).toMatchObject({ code: 'ERR_MQTT_TIMEOUT' })
    expect(asked).toBeLessThan(150)
    expect(server.last.closed).toBe(true)
    await client.close()
  })

  test('what the server says at the end is an error like others', async () => {
    const life = await victim(5)
    life.server.last.send({ type: 'disconnect', reasonCode: 0x97, properties: { reasonString: 'enough' } })
    const { error } = await ending(life)
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error).toMatchObject({ reasonCode: 0x97, reasonString: 'enough' })
  })
})

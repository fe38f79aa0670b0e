import { ByteWriter, decode, encode, encodePublish, PacketDecoder, ProtocolError } from 'mqtt-await/codec'
import { describe, expect, test } from 'vitest'
import { fromHex } from '../conformance/vectors.ts'

function failure(action: () => unknown): ProtocolError {
  try {
    action()
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('PacketDecoder', () => {
  test('an oversize packet is refused from its header, before its bytes come [MQTT-3.1.2-24]', () => {
    const decoder = new PacketDecoder({ from: 'server', maximumPacketSize: 100 })
    decoder.push(fromHex('30ffffff'))
    expect(decoder.next()).toBeUndefined()
    decoder.push(fromHex('7f'))
    expect(failure(() => decoder.next())).toMatchObject({
      reasonCode: 0x95,
      packet: 'PUBLISH',
      statement: 'MQTT-3.1.2-24',
    })
  })

  test('a packet of exactly the maximum is accepted', () => {
    const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4, maximumPacketSize: 7 })
    decoder.push(fromHex('30050001616161'))
    expect(decoder.next()).toMatchObject({ topic: 'a' })
    decoder.push(fromHex('3006000161616161'))
    expect(failure(() => decoder.next()).reasonCode).toBe(0x95)
  })

  test('an announced length sets no memory aside', () => {
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 50 }, () => new PacketDecoder({ from: 'server' }))
    for (const decoder of decoders) {
      decoder.push(fromHex('30ffffff7f0001'))
      expect(decoder.next()).toBeUndefined()
      expect(decoder.bufferedBytes).toBe(7)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  test('a wrong first byte is refused at once', () => {
    const decoder = new PacketDecoder({ from: 'server' })
    decoder.push(fromHex('00'))
    expect(failure(() => decoder.next())).toMatchObject({ reasonCode: 0x81, statement: '2.1.2', offset: 0 })
  })

  test('after a failure it stays dead', () => {
    const decoder = new PacketDecoder({ from: 'server' })
    decoder.push(fromHex('d000ff'))
    expect(decoder.next()).toEqual({ type: 'pingresp' })
    const first = failure(() => decoder.next())
    decoder.push(fromHex('d000'))
    expect(failure(() => decoder.next())).toBe(first)
  })

  test('from a client, the version is that of CONNECT, which must come first, and once', () => {
    const connect = encode({
      type: 'connect',
      protocolVersion: 4,
      cleanStart: true,
      keepAlive: 0,
      clientId: 'c',
    })
    const decoder = new PacketDecoder({ from: 'client' })
    expect(decoder.protocolVersion).toBeUndefined()
    decoder.push(connect)
    expect(decoder.next()).toMatchObject({ type: 'connect', protocolVersion: 4 })
    expect(decoder.protocolVersion).toBe(4)
    decoder.push(fromHex('c000'))
    expect(decoder.next()).toEqual({ type: 'pingreq' })
    decoder.push(connect)
    expect(failure(() => decoder.next())).toMatchObject({ reasonCode: 0x82, statement: 'MQTT-3.1.0-2' })
    const early = new PacketDecoder({ from: 'client' })
    early.push(fromHex('c000'))
    expect(failure(() => early.next())).toMatchObject({ reasonCode: 0x82, statement: 'MQTT-3.1.0-1' })
  })

  test.each([
    ['MQTT', 6],
    ['MQIsdp', 4],
    ['mqtt', 4],
  ])('protocol %s %i is refused as unsupported', (name, level) => {
    const body = Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([level, 2, 0, 0, 0, 0]),
    ])
    const decoder = new PacketDecoder({ from: 'client' })
    decoder.push(Buffer.concat([Buffer.from([0x10, body.length]), body]))
    expect(failure(() => decoder.next()).reasonCode).toBe(0x84)
  })

  test.each([
    ['the reserved bit', '100c00044d5154540503000000000000', 'Connect Flags', '3.1.2-3'],
    ['Will QoS without Will', '100c00044d515454040a00000000', 'Connect Flags', '3.1.2-11'],
    ['Will Retain without Will', '100c00044d515454042200000000', 'Connect Flags', '3.1.2-13'],
    ['Will QoS 3', '100c00044d515454041e00000000', 'Will QoS', '3.1.2-14'],
    ['a password without a user name', '100c00044d515454044200000000', 'Password', '3.1.2-22'],
  ])('CONNECT with %s', (_, hex, field, statement) => {
    const bytes = fromHex(hex)
    bytes[1] = bytes.length - 2
    const decoder = new PacketDecoder({ from: 'client' })
    decoder.push(bytes)
    expect(failure(() => decoder.next())).toMatchObject({
      packet: 'CONNECT',
      field,
      statement: `MQTT-${statement}`,
      offset: 9,
    })
  })

  test.each([
    ['no filters', '82020001', 0x82, 4],
    ['QoS 3', '8206000100016103', 0x82, 4],
    ['reserved bits in 3.1.1', '8206000100016104', 0x81, 4],
    ['reserved bits in 5.0', '820700010000016180', 0x81, 5],
    ['Retain Handling 3', '820700010000016130', 0x82, 5],
    [
      'No Local on a shared subscription',
      `8210000100000a${Buffer.from('$share/g/a').toString('hex')}04`,
      0x82,
      5,
    ],
    ['a filter without fault', '820700010000016100', 0, 5],
    ['an empty filter', '82060001' + '00' + '0000' + '00', 0x8f, 5],
    ['DUP in 3.1.1', '8a06000100016100', 0x81, 4],
  ] as const)('SUBSCRIBE with %s', (_, hex, code, protocolVersion) => {
    const bytes = fromHex(hex)
    const action = () => decode(bytes, { from: 'client', protocolVersion })
    if (code === 0) expect(action()).toMatchObject({ type: 'subscribe' })
    else expect(failure(action).reasonCode).toBe(code)
  })

  test('in 3.1 PUBREL, SUBSCRIBE and UNSUBSCRIBE may be repeated with DUP', () => {
    expect(decode(fromHex('6a020007'), { protocolVersion: 3 })).toMatchObject({
      type: 'pubrel',
      packetId: 7,
      dup: true,
    })
    expect(failure(() => decode(fromHex('6a020007'), { protocolVersion: 4 })).reasonCode).toBe(0x81)
  })

  test('in 3.1 the reserved byte of CONNACK says nothing', () => {
    expect(decode(fromHex('2002ff00'), { protocolVersion: 3 })).toEqual({
      type: 'connack',
      sessionPresent: false,
      reasonCode: 0,
    })
  })

  test('an old server that refuses MQTT 5 in the form of 3.1.1 is understood', () => {
    expect(decode(fromHex('20020001'))).toEqual({ type: 'connack', sessionPresent: false, reasonCode: 0x84 })
  })

  test('time is linear in the bytes, however they come', () => {
    const time = (size: number) => {
      const bytes = encode({
        type: 'publish',
        topic: 'a',
        payload: new Uint8Array(size),
        qos: 0,
        retain: false,
        dup: false,
        packetId: 0,
      })
      const pieces = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1))
      const decoder = new PacketDecoder({ from: 'server' })
      const start = performance.now()
      for (const piece of pieces) {
        decoder.push(piece)
        decoder.next()
      }
      return performance.now() - start
    }
    time(20_000)
    const small = Math.min(time(20_000), time(20_000), time(20_000))
    // 8 times the bytes: a quadratic decoder would take 64 times as long.
    expect(Math.min(time(160_000), time(160_000), time(160_000))).toBeLessThan(small * 40 + 50)
  })

  test('many chunks that wait are taken in linear time', () => {
    const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4 })
    const one = fromHex('40020001')
    const start = performance.now()
    for (let count = 0; count < 200_000; count++) decoder.push(one)
    let packets = 0
    while (decoder.next() !== undefined) packets++
    expect(packets).toBe(200_000)
    expect(performance.now() - start).toBeLessThan(5000)
  })

  test('an error names the packet that it is in, also when the header came before other bytes', () => {
    const bytes = fromHex('90030001ff')
    const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4 })
    for (const byte of bytes.subarray(0, 4)) {
      decoder.push(Uint8Array.of(byte))
      expect(decoder.next()).toBeUndefined()
    }
    decoder.push(bytes.subarray(4))
    expect(failure(() => decoder.next())).toMatchObject({ packet: 'SUBACK', field: 'Reason Codes' })
  })

  test('a Buffer chunk gives payloads that are plain Uint8Arrays on the same memory', () => {
    const chunk = Buffer.from('3005000161ffee', 'hex')
    const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4 })
    decoder.push(chunk)
    const packet = decoder.next()
    if (packet?.type !== 'publish') throw new Error('no PUBLISH')
    expect(packet.payload.constructor).toBe(Uint8Array)
    expect(packet.payload.buffer).toBe(chunk.buffer)
    expect([...packet.payload]).toEqual([0xff, 0xee])
  })
})

describe('decode', () => {
  test('takes exactly one packet', () => {
    expect(decode(fromHex('d000'))).toEqual({ type: 'pingresp' })
    for (const hex of ['', 'd0', '4002', 'd000d000', 'd00040']) {
      expect(failure(() => decode(fromHex(hex)))).toMatchObject({
        reasonCode: 0x81,
        field: 'Remaining Length',
      })
    }
  })

  test('a stream that was written in pieces is read as one', () => {
    const writer = new ByteWriter()
    const payload = new Uint8Array(10_000)
    for (let index = 0; index < 5; index++) {
      encodePublish(writer, 5, {
        topic: `t/${index}`,
        payload,
        qos: 0,
        retain: false,
        dup: false,
        packetId: 0,
      })
    }
    const decoder = new PacketDecoder({ from: 'client', protocolVersion: 5 })
    for (const chunk of writer.take()) decoder.push(chunk)
    const topics: string[] = []
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
      if (packet.type === 'publish') topics.push(packet.topic)
    }
    expect(topics).toEqual(['t/0', 't/1', 't/2', 't/3', 't/4'])
  })
})

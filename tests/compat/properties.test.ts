import {
  KeyError,
  MalformedPacket,
  MQTTException,
  properties as module,
  PacketTypes,
  Properties,
  ValueError,
  VariableByteIntegers,
} from 'mqtt-await/compat'
import { describe, expect, test } from 'vitest'

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')

describe('Properties', () => {
  test('are undefined until set, and empty when packed', () => {
    const p = new Properties(PacketTypes.CONNECT)
    expect(p.SessionExpiryInterval).toBeUndefined()
    expect(p.isEmpty()).toBe(true)
    expect(hex(p.pack())).toBe('00')
    expect(String(p)).toBe('[]')
  })

  test('are packed in the order of the table', () => {
    const p = new Properties(PacketTypes.PUBLISH)
    p.UserProperty = ['k', 'v']
    p.TopicAlias = 5
    p.ContentType = 'a'
    p.PayloadFormatIndicator = 1
    p.CorrelationData = Uint8Array.of(0xab)
    p.SubscriptionIdentifier = 200
    expect(hex(p.pack())).toBe('17010103000161090001ab0bc8012300052600016b000176')
    const [copy, used] = new Properties(PacketTypes.PUBLISH).unpack(p.pack())
    expect(used).toBe(24)
    expect(copy.json()).toEqual({
      PayloadFormatIndicator: 1,
      ContentType: 'a',
      CorrelationData: 'ab',
      SubscriptionIdentifier: [200],
      TopicAlias: 5,
      UserProperty: [['k', 'v']],
    })
    expect(String(copy)).toContain("ContentType : a, CorrelationData : b'\\xab'")
    expect(String(copy)).toContain("UserProperty : [('k', 'v')]")
  })

  test('accumulate user properties and subscription identifiers', () => {
    const p = new Properties(PacketTypes.PUBLISH)
    p.UserProperty = ['a', '1']
    p.UserProperty = [
      ['b', '2'],
      ['a', '3'],
    ]
    p.SubscriptionIdentifier = 1
    p.SubscriptionIdentifier = [2, 3]
    expect(p.UserProperty).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ])
    expect(p.SubscriptionIdentifier).toEqual([1, 2, 3])
    p.clear()
    expect(p.UserProperty).toBeUndefined()
  })

  test('can be assigned by the name with spaces', () => {
    const p = new Properties(PacketTypes.CONNECT) as Properties & Record<string, unknown>
    p['Receive Maximum'] = 7
    expect(p.ReceiveMaximum).toBe(7)
  })

  test('refuse names that do not exist or are of another packet', () => {
    const p = new Properties(PacketTypes.CONNECT) as Properties & Record<string, unknown>
    expect(() => {
      Object.assign(p, { ReciveMaximum: 7 })
    }).toThrow(MQTTException)
    expect(() => {
      p.TopicAlias = 7
    }).toThrow(MQTTException)
  })

  test.each([
    ['ReceiveMaximum', 0],
    ['ReceiveMaximum', 65_536],
    ['TopicAliasMaximum', -1],
    ['MaximumPacketSize', 0],
    ['RequestResponseInformation', 2],
    ['RequestProblemInformation', 2],
  ])('check %s = %d at assignment', (name, value) => {
    const p = new Properties(PacketTypes.CONNECT) as Properties & Record<string, unknown>
    expect(() => {
      p[name] = value
    }).toThrow(MQTTException)
  })

  test('check the rest when they are packed', () => {
    const p = new Properties(PacketTypes.CONNECT)
    p.SessionExpiryInterval = 2 ** 32
    expect(() => p.pack()).toThrow(ValueError)
    p.SessionExpiryInterval = 2 ** 32 - 1
    expect(hex(p.pack())).toBe('0511ffffffff')
    p.AuthenticationData = 'text' as unknown as Uint8Array
    expect(() => p.pack()).toThrow(TypeError)
  })

  test.each([
    ['a repeated property', '0a 21 0001 21 0002', MalformedPacket],
    ['a property twice', '06 21 0001 21 0002', MQTTException],
    ['a property of another packet', '03 23 0001', MQTTException],
    ['an unknown identifier', '02 7e 01', KeyError],
    ['a cut number', '02 21 00', MalformedPacket],
    ['a string longer than the set', '05 15 0004 6161', MalformedPacket],
    ['U+0000 in a string', '04 15 0001 00', MalformedPacket],
    ['a surrogate in a string', '06 15 0003 eda080', MalformedPacket],
    ['a value out of range', '03 21 0000', MQTTException],
  ])('do not unpack %s', (_what, data, error) => {
    expect(() => new Properties(PacketTypes.CONNECT).unpack(bytes(data))).toThrow(error)
  })

  test('describe themselves', () => {
    const p = new Properties(PacketTypes.CONNECT)
    expect(p.types).toHaveLength(7)
    expect(Object.keys(p.names)).toHaveLength(27)
    expect(p.properties[33]).toEqual([1, [1, 2]])
    expect(p.getIdentFromName('ReceiveMaximum')).toBe(33)
    expect(p.getIdentFromName('Nothing')).toBe(-1)
    expect(p.getNameFromIdent(33)).toBe('Receive Maximum')
    expect(p.getNameFromIdent(4)).toBeNull()
    expect(p.allowsMultiple('UserProperty') && !p.allowsMultiple('ReceiveMaximum')).toBe(true)
    expect(p.readProperty(bytes('0001 61 0001 62 ff'), 6, 6)).toEqual([['a', 'b'], 6])
  })
})

describe('single values', () => {
  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2_097_151, 'ffff7f'],
    [2_097_152, '80808001'],
    [268_435_455, 'ffffff7f'],
  ])('variable byte integer %d is %s', (value, encoded) => {
    expect(hex(VariableByteIntegers.encode(value))).toBe(encoded)
    expect(VariableByteIntegers.decode(bytes(`${encoded}ff`))).toEqual([value, encoded.length / 2])
  })

  test('refuse what does not fit', () => {
    expect(() => VariableByteIntegers.encode(268_435_456)).toThrow(ValueError)
    expect(() => VariableByteIntegers.encode(-1)).toThrow(ValueError)
    expect(() => VariableByteIntegers.decode(bytes('80808080 01'))).toThrow(MalformedPacket)
    expect(() => module.writeInt16(65_536)).toThrow(ValueError)
    expect(() => module.writeUTF('\ud800')).toThrow(ValueError)
    expect(() => module.readUTF(bytes('0003 616161'), 4)).toThrow(MalformedPacket)
  })

  test('are big endian, with lengths of two bytes', () => {
    expect(hex(module.writeInt16(258))).toBe('0102')
    expect(module.readInt16(bytes('0102ff'))).toBe(258)
    expect(hex(module.writeInt32(0xfffe_fdfc))).toBe('fffefdfc')
    expect(module.readInt32(bytes('fffefdfc'))).toBe(0xfffe_fdfc)
    expect(hex(module.writeUTF('ä'))).toBe('0002c3a4')
    expect(module.readUTF(bytes('0002c3a4ff'), 5)).toEqual(['ä', 4])
    expect(hex(module.writeBytes(bytes('0102')))).toBe('00020102')
    expect(module.readBytes(bytes('00020102ff'))).toEqual([bytes('0102'), 4])
    expect(module.MQTTException).toBe(MQTTException)
  })
})

import {
  AssertionError,
  connack_string,
  convert_connack_rc_to_reason_code,
  convert_disconnect_error_code_to_reason_code,
  error_string,
  KeyError,
  MQTTErrorCode,
  MQTTException,
  MQTTMatcher,
  MQTTMessage,
  MQTTMessageInfo,
  RuntimeError,
  SubscribeOptions,
  topic_matches_sub,
  UnicodeDecodeError,
  ValueError,
} from 'mqtt-await/compat'
import { describe, expect, test } from 'vitest'
import { finishInfo } from '../../src/compat/message-info.ts'
import { encodePayload } from '../../src/compat/payload.ts'

describe('SubscribeOptions', () => {
  test('packs and unpacks its byte', () => {
    const options = new SubscribeOptions({
      qos: 1,
      noLocal: true,
      retainHandling: SubscribeOptions.RETAIN_DO_NOT_SEND,
    })
    expect([...options.pack()]).toEqual([0b10_0101])
    const other = new SubscribeOptions()
    expect(other.unpack(Uint8Array.of(0b01_1010, 7))).toBe(1)
    expect(other.json()).toEqual({ QoS: 2, noLocal: false, retainAsPublished: true, retainHandling: 1 })
    expect(String(other)).toBe('{QoS=2, noLocal=False, retainAsPublished=True, retainHandling=1}')
  })

  test('takes its arguments by position too', () => {
    expect(new SubscribeOptions(2, true, true, 1).json()).toEqual({
      QoS: 2,
      noLocal: true,
      retainAsPublished: true,
      retainHandling: 1,
    })
  })

  test('checks ranges when made, packed and unpacked, and names at assignment', () => {
    expect(() => new SubscribeOptions(3)).toThrow(AssertionError)
    const options = new SubscribeOptions()
    options.QoS = 3
    expect(() => options.pack()).toThrow(AssertionError)
    expect(() => options.unpack(Uint8Array.of(3))).toThrow(AssertionError)
    expect(() => {
      ;(options as unknown as { qos: number }).qos = 1
    }).toThrow(MQTTException)
    expect(options.names).toEqual(['QoS', 'noLocal', 'retainAsPublished', 'retainHandling'])
  })
})

describe('MQTTMatcher', () => {
  test('yields level by level the exact name, then +, then #', () => {
    const matcher = new MQTTMatcher<string>()
    for (const filter of ['#', '+/+', '+/b', 'a/#', 'a/+', 'a/b/#', 'a/b', 'c', 'a/b/c'])
      matcher.set(filter, filter)
    expect([...matcher.iter_match('a/b')]).toEqual(['a/b', 'a/b/#', 'a/+', 'a/#', '+/b', '+/+', '#'])
  })

  test('gets, deletes and replaces', () => {
    const matcher = new MQTTMatcher<number>()
    matcher.set('a/b', 1)
    matcher.set('a/b', 2)
    expect(matcher.get('a/b')).toBe(2)
    expect(() => matcher.get('a')).toThrow(KeyError)
    matcher.delete('a/b')
    expect(() => matcher.delete('a/b')).toThrow(KeyError)
    expect([...matcher.iter_match('a/b')]).toEqual([])
  })

  test.each([
    ['a/#', 'a', true],
    ['a/+', 'a/', true],
    ['+/b', '/b', true],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['a/+', 'a/b/c', false],
    ['a', 'a/b', false],
    ['a/$b', 'a/$b', true],
    ['a/+', 'a/$b', true],
  ])('%s and %s: %s', (filter, topic, matches) => {
    expect(topic_matches_sub(filter, topic)).toBe(matches)
  })
})

describe('texts', () => {
  test('one for each error code, all different', () => {
    const texts = Array.from({ length: 17 }, (_, code) => error_string(code))
    expect(new Set(texts).size).toBe(17)
    expect(error_string(99)).toBe(error_string(MQTTErrorCode.MQTT_ERR_UNKNOWN))
    expect(error_string(-1)).toBe(error_string(MQTTErrorCode.MQTT_ERR_UNKNOWN))
  })

  test('one for each CONNACK code, one for others, and the name of a reason', () => {
    const texts = Array.from({ length: 7 }, (_, code) => connack_string(code))
    expect(new Set(texts).size).toBe(7)
    expect(connack_string(99)).toBe(connack_string(6))
    expect(connack_string(convert_connack_rc_to_reason_code(3))).toBe('Server unavailable')
  })

  test('codes of MQTT 3 become reasons of MQTT 5', () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((code) => convert_connack_rc_to_reason_code(code).value)).toEqual([
      0, 132, 133, 136, 134, 135, 128,
    ])
    expect(convert_disconnect_error_code_to_reason_code(0).getName()).toBe('Normal disconnection')
    expect(convert_disconnect_error_code_to_reason_code(16).getName()).toBe('Keep alive timeout')
    expect(convert_disconnect_error_code_to_reason_code(7).getName()).toBe('Unspecified error')
  })
})

describe('MQTTMessageInfo', () => {
  test('reads as a pair', () => {
    const info = new MQTTMessageInfo(7)
    const [rc, mid] = info
    expect([rc, mid, info[0], info[1], String(info)]).toEqual([0, 7, 0, 7, '(0, 7)'])
    expect([info.next(), info.next(), info.next()]).toEqual([
      { done: false, value: 0 },
      { done: false, value: 7 },
      { done: true, value: undefined },
    ])
  })

  test('wait_for_publish ends with the message, and with the timeout without an error', async () => {
    const info = new MQTTMessageInfo(1)
    await info.wait_for_publish(0.001)
    await info.wait_for_publish({ timeout: 0 })
    expect(info.is_published()).toBe(false)
    const waiting = info.wait_for_publish(10)
    finishInfo(info)
    await waiting
    expect(info.is_published()).toBe(true)
  })

  test('a message that is lost while it is waited for rejects', async () => {
    const info = new MQTTMessageInfo(1)
    const waiting = info.wait_for_publish()
    finishInfo(info, MQTTErrorCode.MQTT_ERR_CONN_LOST)
    await expect(waiting).rejects.toThrow(RuntimeError)
  })

  test('a failed publish throws', async () => {
    const info = new MQTTMessageInfo(1)
    info.rc = MQTTErrorCode.MQTT_ERR_QUEUE_SIZE
    expect(() => info.is_published()).toThrow(ValueError)
    info.rc = MQTTErrorCode.MQTT_ERR_NO_CONN
    expect(() => info.is_published()).toThrow(RuntimeError)
    await expect(info.wait_for_publish()).rejects.toThrow(RuntimeError)
  })
})

describe('MQTTMessage', () => {
  test('is empty at first', () => {
    const message = new MQTTMessage()
    expect(message).toMatchObject({
      timestamp: 0,
      state: 0,
      dup: false,
      mid: 0,
      topic: '',
      qos: 0,
      retain: false,
    })
    expect(message.properties).toBeNull()
    expect(message.payload).toHaveLength(0)
  })

  test('decodes its topic when it is read', () => {
    const message = new MQTTMessage(3, Uint8Array.of(0xff))
    expect(() => message.topic).toThrow(UnicodeDecodeError)
    message.topic = 'a/b'
    expect(message.topic).toBe('a/b')
    expect(message.equals(new MQTTMessage({ mid: 3 })) && !message.equals(3)).toBe(true)
  })
})

describe('payloads', () => {
  test.each([
    ['ä', 'c3a4'],
    [1.5, '312e35'],
    [12n, '3132'],
    [true, '54727565'],
    [false, '46616c7365'],
    [null, ''],
    [Buffer.from('ab'), '6162'],
  ])('%s is sent as %s', (payload, hex) => {
    expect(Buffer.from(encodePayload(payload)).toString('hex')).toBe(hex)
  })

  test.each([[{}], [[1]], [new ArrayBuffer(1)], [new Uint16Array(1)], [Symbol('x')]])(
    '%s is refused',
    (payload) => {
      expect(() => encodePayload(payload)).toThrow(TypeError)
    },
  )
})

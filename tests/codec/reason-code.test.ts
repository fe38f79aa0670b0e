import { describe, expect, test } from 'vitest'
import {
  AUTH,
  CONNACK,
  DISCONNECT,
  PINGREQ,
  PUBCOMP,
  PUBLISH,
  PUBREL,
  SUBSCRIBE,
} from '../../src/codec/packet-type.ts'
import { isReasonCode, RETURN_CODES } from '../../src/codec/reason-code.ts'

const legal = (type: number, from: 'server' | 'client') =>
  Array.from({ length: 256 }, (_, code) => code).filter((code) => isReasonCode(type, code, from))

describe('reason codes', () => {
  test("DISCONNECT: 0x04 is the client's, what only a server knows is the server's [MQTT-3.14.2-1]", () => {
    expect(legal(DISCONNECT, 'client')).toContain(0x04)
    expect(legal(DISCONNECT, 'server')).not.toContain(0x04)
    for (const code of [0x87, 0x8b, 0x8e, 0x9c, 0xa2]) {
      expect(legal(DISCONNECT, 'client')).not.toContain(code)
      expect(legal(DISCONNECT, 'server')).toContain(code)
    }
  })

  test('AUTH: a server succeeds, a client asks anew [MQTT-3.15.2-1]', () => {
    expect(legal(AUTH, 'server')).toEqual([0x00, 0x18])
    expect(legal(AUTH, 'client')).toEqual([0x18, 0x19])
  })

  test('PUBREL and PUBCOMP know two [MQTT-3.6.2-1] [MQTT-3.7.2-1]', () => {
    expect(legal(PUBREL, 'server')).toEqual([0x00, 0x92])
    expect(legal(PUBCOMP, 'client')).toEqual([0x00, 0x92])
  })

  test('packets without reason codes have none', () => {
    for (const type of [PUBLISH, SUBSCRIBE, PINGREQ]) expect(legal(type, 'client')).toEqual([])
  })

  test('each return code of 3.1.1 is a reason code of CONNACK', () => {
    expect(RETURN_CODES.length).toBe(6)
    for (const code of RETURN_CODES) expect(isReasonCode(CONNACK, code, 'server')).toBe(true)
  })
})

import { KeyError, PacketTypes, ReasonCode, ReasonCodes, ValueError } from 'mqtt-await/compat'
import { describe, expect, test, vi } from 'vitest'

describe('ReasonCode', () => {
  test('is Success by default, whatever that is called for the packet', () => {
    expect(String(new ReasonCode(PacketTypes.CONNACK))).toBe('Success')
    expect(String(new ReasonCode(PacketTypes.DISCONNECT))).toBe('Normal disconnection')
    expect(String(new ReasonCode(PacketTypes.DISCONNECT, { identifier: 0 }))).toBe('Normal disconnection')
    expect(String(new ReasonCode(PacketTypes.SUBACK, 'Granted QoS 0'))).toBe('Granted QoS 0')
    expect(() => new ReasonCode(PacketTypes.SUBACK)).toThrow(KeyError)
  })

  test('takes the identifier before the name, by position or by keyword', () => {
    expect(new ReasonCode(PacketTypes.CONNACK, 'Success', 135).getName()).toBe('Not authorized')
    expect(new ReasonCode(PacketTypes.CONNACK, { identifier: 135 }).value).toBe(135)
    expect(new ReasonCode(PacketTypes.CONNACK, { aName: 'Banned' }).value).toBe(138)
  })

  test('refuses what it does not know and what the packet can not have', () => {
    expect(() => new ReasonCode(PacketTypes.CONNACK, 'Nonsense')).toThrow(KeyError)
    expect(() => new ReasonCode(PacketTypes.CONNACK, 'Granted QoS 1')).toThrow(KeyError)
    expect(() => new ReasonCode(PacketTypes.CONNACK, { identifier: 3 })).toThrow(KeyError)
    expect(() => new ReasonCode(PacketTypes.CONNACK, { identifier: 1 })).toThrow(ValueError)
    const code = new ReasonCode(PacketTypes.PUBACK)
    expect(() => code.set('Banned')).toThrow(KeyError)
    expect(() => code.unpack(Uint8Array.of(138))).toThrow(ValueError)
    expect(() => code.unpack(Uint8Array.of(3))).toThrow(KeyError)
    expect(code.value).toBe(0)
  })

  test('compares by number, by name and with others', () => {
    const code = new ReasonCode(PacketTypes.PUBACK, 'Not authorized')
    expect(code.is_failure).toBe(true)
    expect(Number(code) === 135 && code > (127 as unknown as ReasonCode)).toBe(true)
    expect(`${code}`).toBe('Not authorized')
    expect(code.equals(135) && code.equals('Not authorized')).toBe(true)
    expect(code.equals(new ReasonCode(PacketTypes.CONNACK, 'Not authorized'))).toBe(true)
    expect(code.equals('Banned') || code.equals(null)).toBe(false)
    expect(code.json()).toBe('Not authorized')
    expect([...code.pack()]).toEqual([135])
    expect(code.unpack(Uint8Array.of(16, 1))).toBe(1)
    expect(code.getName()).toBe('No matching subscribers')
  })

  test('goes by its old name with a warning', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const old = new ReasonCodes(PacketTypes.CONNACK, 'Banned')
    expect(warn).toHaveBeenCalledWith(expect.any(String), 'DeprecationWarning')
    warn.mockRestore()
    expect(old).toBeInstanceOf(ReasonCode)
    expect(new ReasonCode(PacketTypes.CONNACK)).toBeInstanceOf(ReasonCodes)
    expect(old.value).toBe(138)
  })
})

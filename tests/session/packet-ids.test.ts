import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PacketIds } from '../../src/session/packet-ids.ts'

describe('packet identifiers', () => {
  test('an id rests for a round before it is used again', () => {
    const ids = new PacketIds<string>()
    const held = ids.allocate('held')
    const others = Array.from({ length: 15 }, () => {
      const id = ids.allocate('a')
      ids.release(id)
      return id
    })
    expect(new Set([held, ...others]).size).toBe(16)
    expect(ids.allocate('b')).toBe(others[0])
  })

  test('the range grows by doubling and ends at 65,535', () => {
    const ids = new PacketIds<number>()
    const seen = new Set<number>()
    for (let n = 0; n < 65_535; n++) seen.add(ids.allocate(n))
    expect(seen.size).toBe(65_535)
    expect([seen.has(0), seen.has(65_536), ids.allocate(0), ids.available]).toEqual([false, false, 0, 0])
    ids.release(40_000)
    expect([ids.holder(40_000), ids.available, ids.allocate(1)]).toEqual([undefined, 1, 40_000])
  })

  test('claimed ids are held and given out only after their release', () => {
    const ids = new PacketIds<string>()
    ids.claim([
      [3, 'x'],
      [40, 'y'],
    ])
    expect([ids.holder(3), ids.holder(40), ids.available]).toEqual(['x', 'y', 65_533])
    const others = Array.from({ length: 62 }, () => {
      const id = ids.allocate('z')
      ids.release(id)
      return id
    })
    expect(new Set([3, 40, ...others]).size).toBe(64)
    ids.release(3)
    const next = [ids.allocate('v'), ids.allocate('v'), ids.allocate('v')]
    expect(next).toEqual([1, 2, 3])
  })

  test('whatever is done, no id is held twice and none is lost', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant('take' as const), fc.nat(200)), { maxLength: 600 }),
        (steps) => {
          const ids = new PacketIds<object>()
          const held = new Map<number, object>()
          for (const step of steps) {
            if (step === 'take') {
              const holder = {}
              const id = ids.allocate(holder)
              expect(held.has(id)).toBe(false)
              held.set(id, holder)
            } else {
              const [id] = [...held.keys()].slice(step % Math.max(1, held.size))
              if (id === undefined) continue
              held.delete(id)
              ids.release(id)
            }
            expect(ids.available).toBe(65_535 - held.size)
          }
          for (const [id, holder] of held) expect(ids.holder(id)).toBe(holder)
        },
      ),
    )
  })
})

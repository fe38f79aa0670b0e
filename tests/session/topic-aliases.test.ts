import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InboundAliases, OutboundAliases } from '../../src/session/topic-aliases.ts'

describe('aliases that we give', () => {
  test('a short topic is not worth one', () => {
    expect(new OutboundAliases(5).assign('a/b')).toBe(0)
  })

  test('a topic in use keeps its alias through a flood of others', () => {
    const aliases = new OutboundAliases(4)
    for (let n = 0; n < 10; n++) aliases.assign('busy/topic')
    let kept = 0
    for (let n = 0; n < 100; n++) {
      aliases.assign(`one/off/${n}`)
      aliases.assign('busy/topic')
      if (aliases.isKnown) kept++
    }
    expect(kept).toBe(100)
  })

  test('a topic that is not used any more gives way', () => {
    const aliases = new OutboundAliases(1)
    aliases.assign('first/topic')
    for (let n = 0; n < 20; n++) aliases.assign('second/topic')
    expect(aliases.isKnown).toBe(true)
  })

  test('the caller can choose, and the table follows', () => {
    const aliases = new OutboundAliases(5)
    aliases.assignFixed('some/topic', 3)
    expect(aliases.isKnown).toBe(false)
    aliases.assignFixed('some/topic', 3)
    expect(aliases.isKnown).toBe(true)
    expect(aliases.assign('some/topic')).toBe(3)
    aliases.assignFixed('other/topic', 3)
    expect(aliases.isKnown).toBe(false)
    aliases.assign('some/topic')
    expect(aliases.isKnown).toBe(false)
  })

  test('a receiver that follows them always finds the right topic', () => {
    const topic = fc.integer({ min: 0, max: 12 }).map((n) => `some/topic/${n}`)
    const step = fc.record({ topic, fixed: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const ours = new OutboundAliases(4)
        const theirs = new InboundAliases(4)
        for (const { topic, fixed } of steps) {
          let alias = fixed
          if (alias === undefined) alias = ours.assign(topic)
          else ours.assignFixed(topic, alias)
          expect(alias).toBeLessThanOrEqual(4)
          if (alias === 0) {
            expect(ours.isKnown).toBe(false)
            continue
          }
          if (ours.isKnown) expect(theirs.get(alias)).toBe(topic)
          else theirs.set(alias, topic)
        }
      }),
    )
  })
})

test('aliases that the server gives are kept by number', () => {
  const aliases = new InboundAliases(10)
  aliases.set(7, 'a')
  expect([aliases.get(7), aliases.get(3), aliases.get(10)]).toEqual(['a', undefined, undefined])
})

import { describe, expect, test } from 'vitest'
import { KeepAlive } from '../../src/session/keep-alive.ts'

describe('keep-alive', () => {
  test('what is sent postpones the ping only while something is received as well', () => {
    const keepAlive = new KeepAlive(10, 0)
    expect(keepAlive.deadline).toBe(9_000)
    keepAlive.sent(5_000)
    expect(keepAlive.deadline).toBe(9_000)
    keepAlive.received(6_000)
    expect(keepAlive.deadline).toBe(14_000)
  })

  test('a half-open link is found within one and a half intervals of the last byte received, however much is sent', () => {
    const keepAlive = new KeepAlive(10, 0)
    for (let now = 1_000; now < 9_000; now += 1_000) keepAlive.sent(now)
    expect(keepAlive.due(8_999)).toBe('nothing')
    expect(keepAlive.due(9_000)).toBe('ping')
    keepAlive.pinged(9_000)
    keepAlive.sent(9_000)
    expect(keepAlive.due(13_999)).toBe('nothing')
    expect(keepAlive.due(14_000)).toBe('dead')
  })

  test('any byte is proof of life', () => {
    const keepAlive = new KeepAlive(10, 0)
    keepAlive.pinged(9_000)
    keepAlive.sent(9_000)
    keepAlive.received(10_000)
    expect(keepAlive.due(14_000)).toBe('nothing')
  })

  test('a second ping does not postpone the verdict on the first', () => {
    const keepAlive = new KeepAlive(10, 0)
    keepAlive.pinged(9_000)
    keepAlive.pinged(13_000)
    expect(keepAlive.deadline).toBe(14_000)
  })

  test('a timer that comes far too late gives the answer one more chance, once', () => {
    const keepAlive = new KeepAlive(60, 0)
    keepAlive.pinged(59_000)
    expect(keepAlive.due(300_000)).toBe('nothing')
    expect(keepAlive.deadline).toBe(301_000)
    expect(keepAlive.due(301_000)).toBe('dead')
  })

  test('a timer that comes a little late, after a turn that took long, waits as long again for an answer that may lie unread', () => {
    const keepAlive = new KeepAlive(10, 0)
    keepAlive.pinged(9_000)
    expect(keepAlive.due(14_020)).toBe('nothing')
    expect(keepAlive.deadline).toBe(14_040)
    keepAlive.received(14_021)
    keepAlive.pinged(23_000)
    expect(keepAlive.due(28_020)).toBe('nothing')
    // However late that one comes.
    expect(keepAlive.due(28_090)).toBe('dead')
  })

  test('0 turns it off', () => {
    const keepAlive = new KeepAlive(0, 0)
    expect(keepAlive.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(keepAlive.due(1e12)).toBe('nothing')
  })
})

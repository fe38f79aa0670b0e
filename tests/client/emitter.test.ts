import { describe, expect, test } from 'vitest'
import { EventEmitter } from '../../src/client/emitter.ts'
import { EventEmitter as BrowserEmitter } from '../../src/client/emitter-browser.ts'

type Emitter = Pick<BrowserEmitter, 'on' | 'once' | 'off' | 'emit' | 'listenerCount'>

describe.each<[string, () => Emitter]>([
  ['eventemitter3', () => new EventEmitter() as unknown as Emitter],
  ['what takes its place in pages', () => new BrowserEmitter()],
])('%s', (_, make) => {
  test('tells those who listen, in their order, with every detail', () => {
    const emitter = make()
    const told: unknown[] = []
    emitter.on('a', (...details) => told.push([1, ...details]))
    emitter.once('a', (...details) => told.push([2, ...details]))
    emitter.on('a', (...details) => told.push([3, ...details]))
    emitter.on('b', () => told.push('b'))
    expect([emitter.listenerCount('a'), emitter.listenerCount('b'), emitter.listenerCount('c')]).toEqual([
      3, 1, 0,
    ])
    emitter.emit('a', ...(['x', 'y'] as never[]))
    emitter.emit('a')
    emitter.emit('c')
    expect(told).toEqual([[1, 'x', 'y'], [2, 'x', 'y'], [3, 'x', 'y'], [1], [3]])
    expect(emitter.listenerCount('a')).toBe(2)
  })

  test('off takes a listener out each time it was put in, and only it', () => {
    const emitter = make()
    const told: string[] = []
    const twice = () => told.push('twice')
    emitter.on('a', twice)
    emitter.once('a', twice)
    emitter.on('a', () => told.push('other'))
    emitter.off('a', twice)
    emitter.off('b', twice)
    emitter.emit('a')
    expect(told).toEqual(['other'])
    expect(emitter.listenerCount('a')).toBe(1)
  })

  test('who comes or goes while an event is told does not change who is told', () => {
    const emitter = make()
    const told: string[] = []
    const second = () => told.push('second')
    emitter.once('a', () => {
      told.push('first')
      emitter.off('a', second)
      emitter.on('a', () => told.push('late'))
    })
    emitter.on('a', second)
    emitter.emit('a')
    expect(told).toEqual(['first', 'second'])
    emitter.emit('a')
    expect(told).toEqual(['first', 'second', 'late'])
  })

  test('a listener that is told once is not told again by what it does, and an error of one ends the telling', () => {
    const emitter = make()
    let calls = 0
    emitter.once('a', () => {
      calls++
      emitter.emit('a')
      throw new Error('of a listener')
    })
    let others = 0
    emitter.on('a', () => others++)
    expect(() => emitter.emit('a')).toThrow('of a listener')
    expect([calls, others]).toEqual([1, 1])
  })
})

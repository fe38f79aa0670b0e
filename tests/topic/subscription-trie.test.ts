import { describe, expect, test } from 'vitest'
import { SubscriptionTrie } from '../../src/topic/subscription-trie.ts'
import { SubscriptionTrie as BrowserTrie } from '../../src/topic/subscription-trie-browser.ts'

describe.each([
  ['the trie', SubscriptionTrie],
  ['what takes its place in browsers', BrowserTrie],
] as [string, new <T>() => Pick<SubscriptionTrie<T>, 'add' | 'remove' | 'match'>][])('%s', (_, Trie) => {
  test('gives the values of a filter in their order and a value once for each adding', () => {
    const trie = new Trie<string>()
    trie.add('a/+', 'one')
    trie.add('a/+', 'two')
    trie.add('a/b', 'one')
    expect(trie.match('a/b')).toEqual(['one', 'one', 'two'])
    expect(trie.remove('a/+', 'one')).toBe(true)
    expect(trie.remove('a/+', 'three')).toBe(false)
    expect(trie.remove('x/+', 'one')).toBe(false)
    expect(trie.match('a/b')).toEqual(['one', 'two'])
  })

  test('levels whose hashes collide stay apart', () => {
    // 200,000 names in 2^30 hashes hold some twenty colliding pairs.
    const trie = new Trie<number>()
    const count = 200_000
    for (let index = 0; index < count; index++) trie.add(`${index.toString(36)}/+`, index)
    for (let index = 0; index < count; index++) {
      const found = trie.match(`${index.toString(36)}/x`)
      if (found.length !== 1 || found[0] !== index) throw new Error(`${index} found ${found}`)
    }
    for (let index = 0; index < count; index += 2) {
      if (!trie.remove(`${index.toString(36)}/+`, index)) throw new Error(`${index} was not removed`)
    }
    for (let index = 0; index < count; index++) {
      if (trie.match(`${index.toString(36)}/x`).length !== index % 2)
        throw new Error(`${index} after removal`)
    }
  })

  test('a topic of thirty thousand levels does not exhaust the stack', () => {
    const trie = new Trie<string>()
    trie.add('+/'.repeat(30_000), 'plus')
    trie.add(`${'a/'.repeat(30_000)}#`, 'names')
    expect(trie.match('a/'.repeat(30_000))).toHaveLength(2)
  })

  test('what a topic has matched is remembered no longer than it is true', () => {
    const trie = new Trie<string>()
    const find = (topic: string): string[] => [...trie.match(topic)]
    trie.add('a/+', 'plus')
    expect([find('a/b'), find('a/c'), find('b')]).toEqual([['plus'], ['plus'], []])
    trie.add('a/b', 'exact')
    trie.add('b/#', 'hash')
    expect([find('a/b'), find('a/c'), find('b')]).toEqual([['exact', 'plus'], ['plus'], ['hash']])
    trie.remove('a/+', 'plus')
    expect([find('a/b'), find('a/c'), find('b')]).toEqual([['exact'], [], ['hash']])
    trie.remove('a/b', 'exact')
    expect([find('a/b'), find('b')]).toEqual([[], ['hash']])
  })

  test('more topics than are remembered are matched as well, and later ones get their turn', () => {
    const trie = new Trie<number>()
    trie.add('+/odd', 1)
    trie.add('+/even', 2)
    for (let index = 0; index < 100_000; index++) {
      // Some again and again, the rest once.
      const topic = `${index % 3 === 0 ? index % 7 : index}/${index % 2 === 0 ? 'even' : 'odd'}`
      const found = trie.match(topic)
      if (found.length !== 1 || found[0] !== 2 - (index % 2)) throw new Error(`${topic} found ${found}`)
    }
  })
})

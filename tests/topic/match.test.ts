import fc from 'fast-check'
import { expect, test } from 'vitest'
import { captureWildcards, matchesFilter } from '../../src/topic/match.ts'
import { SubscriptionTrie } from '../../src/topic/subscription-trie.ts'
import { SubscriptionTrie as BrowserTrie } from '../../src/topic/subscription-trie-browser.ts'

/** filter, topic, what its wildcards stand for (undefined: no match). */
const cases: [string, string, string[] | undefined][] = [
  ['a/b', 'a/b', []],
  ['a/b', 'a/bc', undefined],
  ['a/bc', 'a/b', undefined],
  ['a/b', 'A/b', undefined],
  ['a/#', 'a', ['']],
  ['a/#', 'a/', ['']],
  ['a/#', 'a/b/c', ['b/c']],
  ['a/#', 'ab', undefined],
  ['#', 'a/b', ['a/b']],
  ['#', '/', ['/']],
  ['+', 'a', ['a']],
  ['+', 'a/b', undefined],
  ['+', '/a', undefined],
  ['/+', '/a', ['a']],
  ['+/+', '/a', ['', 'a']],
  ['a/+', 'a/', ['']],
  ['a/+', 'a', undefined],
  ['a/+/c', 'a/b/c', ['b']],
  ['+/b/#', 'a/b', ['a', '']],
  ['+/b/#', 'a/b/c/d', ['a', 'c/d']],
  ['+/+/#', 'a', undefined],
  ['#', '$SYS/x', undefined],
  ['+/x', '$SYS/x', undefined],
  ['$SYS/#', '$SYS/x', ['x']],
  ['$SYS/+', '$SYS/x', ['x']],
  ['a/#', 'a/$x', ['$x']],
  ['a/+', 'a/$x', ['$x']],
  ['$share/g/a/+', 'a/b', ['b']],
  ['$share/g/#', '$SYS/x', undefined],
  ['\u00e9', 'e\u0301', undefined],
  ['a//b', 'a//b', []],
  ['a/+/b', 'a//b', ['']],
  ['a', 'a/', undefined],
]

test.each(cases)('%j on %j captures %j', (filter, topic, captured) => {
  expect(captureWildcards(filter, topic)).toEqual(captured)
  expect(matchesFilter(filter, topic)).toBe(captured !== undefined)
  const trie = new SubscriptionTrie<string>()
  trie.add(filter, 'x')
  expect(trie.match(topic)).toHaveLength(captured === undefined ? 0 : 1)
})

const level = fc.constantFrom('', 'a', 'b', '$x', 'ab')
const topics = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '')
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, hash]) => levels.join('/') + (hash ? '/#' : ''))
  .filter((filter) => filter !== '')

test.each([
  ['the trie', SubscriptionTrie],
  ['what takes its place in browsers', BrowserTrie],
] as [string, new <T>() => Pick<SubscriptionTrie<T>, 'add' | 'remove' | 'match'>][])(
  '%s finds what matching each filter finds, also after removals',
  (_, Trie) => {
    fc.assert(
      fc.property(
        fc.array(filters, { maxLength: 30 }),
        fc.array(topics, { maxLength: 10 }),
        fc.nat(30),
        (all, names, cut) => {
          const trie = new Trie<number>()
          for (const [index, filter] of all.entries()) trie.add(filter, index)
          for (const [index, filter] of all.slice(0, cut).entries())
            expect(trie.remove(filter, index)).toBe(true)
          for (const [index, filter] of all.slice(0, cut).entries())
            expect(trie.remove(filter, index)).toBe(false)
          for (const topic of names) {
            const expected = all.flatMap((filter, index) =>
              index >= cut && matchesFilter(filter, topic) ? [index] : [],
            )
            expect([...trie.match(topic)].sort((a, b) => a - b)).toEqual(expected)
          }
        },
      ),
      { numRuns: 300 },
    )
  },
)

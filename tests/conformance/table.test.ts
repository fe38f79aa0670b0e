import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { markdown, rows, tablePath } from './table.ts'

test('every statement that binds a client is tested, or it is said why it cannot be', () => {
  const untested = rows().filter((row) => row.status === 'untested')
  expect(untested.map((row) => `${row.standard} ${row.id}`)).toEqual([])
})

test('every one of the 251 + 141 statements is in the table', () => {
  expect(rows().filter((row) => row.standard === '5.0')).toHaveLength(251)
  expect(rows().filter((row) => row.standard === '3.1.1')).toHaveLength(141)
})

test('TABLE.md is current', () => {
  expect(readFileSync(tablePath, 'utf8')).toBe(markdown())
})

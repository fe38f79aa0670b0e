import { expect, test } from 'vitest'
import { fuzz } from './fuzzer.ts'

test('no input does anything but decode or be refused, whatever is done to it', () => {
  const result = fuzz(20_260_101, (inputs) => inputs < 6000)
  // The generator earns its keep: it meets right and wrong packets, and many kinds of faults.
  expect(result.packets).toBeGreaterThan(2000)
  expect(result.refused).toBeGreaterThan(2000)
  expect(result.faults.size).toBeGreaterThan(150)
})

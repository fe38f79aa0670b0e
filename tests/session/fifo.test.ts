import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from '../../src/session/fifo.ts'

test('a Fifo gives back what went in, in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer(), fc.constant('shift' as const), fc.constant('clear' as const)), {
        maxLength: 300,
      }),
      (steps) => {
        const fifo = new Fifo<number>()
        let model: number[] = []
        for (const step of steps) {
          if (step === 'shift') expect(fifo.shift()).toBe(model.shift())
          else if (step === 'clear') {
            fifo.clear()
            model = []
          } else {
            fifo.push(step)
            model.push(step)
          }
          expect([fifo.size, fifo.peek()]).toEqual([model.length, model[0]])
        }
        expect([...fifo]).toEqual(model)
      },
    ),
  )
})

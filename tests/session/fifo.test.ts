import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from '../../src/session/fifo.ts'
import { Fifo as BrowserFifo } from '../../src/session/fifo-browser.ts'

test.each<[string, new () => Omit<Fifo<number>, typeof Symbol.iterator> & Iterable<number>]>([
  ['a Fifo', Fifo],
  ['what takes its place in browsers', BrowserFifo],
])('%s gives back what went in, in order', (_, Queue) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer(), fc.constant('shift' as const), fc.constant('clear' as const)), {
        maxLength: 300,
      }),
      (steps) => {
        const fifo = new Queue()
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

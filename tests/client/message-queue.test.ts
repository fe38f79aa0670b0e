import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { encode, PacketDecoder } from 'mqtt-await/codec'
import { expect, test } from 'vitest'
import { Message } from '../../src/client/message.ts'
import { MessageQueue } from '../../src/client/message-queue.ts'

function message(topic: string, qos: 0 | 1, payload = ''): Message {
  const decoder = new PacketDecoder({ from: 'server', protocolVersion: 4, publishClass: Message })
  const bytes = new TextEncoder().encode(payload)
  decoder.push(
    encode(
      { type: 'publish', topic, payload: bytes, qos, retain: false, dup: false, packetId: qos },
      { protocolVersion: 4, from: 'server' },
    ),
  )
  return decoder.next() as Message
}

test('gives messages back in their order, also when it has grown around its end', () => {
  const queue = new MessageQueue()
  for (let n = 0; n < 10; n++) queue.push(message(`early/${n}`, 1))
  for (let n = 0; n < 10; n++) expect(queue.shift()?.topic).toBe(`early/${n}`)
  for (let n = 0; n < 100; n++) queue.push(message(`t/${n}`, 0))
  expect(queue.length).toBe(100)
  for (let n = 0; n < 100; n++) expect(queue.shift()?.topic).toBe(`t/${n}`)
  expect(queue.shift()).toBeUndefined()
})

test('keeps nothing alive that has been taken', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const queue = new MessageQueue()
  const taken: WeakRef<Message>[] = []
  const fill = (): void => {
    for (let n = 0; n < 300; n++) {
      const one = message(`t/${n}`, 0)
      taken.push(new WeakRef(one))
      queue.push(one)
    }
  }
  fill()
  while (queue.shift() !== undefined);
  fill()
  queue.takeAll()
  // A WeakRef holds its object for the rest of the turn.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(taken.filter((reference) => reference.deref() !== undefined)).toHaveLength(0)
  expect(queue.length).toBe(0)
})

test('counts the bytes of QoS 0 alone', () => {
  const queue = new MessageQueue()
  queue.push(message('a', 0, '12345'))
  queue.push(message('b', 1, '123'))
  expect([queue.length, queue.looseMessages, queue.looseBytes]).toEqual([2, 1, 5])
  queue.takeAll()
  expect([queue.length, queue.looseMessages, queue.looseBytes]).toEqual([0, 0, 0])
})

test('drops the oldest of QoS 0 wherever it stands, never one of QoS 1', () => {
  const queue = new MessageQueue()
  for (const [topic, qos] of [
    ['a', 1],
    ['b', 0],
    ['c', 1],
    ['d', 0],
  ] as const)
    queue.push(message(topic, qos))
  expect(queue.dropOldest()?.topic).toBe('b')
  expect(queue.dropOldest()?.topic).toBe('d')
  expect(queue.dropOldest()).toBeUndefined()
  expect(queue.takeAll().map(({ topic }) => topic)).toEqual(['a', 'c'])
})

test('does not grow while the oldest are dropped as fast as new ones come', () => {
  const queue = new MessageQueue()
  queue.push(message('stuck', 1))
  for (let n = 0; n < 10_000; n++) {
    queue.push(message(`t/${n}`, 0))
    if (n >= 10) expect(queue.dropOldest()?.topic).toBe(`t/${n - 10}`)
  }
  expect(queue.length).toBe(11)
  expect(queue.shift()?.topic).toBe('stuck')
  expect(queue.shift()?.topic).toBe('t/9990')
})

test('behaves as a list does, whatever is done to it', () => {
  const steps = fc.array(fc.constantFrom('push0', 'push1', 'shift', 'dropOldest', 'dropNewest', 'takeAll'), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(steps, (commands) => {
      const queue = new MessageQueue()
      let list: Message[] = []
      commands.forEach((command, n) => {
        if (command === 'push0' || command === 'push1') {
          const pushed = message(`t/${n}`, command === 'push0' ? 0 : 1, 'x'.repeat(n % 5))
          queue.push(pushed)
          list.push(pushed)
          if (command === 'push0' && n % 3 === 0) {
            queue.dropNewest()
            list.pop()
          }
        } else if (command === 'shift') expect(queue.shift()).toBe(list.shift())
        else if (command === 'dropOldest') {
          const index = list.findIndex(({ qos }) => qos === 0)
          expect(queue.dropOldest()).toBe(index === -1 ? undefined : list.splice(index, 1)[0])
        } else if (command === 'takeAll') {
          expect(queue.takeAll()).toEqual(list)
          list = []
        }
        const loose = list.filter(({ qos }) => qos === 0)
        expect(queue.length).toBe(list.length)
        expect(queue.looseMessages).toBe(loose.length)
        expect(queue.looseBytes).toBe(loose.reduce((sum, { payload }) => sum + payload.byteLength, 0))
      })
    }),
  )
})

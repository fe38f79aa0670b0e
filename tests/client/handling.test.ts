import { describe, expect, test } from 'vitest'
import { readPayload } from './payloads.ts'
import { ScriptedBroker, settled } from './scripted-broker.ts'

const acks = (broker: ScriptedBroker): [number, number][] =>
  broker.all('puback').map(({ packetId, reasonCode }) => [packetId, reasonCode])

/** A point that several parties meet at: handlers wait for it, the test lets them go. */
class Gate {
  readonly #opens: (() => void)[] = []
  get waiting(): number {
    return this.#opens.length
  }
  pass(): Promise<void> {
    return new Promise((resolve) => this.#opens.push(resolve))
  }
  async open(count = 1): Promise<void> {
    for (const open of this.#opens.splice(0, count)) open()
    await settled()
  }
}

const jobs = (count: number, topic = 'jobs'): (readonly [string, { payload: string; qos: 1 }])[] =>
  Array.from({ length: count }, (_, n) => [topic, { payload: String(n), qos: 1 }] as const)

describe('a handler', () => {
  test('is run for each message, one at a time, and the message is acknowledged when it resolves', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    const seen: string[] = []
    const handling = client.handle('jobs', async (message) => {
      seen.push(message.text())
      await gate.pass()
    })
    expect((await handling.ready)[0]?.grantedQos).toBe(1)
    const ids = broker.publish(...jobs(3))
    await settled()
    expect([seen, acks(broker)]).toEqual([['0'], []])
    await gate.open()
    expect([seen, acks(broker)]).toEqual([['0', '1'], [[ids[0], 0]]])
    await gate.open()
    await gate.open()
    expect(acks(broker).map(([id]) => id)).toEqual(ids)
    expect(handling.counts).toEqual({ succeeded: 3, failed: 0 })
  })

  test('runs as often at once as concurrency allows, and no more is taken from the subscription', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    const handling = client.handle('jobs', () => gate.pass(), { concurrency: 3 })
    broker.publish(...jobs(10))
    await settled()
    expect([gate.waiting, handling.pending]).toEqual([3, 3])
    await gate.open(2)
    expect(gate.waiting).toBe(3)
    while (gate.waiting > 0) await gate.open(3)
    expect(acks(broker)).toHaveLength(10)
  })

  test('ordered by topic: one at a time per topic, topics side by side', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    const running = new Map<string, number>()
    const order: string[] = []
    client.handle(
      'jobs/+',
      async (message) => {
        expect(running.get(message.topic) ?? 0).toBe(0)
        running.set(message.topic, 1)
        order.push(`${message.topic}=${message.text()}`)
        await gate.pass()
        running.set(message.topic, 0)
      },
      { concurrency: 4, ordered: 'topic' },
    )
    broker.publish(...jobs(3, 'jobs/a'), ...jobs(2, 'jobs/b'))
    await settled()
    expect(order).toEqual(['jobs/a=0', 'jobs/b=0'])
    while (gate.waiting > 0) await gate.open(4)
    expect(order.filter((each) => each.startsWith('jobs/a'))).toEqual(['jobs/a=0', 'jobs/a=1', 'jobs/a=2'])
    expect(acks(broker)).toHaveLength(5)
  })

  test('ordered all: one at a time whatever concurrency says', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    client.handle('jobs', () => gate.pass(), { concurrency: 8, ordered: 'all' })
    broker.publish(...jobs(3))
    await settled()
    expect(gate.waiting).toBe(1)
    while (gate.waiting > 0) await gate.open(3)
  })

  test('of a group subscribes to $share/{group}/', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const seen: unknown[] = []
    client.handle('jobs/+', (message) => seen.push(message.params), { share: 'workers' })
    expect((await broker.next('subscribe')).filters[0]?.filter).toBe('$share/workers/jobs/+')
    broker.publish(['jobs/7', { qos: 1, ids: [broker.idOf('$share/workers/jobs/+')] }])
    await settled()
    expect(seen).toEqual([['7']])
  })
})

describe('a handler that returns no promise', () => {
  test('is called as messages arrive, all of a chunk in one turn, and each is acknowledged when it returns', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const turns: number[] = []
    let turn = 0
    const handling = client.handle('jobs', () => {
      turns.push(turn)
    })
    await handling.ready
    const ids = broker.publish(...jobs(100))
    while (turns.length < 100) {
      await new Promise((resolve) => setImmediate(resolve))
      turn++
    }
    expect(new Set(turns).size).toBe(1)
    await settled()
    expect(acks(broker).map(([id]) => id)).toEqual(ids)
    expect([handling.counts, handling.pending]).toEqual([{ succeeded: 100, failed: 0 }, 0])
  })

  test('may return one now and then: order and acknowledgements stay', async () => {
    for (const ordered of ['none', 'topic', 'all'] as const) {
      const broker = new ScriptedBroker()
      const client = await broker.client()
      const order: string[] = []
      const handling = client.handle(
        'jobs/#',
        (message) => {
          const n = Number(message.text())
          const done = (): number => order.push(`${message.topic}=${n}`)
          if (n % 3 === 0) return new Promise((resolve) => setImmediate(resolve)).then(done)
          // biome-ignore lint/suspicious/noThenProperty: any thenable will do
          if (n % 3 === 1) return { then: (resolve: (n: number) => void) => resolve(done()) }
          return done()
        },
        { ordered, concurrency: ordered === 'none' ? 1 : 3 },
      )
      await handling.ready
      const ids = broker.publish(...jobs(500, 'jobs/a'), ...jobs(500, 'jobs/b'))
      await expect.poll(() => handling.counts.succeeded).toBe(1000)
      await settled()
      for (const topic of ['jobs/a', 'jobs/b']) {
        expect(order.filter((each) => each.startsWith(topic))).toEqual(
          Array.from({ length: 500 }, (_, n) => `${topic}=${n}`),
        )
      }
      expect(acks(broker).map(([id]) => id)).toEqual(ids)
    }
  })

  test('works off what has been waiting in slices, so that the network has its turn', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    let seen = 0
    const handling = client.handle('jobs', () => {
      seen += 1
      return seen === 1 ? gate.pass() : undefined
    })
    await handling.ready
    broker.publish(...jobs(1000))
    await settled()
    expect(seen).toBe(1)
    const atTurn: number[] = []
    const opened = gate.open()
    await new Promise((resolve) => setImmediate(resolve))
    atTurn.push(seen)
    await opened
    expect(atTurn[0]).toBeLessThan(1000)
    await expect.poll(() => handling.counts.succeeded).toBe(1000)
  })

  test('may close the handling, and the client', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const seen: string[] = []
    const handling = client.handle('jobs', (message) => {
      seen.push(message.text())
      if (seen.length === 2) void handling.close()
    })
    await handling.ready
    const ids = broker.publish(...jobs(5))
    await handling.done
    await settled()
    expect(seen).toEqual(['0', '1'])
    expect(acks(broker).map(([id]) => id)).toEqual(ids.slice(0, 2))
    const others: string[] = []
    const other = client.handle('others', (message) => {
      others.push(message.text())
      void client.close()
    })
    await other.ready
    broker.publish(...jobs(5, 'others'))
    await other.done
    expect(others).toEqual(['0'])
  })

  test('is not called before handle() has returned, whatever is waiting already', async () => {
    const broker = new ScriptedBroker()
    broker.connack = { sessionPresent: true }
    const client = await broker.client({ cleanStart: false, sessionExpiryInterval: 60 })
    await client.handle('others', () => {}).ready
    broker.publish(...jobs(2))
    await settled()
    let hasReturned = false
    const seen: boolean[] = []
    client.handle('jobs', () => seen.push(hasReturned))
    hasReturned = true
    await settled()
    expect(seen).toEqual([true, true])
  })

  test('whose payload is checked by an asynchronous schema keeps the order of arrival', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const values: unknown[] = []
    const dropped: string[] = []
    client.on('dropped', ({ message }) => dropped.push(String(message?.text())))
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value: unknown) => {
          for (let n = 0; n < 5 - Number(value); n++) await Promise.resolve()
          return value === 2 ? { issues: [{ message: 'not two' }] } : { value }
        },
      },
    } as const
    const handling = client.handle('jobs', (message) => values.push(message.value), { schema })
    await handling.ready
    const ids = broker.publish(...jobs(5))
    await expect.poll(() => values.length).toBe(4)
    await settled()
    expect([values, dropped]).toEqual([[0, 1, 3, 4], ['2']])
    expect(acks(broker).map(([id]) => id)).toEqual(ids)
    expect(handling.counts).toEqual({ succeeded: 4, failed: 0 })
  })

  test('that throws is retried while others wait, and told the attempt and its signal', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const seen: string[] = []
    const handling = client.handle(
      'jobs',
      (message, { attempt, signal }) => {
        seen.push(`${message.text()}/${attempt}/${signal.aborted}`)
        if (message.text() === '0' && attempt < 3) throw new Error('not yet')
      },
      { retry: { attempts: 2, minDelayMs: 0 }, onError: () => undefined },
    )
    await handling.ready
    const ids = broker.publish(...jobs(2))
    await expect.poll(() => handling.counts.succeeded).toBe(2)
    expect(seen).toEqual(['0/1/false', '0/2/false', '0/3/false', '1/1/false'])
    await settled()
    expect(acks(broker).map(([id]) => id)).toEqual(ids)
  })

  test('of two thousand filters each message finds its own', async () => {
    const broker = new ScriptedBroker(4)
    const client = await broker.client()
    const counts = new Array<number>(2_000).fill(0)
    const handlings = counts.map((_, n) =>
      client.handle(n % 2 === 0 ? `site/${n}/temp` : `site/${n}/+`, (message) => {
        if (Number(message.text()) === n) counts[n] = (counts[n] ?? 0) + 1
      }),
    )
    await Promise.all(handlings.map((handling) => handling.ready))
    broker.publish(...counts.map((_, n) => [`site/${n}/temp`, { payload: String(n) }] as const))
    await settled()
    expect(counts.every((count) => count === 1)).toBe(true)
  })
})

describe('a handler that fails', () => {
  test.each(['the dead letter is refused', 'onError throws'])(
    'when %s: the message stays unacknowledged, and holds up no other',
    async (how) => {
      const broker = new ScriptedBroker()
      broker.puback = () => 0x87
      const client = await broker.client()
      const isRefused = how === 'the dead letter is refused'
      const handling = client.handle(
        'jobs',
        (job) => {
          if (job.text() === '0') throw new Error('no')
        },
        isRefused
          ? { deadLetter: 'dead' }
          : {
              onError: () => {
                throw new Error('of the hook')
              },
            },
      )
      await handling.ready
      const ids = broker.publish(...jobs(3))
      await settled()
      await settled()
      expect(client.lastError?.message).toContain(isRefused ? 'refused' : 'of the hook')
      expect(broker.all('puback').map(({ packetId }) => packetId)).toEqual(ids.slice(1))
    },
  )

  test('is reported, and the message refused with 0x80', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    const cause = new Error('no such table')
    const handling = client.handle('jobs', () => Promise.reject(cause))
    const [id] = broker.publish(...jobs(1))
    await settled()
    expect(acks(broker)).toEqual([[id, 0x80]])
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_MQTT_HANDLER', cause })])
    expect(handling.counts).toEqual({ succeeded: 0, failed: 1 })
  })

  test('is tried again with backoff, and the message acknowledged when it succeeds', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const attempts: number[] = []
    const at: number[] = []
    client.handle(
      'jobs',
      (_, { attempt }) => {
        attempts.push(attempt)
        at.push(performance.now())
        if (attempt < 3) throw new Error('not yet')
      },
      { retry: { attempts: 5, minDelayMs: 10, jitter: 'none' } },
    )
    const [id] = broker.publish(...jobs(1))
    expect(await broker.next('puback')).toMatchObject({ packetId: id, reasonCode: 0 })
    expect(attempts).toEqual([1, 2, 3])
    // 10 ms, then 20: timers may be early by a fraction of a millisecond.
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(9)
    expect((at[2] ?? 0) - (at[1] ?? 0)).toBeGreaterThanOrEqual(19)
  })

  test('leaves the message to be redelivered, without holding up later ones', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client({ cleanStart: false, sessionExpiryInterval: 60 })
    const seen: string[] = []
    let broken = true
    client.handle(
      'jobs',
      (message) => {
        seen.push(`${message.text()}${message.dup ? ' again' : ''}`)
        if (message.text() === '0' && broken) throw new Error('broken')
      },
      { onError: 'leave' },
    )
    const ids = broker.publish(...jobs(2))
    await settled()
    expect(acks(broker)).toEqual([[ids[1], 0]])
    broken = false
    broker.connack = { sessionPresent: true }
    broker.drop()
    await expect.poll(() => broker.all('connect').length).toBe(2)
    await settled()
    broker.publish(['jobs', { payload: '0', qos: 1, dup: true, packetId: ids[0] as number }])
    await settled()
    expect(seen).toEqual(['0', '1', '0 again'])
    expect(acks(broker)).toEqual([
      [ids[1], 0],
      [ids[0], 0],
    ])
  })

  test('sends the message to the dead-letter topic with why, and acknowledges it when that has been', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    client.handle('jobs', () => Promise.reject(new Error('poison\0')), {
      retry: { attempts: 1, minDelayMs: 1 },
      deadLetter: 'dead/jobs',
      onError: () => undefined,
    })
    const [id] = broker.publish([
      'jobs',
      { payload: 'p', qos: 1, properties: { contentType: 'text/plain', userProperties: [['a', 'b']] } },
    ])
    const letter = await broker.next('publish')
    expect(letter).toMatchObject({ topic: 'dead/jobs', qos: 1, properties: { contentType: 'text/plain' } })
    expect(readPayload(letter)).toBe('p')
    expect(letter.properties?.userProperties).toEqual([
      ['a', 'b'],
      ['error', 'poison\ufffd'],
      ['attempts', '2'],
      ['original-topic', 'jobs'],
    ])
    expect(await broker.next('puback')).toMatchObject({ packetId: id, reasonCode: 0 })
  })

  test('is judged by onError, which may ask for one attempt more', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const calls: [string, string, number][] = []
    client.handle('jobs', (message) => Promise.reject(new Error(`bad ${message.text()}`)), {
      onError: (error, message, attempt) => {
        calls.push([(error as Error).message, message.text(), attempt])
        return attempt === 1 ? 'retry' : 'ack'
      },
      retry: { minDelayMs: 0 },
    })
    const [id] = broker.publish(...jobs(1))
    expect(await broker.next('puback')).toMatchObject({ packetId: id, reasonCode: 0 })
    expect(calls).toEqual([
      ['bad 0', '0', 1],
      ['bad 0', '0', 2],
    ])
    expect(client.stats.errors).toBe(0)
  })
})

describe('the end', () => {
  test('close() takes no more, waits for what runs, and unsubscribes', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    const handling = client.handle('jobs', () => gate.pass())
    const ids = broker.publish(...jobs(3))
    await settled()
    let isClosed = false
    const closed = handling.close().then(() => {
      isClosed = true
    })
    await broker.next('unsubscribe')
    await settled()
    expect(isClosed).toBe(false)
    await gate.open()
    await closed
    expect(gate.waiting).toBe(0)
    await settled()
    expect(acks(broker)).toEqual([[ids[0], 0]])
  })

  test('close({ timeoutMs }) aborts the signal of handlers that do not end', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    let reason: unknown
    const handling = client.handle(
      'jobs',
      (_, { signal }) =>
        new Promise((_resolve) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
          })
        }),
    )
    broker.publish(...jobs(1))
    await settled()
    await handling.close({ timeoutMs: 5 })
    expect(reason).toMatchObject({ code: 'ERR_MQTT_CLOSED' })
    expect(acks(broker)).toEqual([])
  })

  test('disconnect() lets handlers finish and publish, acknowledges, and stays subscribed', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const gate = new Gate()
    client.handle('jobs', async (message) => {
      await gate.pass()
      await client.publish('results', message.payload, { qos: 1 }).acked.catch(() => {})
    })
    const ids = broker.publish(...jobs(2))
    await settled()
    const gone = client.disconnect()
    await settled()
    expect(broker.all('disconnect')).toEqual([])
    await gate.open()
    await gone
    expect(acks(broker)).toEqual([[ids[0], 0]])
    expect(broker.all('unsubscribe')).toEqual([])
    expect(broker.received.at(-1)?.type).toBe('disconnect')
  })

  test('a refused filter is reported, and done resolves', async () => {
    const broker = new ScriptedBroker()
    broker.suback = () => [0x87]
    const client = await broker.client()
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    const handling = client.handle('jobs', () => {})
    await handling.done
    expect(errors).toEqual([expect.objectContaining({ filter: 'jobs', reasonCode: 0x87 })])
  })

  test('wrong options are refused', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    expect(() => client.handle('a', () => {}, { concurrency: 0 })).toThrow(/concurrency/)
    expect(() => client.handle('a', () => {}, { ordered: 'some' as 'all' })).toThrow(/ordered/)
    expect(() => client.handle('a', () => {}, { share: 'a/b' })).toThrow(/MQTT-4.8.2-2/)
    expect(() => client.handle('a', () => {}, { retry: -1 })).toThrow(/retry/)
    expect(() => client.handle('a', () => {}, { retry: { minDelayMs: 200, maxDelayMs: 100 } })).toThrow(
      /maxDelayMs is not below its minDelayMs/,
    )
    expect(() => client.handle('a', () => {}, { onError: 'maybe' as 'ack' })).toThrow(/onError/)
    await settled()
    expect(broker.all('subscribe')).toEqual([])
  })
})

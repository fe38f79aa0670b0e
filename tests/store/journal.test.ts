import type { SessionStore } from 'mqtt-await/store'
import { describe, expect, test } from 'vitest'
import { InboundMessage } from '../../src/session/inbound-message.ts'
import type { RestoredSession, SessionRecord } from '../../src/session/journal.ts'
import { MessageExpiry, OutboundMessage, Stage } from '../../src/session/outbound-message.ts'
import type { HeldMessage } from '../../src/session/release-flow.ts'
import { DurableJournal, type OpenedJournal } from '../../src/store/durable-journal.ts'
import { CrashStore } from '../support/crash-store.ts'
import { SeededRandom } from '../support/seeded-random.ts'

function open(store: SessionStore, clientId = 'c1'): Promise<OpenedJournal> {
  return DurableJournal.open(store, {
    clientId,
    protocolVersion: 5,
    createMessage: ({ topic, payload, qos, retain, properties, expiry }) => {
      const renewed = expiry === undefined ? undefined : new MessageExpiry(expiry.dropAt, expiry.endsAt)
      if (expiry !== undefined && renewed !== undefined) renewed.interval = expiry.interval
      return new OutboundMessage(topic, payload, qos, retain, properties, renewed, 0)
    },
  })
}

const SESSION: SessionRecord = {
  clientId: 'c1',
  protocolVersion: 5,
  sessionExpiryInterval: 3600,
  at: 1,
  connected: true,
}

/** What a session does with its journal, and what must be found again. */
class Model {
  readonly journal: DurableJournal
  readonly live: Map<number, OutboundMessage> = new Map()
  released: OutboundMessage[] = []
  readonly received: Set<number> = new Set()
  readonly held: Map<number, HeldMessage> = new Map()
  #sequence: number

  constructor({ journal, restored }: OpenedJournal) {
    this.journal = journal
    this.#sequence = restored.lastSequence
    for (const message of restored.publications) this.live.set(message.sequence, message)
    for (const message of restored.released) message.stage = Stage.released
    this.released = [...restored.released]
    for (const id of restored.received) this.received.add(id)
    for (const held of heldIn(restored)) this.held.set(held.packetId, held)
  }

  publish(size: number, qos: 1 | 2, packetId: number, expiry?: MessageExpiry): OutboundMessage {
    const payload = new Uint8Array(size).fill(this.#sequence & 0xff)
    const message = new OutboundMessage(`t/${this.#sequence}`, payload, qos, qos === 2, undefined, expiry, 0)
    message.sequence = ++this.#sequence
    message.packetId = packetId
    if (packetId > 0) message.stage = Stage.sent
    this.live.set(message.sequence, message)
    this.journal.published(message)
    return message
  }

  sent(message: OutboundMessage, packetId: number): void {
    message.packetId = packetId
    message.stage = Stage.sent
    this.journal.sent(message)
  }

  release(message: OutboundMessage): void {
    message.stage = Stage.released
    this.released.push(message)
    this.journal.released(message)
  }

  settle(message: OutboundMessage): void {
    message.stage = Stage.settled
    this.live.delete(message.sequence)
    this.released = this.released.filter((one) => one !== message)
    this.journal.settled(message)
  }

  loseSession(): void {
    this.received.clear()
    this.held.clear()
    this.released = []
    this.journal.sessionLost()
    for (const message of this.live.values()) {
      message.packetId = 0
      message.stage = Stage.queued
    }
  }

  get state(): unknown {
    return {
      publications: [...this.live.values()].sort((a, b) => a.sequence - b.sequence).map(describeMessage),
      released: this.released.map(({ sequence }) => sequence),
      received: [...this.received].sort((a, b) => a - b),
      held: [...this.held.values()].sort((a, b) => a.packetId - b.packetId).map(describeHeld),
    }
  }
}

/** Those that a session gets when their PUBRELs come. */
function heldIn({ inbound }: RestoredSession): HeldMessage[] {
  const flow = inbound?.(InboundMessage)
  return Array.from({ length: 50 }, (_, at) => flow?.onPubrel(at + 1)).filter(
    (one) => one instanceof InboundMessage,
  )
}

function describeHeld({ packetId, topic, payload, retain, propertyBytes }: HeldMessage): unknown {
  return [packetId, topic, payload.length, payload[0], retain, propertyBytes.length, propertyBytes[0]]
}

function describeMessage({ sequence, packetId, topic, payload, qos, expiry }: OutboundMessage): unknown {
  return [sequence, packetId, topic, payload.length, payload[0], qos, expiry?.dropAt, expiry?.interval]
}

async function stateIn(store: CrashStore): Promise<unknown> {
  const { restored, damage } = await open(store.copy())
  expect(damage).toBeUndefined()
  return {
    publications: restored.publications.map(describeMessage),
    released: restored.released.map(({ sequence }) => sequence),
    received: [...restored.received].sort((a, b) => a - b),
    held: heldIn(restored).map(describeHeld),
  }
}

/** One random step. */
function step(model: Model, random: SeededRandom): void {
  const messages = [...model.live.values()]
  const some = messages[random.integer(0, Math.max(messages.length, 1) - 1)]
  const id = 1 + random.integer(0, 49)
  switch (random.integer(0, 12)) {
    case 0:
    case 1:
    case 2: {
      const expiry = random.integer(0, 3) === 0 ? new MessageExpiry(1000, 2000) : undefined
      model.publish(random.integer(0, 2999), random.integer(0, 1) === 0 ? 1 : 2, 0, expiry)
      break
    }
    case 3:
      model.publish(random.integer(0, 99), 2, id)
      break
    case 4:
    case 5:
      if (some?.stage === Stage.queued) {
        if (some.expiry !== undefined) some.expiry.interval = id
        model.sent(some, id)
      }
      break
    case 6:
      if (some?.stage === Stage.sent && some.qos === 2) model.release(some)
      break
    case 7:
      // The oldest, as a server would: what is in order is kept differently from what is not.
      if (messages[0] !== undefined) model.settle(messages[0])
      break
    case 8:
      if (some !== undefined) model.settle(some)
      break
    case 9:
      model.received.add(id)
      model.held.delete(id)
      model.journal.received(id)
      break
    case 10:
      model.received.delete(id)
      model.held.delete(id)
      model.journal.completed(id)
      break
    case 11: {
      const held = {
        packetId: id,
        topic: `held/${id}`,
        payload: new Uint8Array(random.integer(0, 2999)).fill(id),
        retain: id % 2 === 0,
        // Payload Format Indicator.
        propertyBytes: id % 3 === 0 ? Uint8Array.of(2, 1, 1) : new Uint8Array(0),
      }
      // Of the kind that comes without being received yet, or in place of what was held.
      if (model.received.has(id)) break
      model.held.set(id, held)
      model.journal.held(held)
      break
    }
    default:
      if (random.integer(0, 19) === 0) model.loseSession()
      else model.journal.session(SESSION)
  }
}

describe('the journal', () => {
  test('whatever happens, another process finds what was true at the last flush', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(seed)
      let store = new CrashStore()
      let model = new Model(await open(store))
      for (let turn = 0; turn < 60; turn++) {
        const steps = random.integer(0, 29)
        for (let n = 0; n < steps; n++) step(model, random)
        await model.journal.flush()
        expect(model.journal.dirty).toBe(false)
        if (random.integer(0, 3) > 0) continue
        expect(await stateIn(store), `seed ${seed}, turn ${turn}`).toEqual(model.state)
        if (random.integer(0, 2) > 0) continue
        // Killed, or closed in order; the next process goes on.
        if (random.integer(0, 1) === 0) await model.journal.close()
        store = store.copy()
        model = new Model(await open(store))
      }
      await model.journal.close()
      expect(await stateIn(store), `seed ${seed}, closed`).toEqual(model.state)
    }
  })

  test('torn writes: what was flushed before is there, what was finished before stays finished', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SeededRandom(seed)
      const store = new CrashStore()
      const model = new Model(await open(store))
      for (let turn = 0; turn < 20; turn++) {
        for (let n = 0; n < 20; n++) step(model, random)
        await model.journal.flush()
      }
      const before = new Map([...model.live].map(([sequence, message]) => [sequence, message.topic]))
      const flushed = model.journal.storedThrough
      for (let n = 0; n < 40; n++) step(model, random)
      const ended = [...before.keys()].filter((sequence) => !model.live.has(sequence))
      store.failAfter = random.integer(0, 4999)
      const failure = await model.journal.flush().then(
        () => undefined,
        (error: Error) => error,
      )
      if (failure !== undefined) {
        expect(failure.message).toBe('The session store could not be written: no space left on device')
        await expect(model.journal.flush()).rejects.toBe(failure)
        expect(model.journal.dirty).toBe(false)
      }
      const { restored } = await open(store.copy())
      const found = new Set(restored.publications.map(({ sequence }) => sequence))
      for (const sequence of before.keys()) {
        if (!ended.includes(sequence)) expect(found.has(sequence), `seed ${seed}, ${sequence}`).toBe(true)
      }
      for (const sequence of found) expect(sequence > flushed || before.has(sequence)).toBe(true)
      // Opening repairs: a second look finds no damage.
      const again = store.copy()
      const first = await open(again)
      await first.journal.close()
      expect((await open(again)).damage).toBeUndefined()
    }
  })

  test('blocks that are gone from the middle of the log are reported, once', async () => {
    const store = new CrashStore()
    const model = new Model(await open(store))
    for (let n = 0; n < 10; n++) {
      model.publish(100, 1, 0)
      await model.journal.flush()
    }
    const copy = store.copy()
    for (const position of [4, 5, 8]) expect(copy.blocks.delete(position)).toBe(true)
    const opened = await open(copy)
    expect(opened.restored.publications).toHaveLength(7)
    expect(opened.damage).toMatchObject({
      code: 'ERR_MQTT_STORE_DAMAGED',
      message: expect.stringContaining('missing in 2 places'),
    })
    const next = new Model(opened)
    next.publish(100, 1, 0)
    await next.journal.close()
    const again = await open(copy)
    expect(again.damage).toBeUndefined()
    expect(again.restored.publications).toHaveLength(8)
  })

  test('a damaged record costs itself; it is reported once and kept aside', async () => {
    const store = new CrashStore()
    const model = new Model(await open(store))
    for (let n = 0; n < 10; n++) model.publish(100, 1, 0)
    await model.journal.flush()
    const [position, bytes] = [...store.blocks].at(-1) as [number, Uint8Array]
    bytes[300] = (bytes[300] ?? 0) ^ 0x10
    const copy = store.copy()
    const opened = await open(copy)
    expect(opened.restored.publications).toHaveLength(9)
    expect(opened.damage?.code).toBe('ERR_MQTT_STORE_DAMAGED')
    expect(opened.damage?.message).toMatch(
      /at least 1 records \(\d+ bytes\) could not be read and were set aside/,
    )
    await opened.journal.close()
    const again = await open(copy)
    expect(again.damage).toBeUndefined()
    expect(again.restored.publications).toHaveLength(9)
    // What could not be read is still there, behind the log.
    const kept = [...copy.blocks].filter(([at]) => at > position).map(([, block]) => block)
    expect(kept.some((block) => Buffer.from(block).includes(Buffer.from(bytes.subarray(250, 350))))).toBe(
      true,
    )
  })

  test('one flush writes thousands of messages at once, in blocks of 64 KiB', async () => {
    const store = new CrashStore()
    const model = new Model(await open(store))
    const { writes } = store
    for (let n = 0; n < 20_000; n++) model.publish(100, 1, 0)
    await model.journal.flush()
    expect(store.writes - writes).toBe(1)
    // 20,000 of about 120 bytes.
    expect(store.blocks.size).toBeLessThan(50)
    expect(model.journal.storedThrough).toBe(20_000)
  })

  test('what is recorded while a write is under way makes one more group', async () => {
    const store = new CrashStore()
    const model = new Model(await open(store))
    const { writes } = store
    const flushes: Promise<void>[] = []
    for (let n = 0; n < 100; n++) {
      model.publish(10, 1, 0)
      flushes.push(model.journal.flush())
    }
    await Promise.all(flushes)
    expect(store.writes - writes).toBe(2)
    expect(await stateIn(store)).toEqual(model.state)
  })

  test('space is bounded: a steady flow, with one message that never finishes', async () => {
    const store = new CrashStore()
    const model = new Model(await open(store))
    model.journal.session(SESSION)
    const stuck = [model.publish(1000, 2, 7)]
    let largest = 0
    for (let turn = 0; turn < 400; turn++) {
      const messages = Array.from({ length: 100 }, () => model.publish(1000, 1, 0))
      await model.journal.flush()
      // In any order.
      for (const message of messages.reverse()) model.settle(message)
      if (turn === 200) stuck.push(model.publish(500, 1, 0))
      await model.journal.flush()
      largest = Math.max(largest, store.size)
    }
    // 40 MB went through.
    expect(largest).toBeLessThan(7_000_000)
    expect(await stateIn(store)).toEqual(model.state)
    for (const message of stuck) model.settle(message)
    await model.journal.close()
    expect(store.size).toBeLessThan(1024)
    expect(store.blocks.size).toBeLessThan(3)
  })

  test('an empty start and an orderly end leave a store that does not grow', async () => {
    const store = new CrashStore()
    for (let n = 0; n < 20; n++) {
      const { journal } = await open(store)
      journal.session(SESSION)
      await journal.close()
    }
    expect(store.blocks.size).toBeLessThan(4)
  })
})

/** Its writes end when the test says so. */
class GatedStore extends CrashStore {
  readonly begun: (() => void)[] = []
  #isOver = false

  override async write(batch: Parameters<CrashStore['write']>[0]): Promise<void> {
    if (!this.#isOver) await new Promise<void>((resolve) => this.begun.push(resolve))
    await super.write(batch)
  }

  /** Nothing waits from now on. */
  end(): void {
    this.#isOver = true
    for (const resolve of this.begun.splice(0)) resolve()
  }
}

describe('a flush', () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  async function gated(): Promise<{ model: Model; store: GatedStore }> {
    const store = new GatedStore()
    const opening = open(store)
    await turn()
    store.begun.shift()?.()
    return { model: new Model(await opening), store }
  }

  test('waits for its own records, whoever begins the write that they are in, and no two writes overlap', async () => {
    const { model, store } = await gated()
    const { journal } = model
    const done: string[] = []
    model.publish(10, 1, 1)
    const first = journal.flush().then(() => {
      done.push('first')
      // The driver flushes as soon as the last write has ended: before the one that waits for its turn.
      model.publish(10, 1, 3)
      void journal.flush().then(() => done.push('third'))
    })
    model.publish(10, 1, 2)
    const second = journal.flush().then(() => done.push('second'))
    await turn()
    expect(store.begun).toHaveLength(1)
    store.begun.shift()?.()
    await turn()
    expect(done).toEqual(['first'])
    expect(store.begun).toHaveLength(1)
    expect(journal.storedThrough).toBe(1)
    store.begun.shift()?.()
    await turn()
    expect(done).toContain('second')
    expect(done).toContain('third')
    expect(store.begun).toHaveLength(0)
    expect(journal.storedThrough).toBe(3)
    await Promise.all([first, second])
    store.end()
    await journal.close()
  })

  test('of somebody else does not let output go before it has ended', async () => {
    const { model, store } = await gated()
    const { journal } = model
    model.publish(10, 2, 1)
    expect([journal.binding, journal.dirty]).toEqual([true, true])
    const flushing = journal.flush()
    await turn()
    expect([journal.binding, journal.dirty]).toEqual([true, true])
    store.begun.shift()?.()
    await flushing
    expect([journal.binding, journal.dirty]).toEqual([false, false])
    // Nothing depends on an end.
    model.settle([...model.live.values()][0] as OutboundMessage)
    const ending = journal.flush()
    await turn()
    expect(journal.binding).toBe(false)
    store.end()
    await ending
    await journal.close()
  })
})

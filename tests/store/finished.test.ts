import { memoryStore, type SessionStore } from 'mqtt-await/store'
import { expect, test } from 'vitest'
import { ScriptedBroker, settled } from '../client/scripted-broker.ts'

/** A store whose writes end when the test says so. */
function heldStore() {
  const inner = memoryStore()
  const gates: (() => void)[] = []
  let holds = false
  const store: SessionStore = {
    open: () => inner.open(),
    load: (from) => inner.load(from),
    write: async (batch) => {
      if (holds) await new Promise<void>((resolve) => gates.push(resolve))
      await inner.write(batch)
    },
    close: () => inner.close(),
  }
  return {
    store,
    hold: () => {
      holds = true
    },
    /** Writes that have begun and not ended. */
    get begun(): number {
      return gates.length
    },
    release: () => gates.shift()?.(),
  }
}

test.each(['by the loop', 'in its body', 'in its body, and other things go on'])(
  'a loop over QoS 2 gets the next message when it is stored that the last one is finished: %s',
  async (how) => {
    const held = heldStore()
    const broker = new ScriptedBroker()
    const client = await broker.client({ store: held.store })
    const messages = client.messages('a', { qos: 2 })
    await messages.ready
    await settled()
    held.hold()
    broker.publish(['a', { qos: 2, payload: '1' }], ['a', { qos: 2, payload: '2' }])
    const seen: string[] = []
    let leaveBody = (): void => {}
    const loop = (async () => {
      for await (const message of messages) {
        seen.push(message.text())
        if (how !== 'by the loop' && message.text() === '1') {
          message.ack()
          await new Promise<void>((resolve) => {
            leaveBody = resolve
          })
        }
        if (message.text() === '2') break
      }
    })()
    await settled()
    // With an ack() in the body the write is under way when the loop asks for the next message.
    expect(held.begun).toBe(1)
    leaveBody()
    await settled()
    expect(seen).toEqual(['1'])
    expect(broker.all('pubrec')).toHaveLength(0)
    held.release()
    if (how === 'in its body, and other things go on') await client.publish('other', 'x').sent
    await settled()
    expect(broker.all('pubrec').length).toBeGreaterThan(0)
    await settled()
    expect(seen).toEqual(['1', '2'])
    while (held.begun > 0) {
      held.release()
      await settled()
    }
    await loop
    const closing = client.close()
    for (let turns = 0; turns < 5; turns++) {
      held.release()
      await settled()
    }
    await closing
  },
)

import { Client } from 'mqtt-await'
import { memoryStore } from 'mqtt-await/store'

/*
 * What a client loads with its first handler, its first store and its first transport of another's making takes time. To be imported by every simulation of clients: the
 * course of a seed must not depend on which run was the first.
 */
const first = new Client({
  clientId: 'first',
  // It ends as soon as anything is written.
  transport: ({ handler }) => {
    const end = (): void => void setTimeout(() => handler.onClose(undefined), 0)
    const nothing = (): void => {}
    return {
      ...{ description: 'first', bufferedBytes: 0, pause: nothing, resume: nothing },
      ...{ write: end, end: nothing, destroy: nothing },
    }
  },
  reconnect: false,
  store: memoryStore(),
})
await first.handle('in/#', () => {}).close()
await first.connect().catch(() => {})
await first.close()

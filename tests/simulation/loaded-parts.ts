import { Client } from 'mqtt-await'
import { memoryStore } from 'mqtt-await/store'

/*
 * What a client loads with its first handler and its first store takes time. To be imported by every simulation of clients: the
 * course of a seed must not depend on which run was the first.
 */
const first = new Client({
  clientId: 'first',
  transport: () => Promise.reject(new Error('nobody listens')),
  reconnect: false,
  store: memoryStore(),
})
await first.handle('in/#', () => {}).close()
await first.connect().catch(() => {})
await first.close()

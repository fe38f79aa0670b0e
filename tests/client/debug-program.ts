/** A client that reaches nobody: what it has to say about that depends on DEBUG. */
import { Client } from 'mqtt-await'

// Port 1 of the own machine refuses.
const client = new Client('mqtt://u:tops3cret@127.0.0.1:1', { clientId: 'scripted' })
await client.connect().catch(() => {})
await client.close()
console.log('the end')

/** What keeps a program alive, and what lets it end: `life-program.ts KIND PORT`. */
import { CallbackAPIVersion, Client } from 'mqtt-await/compat'

const [kind = '', port] = [process.argv[2], Number(process.argv[3])]
const client = new Client(CallbackAPIVersion.VERSION2)

function connected(): Promise<unknown> {
  return new Promise((resolve) => {
    client.on_connect = resolve
  })
}

const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Everything in good order. */
  async orderly() {
    await client.connect('127.0.0.1', port)
    client.loop_start()
    client.publish('t', 'x', 1)
    await client.loop_stop()
    client.disconnect()
  },
  /** Nobody reads the connection any more. */
  async stopped() {
    const ready = connected()
    client.connect_async('127.0.0.1', port)
    client.loop_start()
    await ready
    client.publish('t', 'x', 2)
    await client.loop_stop()
  },
  async disconnected() {
    await client.connect('127.0.0.1', port)
    client.disconnect()
  },
  /** disconnect() ends the loop too. */
  async 'loop disconnected'() {
    const ready = connected()
    client.loop_start()
    await client.connect('127.0.0.1', port)
    await ready
    client.disconnect()
  },
  async idle() {
    await client.connect('127.0.0.1', port)
  },
  async looping() {
    const ready = connected()
    client.loop_start()
    await client.connect('127.0.0.1', port)
    await ready
  },
  /** The loop goes on trying. */
  async lost() {
    client.reconnect_delay_set(0.02)
    const failed = new Promise((resolve) => {
      client.on_connect_fail = resolve
    })
    client.connect_async('127.0.0.1', 1)
    client.loop_start()
    await failed
  },
  /** A loop_stop() while there is no connection. */
  async 'lost and stopped'() {
    await kinds['lost']?.()
    await client.loop_stop()
  },
}

await kinds[kind]?.()
console.log('begun')
// Holds nothing itself.
setTimeout(() => console.log('alive'), 500).unref()

/** An event loop of the program's own, and promises for what it waits for: asyncio's futures. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const client_id = `paho-mqtt-asyncio-${process.pid}`
const topic = client_id
console.log(`Using client_id / topic: ${client_id}`)

/** Moves the client from the event loop of Node: what is readable is read, what is to be written is written. */
class AsyncioHelper {
  #misc: NodeJS.Timeout | undefined
  readonly #client: mqtt.Client
  readonly #read = (): void => void this.#client.loop_read()
  readonly #write = (): void => void this.#client.loop_write()

  constructor(client: mqtt.Client) {
    this.#client = client
    client.on_socket_open = (_client, _userdata, sock: mqtt.SocketLike) => {
      console.log('Socket opened')
      sock.on('readable', this.#read)
      this.#misc = setInterval(() => client.loop_misc(), 1000)
    }
    client.on_socket_close = (_client, _userdata, sock: mqtt.SocketLike) => {
      console.log('Socket closed')
      sock.off('readable', this.#read)
      clearInterval(this.#misc)
    }
    client.on_socket_register_write = (_client, _userdata, sock: mqtt.SocketLike) => {
      sock.on('writable', this.#write)
    }
    client.on_socket_unregister_write = (_client, _userdata, sock: mqtt.SocketLike) => {
      sock.off('writable', this.#write)
    }
  }
}

class AsyncMqttExample {
  readonly client: mqtt.Client = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id)
  readonly helper: AsyncioHelper = new AsyncioHelper(this.client)
  #got_message: ((payload: Uint8Array) => void) | undefined

  async main(): Promise<void> {
    const subscribed = new Promise((resolve) => {
      this.client.on_subscribe = resolve
    })
    const disconnected = new Promise<mqtt.ReasonCode>((resolve) => {
      this.client.on_disconnect = (_client, _userdata, _flags, reason_code) => resolve(reason_code)
    })
    this.client.on_connect = (client) => {
      console.log('Subscribing')
      client.subscribe(topic)
    }
    this.client.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) => {
      if (this.#got_message === undefined) console.log(`Got unexpected message: ${msg.topic}`)
      else this.#got_message(msg.payload)
    }

    await this.client.connect(HOST, PORT, 60)
    await subscribed
    for (let round = 0; round < 3; round++) {
      await sleep(10)
      console.log('Publishing')
      const got_message = new Promise<Uint8Array>((resolve) => {
        this.#got_message = resolve
      })
      this.client.publish(topic, 'Hello'.repeat(40_000), 1)
      const payload = await got_message
      console.log(`Got response with ${payload.length} bytes`)
      this.#got_message = undefined
    }

    this.client.disconnect()
    console.log(`Disconnected: ${await disconnected}`)
  }
}

console.log('Starting')
await new AsyncMqttExample().main()
console.log('Finished')

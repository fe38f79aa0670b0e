/**
 * The client inside an event loop of the program's own: the program reads, writes and looks at the keepalive when the
 * socket says that it can. Publishes to itself three times.
 */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const topic = 'paho/loop/select'

class SelectMqttExample {
  readonly client = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
  #misc: NodeJS.Timeout | undefined
  #received = 0

  readonly #read = (): void => void this.client.loop_read()
  readonly #write = (): void => void this.client.loop_write()

  constructor() {
    const { client } = this
    client.on_connect = (_client, _userdata, _flags, reason_code: mqtt.ReasonCode) => {
      console.log(`connected: ${reason_code}`)
      client.subscribe(topic)
    }
    client.on_subscribe = () => client.publish(topic, '1')
    client.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) => {
      console.log(`got message ${text(msg.payload)}`)
      this.#received += 1
      if (this.#received < 3) client.publish(topic, this.#received + 1, 1)
      else client.disconnect()
    }

    client.on_socket_open = (_client, _userdata, sock: mqtt.SocketLike) => {
      sock.on('readable', this.#read)
      this.#misc = setInterval(() => client.loop_misc(), 1000)
    }
    client.on_socket_close = (_client, _userdata, sock: mqtt.SocketLike) => {
      sock.off('readable', this.#read)
      clearInterval(this.#misc)
    }
    client.on_socket_register_write = (_client, _userdata, sock: mqtt.SocketLike) =>
      sock.on('writable', this.#write)
    client.on_socket_unregister_write = (_client, _userdata, sock: mqtt.SocketLike) =>
      sock.off('writable', this.#write)
  }

  async main(): Promise<void> {
    const disconnected = new Promise<mqtt.ReasonCode>((resolve) => {
      this.client.on_disconnect = (_client, _userdata, _flags, reason_code: mqtt.ReasonCode) =>
        resolve(reason_code)
    })
    await this.client.connect(HOST, PORT, 60)
    console.log(`disconnected: ${await disconnected}`)
  }
}

await new SelectMqttExample().main()

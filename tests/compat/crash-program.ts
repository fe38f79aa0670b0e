/** A receiver that writes down what it was told, until it is killed: `crash-program.ts STORE RECORD PORT`. */
import { appendFileSync } from 'node:fs'
import { CallbackAPIVersion, Client, type ConnectFlags, type MQTTMessage } from 'mqtt-await/compat'
import { levelStore } from 'mqtt-await/store'

const [store = '', record = '', port] = process.argv.slice(2)

const session_store = levelStore(store)
const client = new Client(CallbackAPIVersion.VERSION2, 'receiver', false, { session_store })
client.reconnect_delay_set(0.01)
client.on_connect = (_client, _userdata, flags: ConnectFlags) => {
  if (!flags.session_present) client.subscribe('crash', 2)
  console.log('connected')
}
client.on_subscribe = () => console.log('subscribed')
client.on_message = (_client, _userdata, message: MQTTMessage) => {
  appendFileSync(record, `${Buffer.from(message.payload)}\n`)
}
client.connect_async('127.0.0.1', Number(port))
client.loop_start()

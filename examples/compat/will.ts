/** A last will: a second client sees what the broker publishes when the first one is cut off. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const watcher = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
const will = new Promise<string>((resolve) => {
  watcher.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) =>
    resolve(`${msg.topic}: ${text(msg.payload)}`)
})
const watching = new Promise((resolve) => {
  watcher.on_subscribe = resolve
})
await watcher.connect(HOST, PORT)
watcher.subscribe('paho/will/#', 1)
watcher.loop_start()
await watching

const mortal = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mortal.will_set('paho/will/mortal', 'gone', { qos: 1 })
mortal.on_connect = (client) => {
  // Cuts the connection without DISCONNECT.
  client.socket()?.close()
}
await mortal.connect(HOST, PORT)
while ((await mortal.loop()) === mqtt.MQTT_ERR_SUCCESS);

console.log(await will)
watcher.disconnect()
await watcher.loop_stop()

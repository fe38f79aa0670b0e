/** A simple example subscriber that shows every callback. Ends with Ctrl-C. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const on_connect: mqtt.CallbackOnConnect_v2 = (mqttc, _obj, _flags, reason_code, _properties) => {
  console.log(`reason_code: ${reason_code}`)
  mqttc.subscribe('paho/#')
}

const on_message: mqtt.CallbackOnMessage = (_mqttc, _obj, msg) => {
  console.log(`${msg.topic} ${msg.qos} ${text(msg.payload)}`)
}

const on_subscribe: mqtt.CallbackOnSubscribe_v2 = (_mqttc, _obj, mid, reason_code_list, _properties) => {
  console.log(`Subscribed: ${mid} ${reason_code_list}`)
}

const on_log: mqtt.CallbackOnLog = (_mqttc, _obj, _level, string) => {
  console.log(string)
}

// If you want to use a specific client id, use
// mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "client-id")
// but note that the client id must be unique on the broker. Leaving the client
// id parameter empty will generate a random id for you.
const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_message = on_message
mqttc.on_connect = on_connect
mqttc.on_subscribe = on_subscribe
// Uncomment to enable debug messages
// mqttc.on_log = on_log
if (process.env['MQTT_DEBUG'] !== undefined) mqttc.on_log = on_log
await mqttc.connect(HOST, PORT, 60)

await mqttc.loop_forever()

/** Different callbacks for different topics, and one for the rest. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

// This callback will only be called for messages with topics that match $SYS/broker/messages/#
const on_message_msgs: mqtt.CallbackOnMessage = (_mosq, _obj, msg) => {
  console.log(`MESSAGES: ${msg.topic} ${msg.qos} ${text(msg.payload)}`)
}

// This callback will only be called for messages with topics that match $SYS/broker/bytes/#
const on_message_bytes: mqtt.CallbackOnMessage = (_mosq, _obj, msg) => {
  console.log(`BYTES: ${msg.topic} ${msg.qos} ${text(msg.payload)}`)
}

// This callback will be called for messages that we receive that do not match any patterns defined in
// topic specific callbacks, i.e. in this case those messages that do not have topics $SYS/broker/messages/#
// nor $SYS/broker/bytes/#
const on_message: mqtt.CallbackOnMessage = (_mosq, _obj, msg) => {
  console.log(`${msg.topic} ${msg.qos} ${text(msg.payload)}`)
}

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)

// Add message callbacks that will only trigger on a specific subscription match.
mqttc.message_callback_add('$SYS/broker/messages/#', on_message_msgs)
mqttc.message_callback_add('$SYS/broker/bytes/#', on_message_bytes)
// The same in the form of a decorator.
mqttc.topic_callback('paho/+/special')((_client, _userdata, msg) => console.log(`SPECIAL: ${msg.topic}`))
mqttc.on_message = on_message
await mqttc.connect(HOST, PORT, 60)
mqttc.subscribe([
  ['$SYS/#', 0],
  ['paho/#', 1],
])

await mqttc.loop_forever()

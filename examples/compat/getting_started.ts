/**
 * Getting started: prints what the broker says about itself, until Ctrl-C.
 *
 *     npx tsx examples/compat/getting_started.ts
 */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

// The callback for when the client receives a CONNACK response from the server.
const on_connect: mqtt.CallbackOnConnect_v2 = (client, _userdata, _flags, reason_code, _properties) => {
  console.log(`Connected with result code ${reason_code}`)
  // Subscribing in on_connect() means that if we lose the connection and
  // reconnect then subscriptions will be renewed.
  client.subscribe('$SYS/#')
}

// The callback for when a PUBLISH message is received from the server.
const on_message: mqtt.CallbackOnMessage = (_client, _userdata, msg) => {
  console.log(`${msg.topic} ${text(msg.payload)}`)
}

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_connect = on_connect
mqttc.on_message = on_message

await mqttc.connect(HOST, PORT, 60)

// Reads, writes, reconnects and calls back until disconnect() is called.
await mqttc.loop_forever()

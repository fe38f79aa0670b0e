/** A subscriber over WebSocket. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, { transport: 'websockets' })
mqttc.on_connect = (client, _userdata, _flags, reason_code: mqtt.ReasonCode) => {
  console.log(`reason_code: ${reason_code}`)
  client.subscribe('paho/#', 0)
}
mqttc.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) => {
  console.log(`${msg.topic} ${msg.qos} ${text(msg.payload)}`)
}
mqttc.on_subscribe = (_client, _userdata, mid: number, reason_code_list: mqtt.ReasonCode[]) => {
  console.log(`Subscribed: ${mid} ${reason_code_list}`)
}

// Headers may be added to the handshake, or the path changed.
mqttc.ws_set_options('/mqtt', { 'X-Client': 'mqtt-await' })
await mqttc.connect(HOST, PORT, 60)

await mqttc.loop_forever()

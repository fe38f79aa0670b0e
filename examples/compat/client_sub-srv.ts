/** A subscriber that finds its broker in DNS: SRV records of the domain on the command line. */
import * as mqtt from 'mqtt-await/compat'
import { text } from './context.ts'

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_connect = (client, _userdata, _flags, reason_code: mqtt.ReasonCode) => {
  console.log(`Connected to ${client.host}:${client.port}: ${reason_code}`)
  client.subscribe('$SYS/broker/version', 0)
}
mqttc.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) => {
  console.log(`${msg.topic} ${msg.qos} ${text(msg.payload)}`)
}

try {
  await mqttc.connect_srv(process.argv[2] ?? 'mosquitto.org')
  await mqttc.loop_forever()
} catch (error) {
  if (!(error instanceof mqtt.ValueError)) throw error
  console.log(`no broker: ${error.message}`)
}

/** Every line that the client logs, through a callback. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const on_log: mqtt.CallbackOnLog = (_client, _userdata, level, buf) => {
  if (level === mqtt.LogLevel.MQTT_LOG_ERR) console.error(`ERROR ${buf}`)
  else console.log(`log: ${buf}`)
}

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_log = on_log
mqttc.on_connect = (client) => client.disconnect()

await mqttc.connect(HOST, PORT)
await mqttc.loop_forever()

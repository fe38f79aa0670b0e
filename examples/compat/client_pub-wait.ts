/** Waiting for each message to be published. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_connect = (_client, _userdata, _flags, reason_code: mqtt.ReasonCode) => {
  console.log(`reason_code: ${reason_code}`)
}
mqttc.on_publish = (_client, _userdata, mid: number) => {
  console.log(`mid: ${mid}`)
}

await mqttc.connect(HOST, PORT, 60)

mqttc.loop_start()

console.log('tuple')
const [rc, mid] = mqttc.publish('tuple', 'bar', 2)
console.log(`${rc} ${mid}`)
console.log('class')
const infot = mqttc.publish('class', 'bar', 2)

await infot.wait_for_publish()

console.log(`published: ${infot.is_published()}`)
mqttc.disconnect()
await mqttc.loop_stop()

/** A publisher that keeps the set of what is not acknowledged, and what MQTTMessageInfo offers in its place. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const on_publish: mqtt.CallbackOnPublish_v2 = (_client, userdata, mid, _reason_code, _properties) => {
  // Python has to catch a KeyError here: its thread may be quicker than publish() returns. Here it can not be.
  userdata.delete(mid)
}

const unacked_publish = new Set<number>()
const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_publish = on_publish

mqttc.user_data_set(unacked_publish)
await mqttc.connect(HOST, PORT)
mqttc.loop_start()

// Our application produce some messages
const msg_info = mqttc.publish('paho/test/topic', 'my message', { qos: 1 })
unacked_publish.add(msg_info.mid)

const msg_info2 = mqttc.publish('paho/test/topic', 'my message2', { qos: 1 })
unacked_publish.add(msg_info2.mid)

// Wait for all message to be published
while (unacked_publish.size > 0) await new Promise((resolve) => setTimeout(resolve, 10))

// Due to race-condition described above, the following way to wait for all publish is safer
await msg_info.wait_for_publish()
await msg_info2.wait_for_publish()
console.log(`published ${msg_info.mid} and ${msg_info2.mid}`)

mqttc.disconnect()
await mqttc.loop_stop()

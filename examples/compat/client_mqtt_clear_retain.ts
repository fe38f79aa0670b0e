/**
 * Clears the retained messages of a topic filter: publishes an empty one to each topic.
 *
 *     npx tsx examples/compat/client_mqtt_clear_retain.ts 'old/#'
 */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const filter = process.argv[2] ?? 'paho/retained/#'
const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
let idle: NodeJS.Timeout | undefined

/** Retained messages come at once: when none has come for a while, that was all. */
function wait_for_more(): void {
  clearTimeout(idle)
  idle = setTimeout(() => mqttc.disconnect(), 300)
}

mqttc.on_connect = (client) => client.subscribe(filter, 1)
mqttc.on_subscribe = wait_for_more
mqttc.on_message = (client, _userdata, msg: mqtt.MQTTMessage) => {
  if (!msg.retain || msg.payload.length === 0) return
  console.log(`clearing ${msg.topic} (${text(msg.payload)})`)
  client.publish(msg.topic, null, 1, true)
  wait_for_more()
}

await mqttc.connect(HOST, PORT)
await mqttc.loop_forever()
console.log('done')

/** Remote procedure calls with MQTT 5, the server: adds and multiplies for client_rpc_math.ts. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const functions: Record<string, (args: number[]) => number> = {
  add: (args) => args.reduce((sum, one) => sum + one, 0),
  mult: (args) => args.reduce((product, one) => product * one, 1),
}

const on_connect: mqtt.CallbackOnConnect_v2 = (mqttc, _userdata, flags, reason_code, _properties) => {
  console.log(`Connected: ${flags.session_present} ${reason_code}`)
  // Subscribing here ensures that it is done again after a reconnect.
  mqttc.subscribe('mathrpc/request/#')
}

const on_message: mqtt.CallbackOnMessage = (mqttc, _userdata, msg) => {
  console.log(`Received: ${msg.topic} ${text(msg.payload)}`)
  const { ResponseTopic, CorrelationData } = msg.properties ?? {}
  const name = msg.topic.split('/').at(-1) ?? ''
  const compute = functions[name]
  if (ResponseTopic === undefined || CorrelationData === undefined || compute === undefined) {
    console.log('No reply requested, or no such function')
    return
  }
  const props = new mqtt.Properties(mqtt.PacketTypes.PUBLISH)
  props.CorrelationData = CorrelationData
  mqttc.publish(ResponseTopic, compute(JSON.parse(text(msg.payload))), { qos: 1, properties: props })
}

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, { protocol: mqtt.MQTTv5 })
mqttc.on_message = on_message
mqttc.on_connect = on_connect

await mqttc.connect(HOST, PORT, { clean_start: true })
await mqttc.loop_forever()

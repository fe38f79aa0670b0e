/**
 * Remote procedure calls with MQTT 5, the client: asks the server (server_rpc_math.ts) for sums.
 *
 *     npx tsx examples/compat/client_rpc_math.ts add 1 2 3
 */
import { randomUUID } from 'node:crypto'
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const [name = 'add', ...numbers] = process.argv.slice(2)
if (name !== 'add' && name !== 'mult') throw new Error('usage: client_rpc_math.ts add|mult number ...')

// An unique request ID.
const corr_id = Buffer.from(randomUUID())
const reply_to = `mathrpc/reply/${corr_id}`

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, { protocol: mqtt.MQTTv5 })
const reply = new Promise<string>((resolve) => {
  mqttc.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) => {
    const { CorrelationData } = msg.properties ?? {}
    if (CorrelationData !== undefined && Buffer.compare(CorrelationData, corr_id) === 0)
      resolve(text(msg.payload))
  }
})

await mqttc.connect(HOST, PORT, { clean_start: true })
mqttc.loop_start()
const subscribed = new Promise((resolve) => {
  mqttc.on_subscribe = resolve
})
mqttc.subscribe(reply_to)
await subscribed

const props = new mqtt.Properties(mqtt.PacketTypes.PUBLISH)
props.CorrelationData = corr_id
props.ResponseTopic = reply_to
mqttc.publish(`mathrpc/request/${name}`, JSON.stringify(numbers.map(Number)), { qos: 1, properties: props })

console.log(`result: ${await reply}`)
mqttc.disconnect()
await mqttc.loop_stop()

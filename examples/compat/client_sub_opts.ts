/** A subscriber with options on its command line. */
import { parseArgs } from 'node:util'
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const { values: args } = parseArgs({
  options: {
    host: { type: 'string', short: 'H', default: HOST },
    topic: { type: 'string', short: 't', default: 'paho/#' },
    qos: { type: 'string', short: 'q', default: '0' },
    clientid: { type: 'string', short: 'c', default: '' },
    username: { type: 'string', short: 'u' },
    password: { type: 'string', short: 'p' },
    port: { type: 'string', short: 'P', default: String(PORT) },
    keepalive: { type: 'string', short: 'k', default: '60' },
    'disable-clean-session': { type: 'boolean', short: 'd', default: false },
    cacerts: { type: 'string', short: 'F' },
    insecure: { type: 'boolean', default: false },
    debug: { type: 'boolean', short: 'D', default: false },
  },
})

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, args.clientid, !args['disable-clean-session'])

if (args.cacerts !== undefined) {
  mqttc.tls_set({ ca_certs: args.cacerts })
  if (args.insecure) mqttc.tls_insecure_set(true)
}
if (args.username !== undefined) mqttc.username_pw_set(args.username, args.password)
mqttc.on_message = (_client, _userdata, msg: mqtt.MQTTMessage) =>
  console.log(`${msg.topic} ${msg.qos} ${text(msg.payload)}`)
mqttc.on_connect = (_client, _userdata, _flags, reason_code: mqtt.ReasonCode) =>
  console.log(`reason_code: ${reason_code}`)
mqttc.on_subscribe = (_client, _userdata, mid: number, reason_code_list: mqtt.ReasonCode[]) => {
  console.log(`Subscribed: ${mid} ${reason_code_list}`)
}
if (args.debug) mqttc.on_log = (_client, _userdata, _level, line: string) => console.log(line)

console.log(`Connecting to ${args.host} port: ${args.port}`)
await mqttc.connect(args.host, Number(args.port), Number(args.keepalive))
mqttc.subscribe(args.topic, Number(args.qos))

await mqttc.loop_forever()

/** A publisher with options on its command line. */
import { parseArgs } from 'node:util'
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const { values: args } = parseArgs({
  options: {
    host: { type: 'string', short: 'H', default: HOST },
    topic: { type: 'string', short: 't', default: 'paho/test/opts' },
    qos: { type: 'string', short: 'q', default: '0' },
    clientid: { type: 'string', short: 'c', default: '' },
    username: { type: 'string', short: 'u' },
    password: { type: 'string', short: 'p' },
    port: { type: 'string', short: 'P', default: String(PORT) },
    nummsgs: { type: 'string', short: 'N', default: '1' },
    delay: { type: 'string', short: 'S', default: '0' },
    keepalive: { type: 'string', short: 'k', default: '60' },
    cacerts: { type: 'string', short: 'F' },
    insecure: { type: 'boolean', default: false },
    debug: { type: 'boolean', short: 'D', default: false },
  },
})

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, args.clientid)

if (args.cacerts !== undefined) {
  mqttc.tls_set({ ca_certs: args.cacerts })
  if (args.insecure) mqttc.tls_insecure_set(true)
}
if (args.username !== undefined) mqttc.username_pw_set(args.username, args.password)
mqttc.on_connect = (_client, _userdata, _flags, reason_code: mqtt.ReasonCode) =>
  console.log(`connect: ${reason_code}`)
mqttc.on_publish = (_client, _userdata, mid: number) => console.log(`mid: ${mid}`)
if (args.debug) mqttc.on_log = (_client, _userdata, _level, line: string) => console.log(line)

console.log(`Connecting to ${args.host} port: ${args.port}`)
await mqttc.connect(args.host, Number(args.port), Number(args.keepalive))

mqttc.loop_start()

for (let n = 0; n < Number(args.nummsgs); n++) {
  const msg_txt = `{"msgnum": "${n}"}`
  console.log(`Publishing: ${msg_txt}`)
  const infot = mqttc.publish(args.topic, msg_txt, Number(args.qos))
  await infot.wait_for_publish()
  await new Promise((resolve) => setTimeout(resolve, Number(args.delay) * 1000))
}

mqttc.disconnect()
await mqttc.loop_stop()

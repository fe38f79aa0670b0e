/** The client inside a class of one's own, by subclassing: callbacks are members of the class. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

class MyMQTTClass extends mqtt.Client {
  override on_connect: mqtt.CallbackOnConnect_v2 = (_mqttc, _obj, _flags, reason_code, _properties) => {
    console.log(`rc: ${reason_code}`)
  }

  override on_connect_fail: mqtt.CallbackOnConnectFail = (_mqttc, _obj) => {
    console.log('Connect failed')
  }

  override on_message: mqtt.CallbackOnMessage = (_mqttc, _obj, msg) => {
    console.log(`${msg.topic} ${msg.qos} ${text(msg.payload)}`)
  }

  override on_publish: mqtt.CallbackOnPublish_v2 = (_mqttc, _obj, mid, _reason_codes, _properties) => {
    console.log(`mid: ${mid}`)
  }

  override on_subscribe: mqtt.CallbackOnSubscribe_v2 = (_mqttc, _obj, mid, reason_code_list, _properties) => {
    console.log(`Subscribed: ${mid} ${reason_code_list}`)
  }

  override on_log: mqtt.CallbackOnLog = (_mqttc, _obj, _level, string) => {
    console.log(string)
  }

  async run(): Promise<mqtt.MQTTErrorCode> {
    await this.connect(HOST, PORT, 60)
    this.subscribe('paho/#', 0)

    let rc: mqtt.MQTTErrorCode = 0
    while (rc === 0) rc = await this.loop()
    return rc
  }
}

// If you want to use a specific client id, use
// mqttc = new MyMQTTClass(mqtt.CallbackAPIVersion.VERSION2, "client-id")
const mqttc = new MyMQTTClass(mqtt.CallbackAPIVersion.VERSION2)
process.once('SIGINT', () => mqttc.disconnect())
const rc = await mqttc.run()

console.log(`rc: ${rc}`)

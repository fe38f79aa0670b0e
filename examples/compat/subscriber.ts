/** A subscriber that leaves after ten messages: which callbacks tell what became of SUBSCRIBE and UNSUBSCRIBE. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const on_subscribe: mqtt.CallbackOnSubscribe_v2 = (
  _client,
  _userdata,
  _mid,
  reason_code_list,
  _properties,
) => {
  // Since we subscribed only for a single channel, reason_code_list contains a single entry
  const [reason_code] = reason_code_list
  if (reason_code?.is_failure) console.log(`Broker rejected you subscription: ${reason_code}`)
  else console.log(`Broker granted the following QoS: ${reason_code?.value}`)
}

const on_unsubscribe: mqtt.CallbackOnUnsubscribe_v2 = (
  client,
  _userdata,
  _mid,
  reason_code_list,
  _properties,
) => {
  // Be careful, the reason_code_list is only present in MQTTv5.
  // In MQTTv3 it will always be empty
  if (reason_code_list.length === 0 || !reason_code_list[0]?.is_failure) {
    console.log('unsubscribe succeeded (if SUBACK is received in MQTTv3 it success)')
  } else {
    console.log(`Broker replied with failure: ${reason_code_list[0]}`)
  }
  client.disconnect()
}

const on_message: mqtt.CallbackOnMessage = (client, userdata, message) => {
  // userdata is the structure we choose to provide, here it's a list
  userdata.push(text(message.payload))
  // We only want to process 10 messages
  if (userdata.length >= 10) client.unsubscribe('paho/test/topic')
}

const on_connect: mqtt.CallbackOnConnect_v2 = (client, _userdata, _flags, reason_code, _properties) => {
  if (reason_code.is_failure) {
    console.log(`Failed to connect: ${reason_code}. loop_forever() will retry connection`)
  } else {
    // we should always subscribe from on_connect callback to be sure
    // our subscribed is persisted across reconnections.
    client.subscribe('paho/test/topic')
  }
}

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
mqttc.on_connect = on_connect
mqttc.on_message = on_message
mqttc.on_subscribe = on_subscribe
mqttc.on_unsubscribe = on_unsubscribe

mqttc.user_data_set([])
await mqttc.connect(HOST, PORT)
await mqttc.loop_forever()
console.log(`Received the following message: ${mqttc.user_data_get()}`)

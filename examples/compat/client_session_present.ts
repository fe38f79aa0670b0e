/** What the broker says about a session that it kept: the second connection finds it present. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

async function session_present(clean_session: boolean): Promise<boolean> {
  const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, 'session-present-example', clean_session)
  let present = false
  mqttc.on_connect = (client, _userdata, flags: mqtt.ConnectFlags) => {
    present = flags.session_present
    // Some brokers keep no session that has nothing in it.
    client.subscribe('paho/session/present', 1)
  }
  mqttc.on_subscribe = (client) => client.disconnect()
  await mqttc.connect(HOST, PORT)
  await mqttc.loop_forever()
  return present
}

// Forgets what an earlier run has left.
await session_present(true)
console.log(`first connection: ${await session_present(false)}`)
console.log(`second connection: ${await session_present(false)}`)
await session_present(true)

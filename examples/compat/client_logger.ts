/** Every line that the client logs, through a logger. */
import * as mqtt from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const mqttc = new mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)

// Whatever has the methods debug, info, warn and error is a logger.
mqttc.enable_logger(console)

mqttc.on_connect = (client) => client.subscribe('$SYS/#', 0)
mqttc.on_subscribe = (client) => client.disconnect()

await mqttc.connect(HOST, PORT, 60)
await mqttc.loop_forever()

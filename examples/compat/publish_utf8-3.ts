/** Topics and payloads are UTF-8. */
import { publish } from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const topic = 'paho/test/single/utf8/ô'
const payload = "German umlauts like 'ä', 'ü' and 'ö' are not in the ASCII character set."

await publish.single(topic, payload, { hostname: HOST, port: PORT, qos: 1 })
console.log('published')

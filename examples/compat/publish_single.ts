/** Publishes one message and is done. */
import { publish } from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

await publish.single('paho/test/topic', 'boo', { hostname: HOST, port: PORT })
console.log('published')

/** Publishes several messages and is done. */
import { publish } from 'mqtt-await/compat'
import { HOST, PORT } from './context.ts'

const msgs: publish.MessagesList = [
  { topic: 'paho/test/topic', payload: 'multiple 1' },
  ['paho/test/topic', 'multiple 2', 0, false],
]
await publish.multiple(msgs, { hostname: HOST, port: PORT })
console.log('published')

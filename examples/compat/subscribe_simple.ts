/** Waits for messages: one, then two. */
import { subscribe } from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const topics = ['paho/simple/#']

const m = await subscribe.simple(topics, { hostname: HOST, port: PORT, retained: true, msg_count: 1 })
for (const one of [m].flat()) console.log(`${one.topic} ${text(one.payload)}`)

const two = await subscribe.simple(topics, { hostname: HOST, port: PORT, retained: true, msg_count: 2 })
for (const one of [two].flat()) console.log(`${one.topic} ${text(one.payload)}`)

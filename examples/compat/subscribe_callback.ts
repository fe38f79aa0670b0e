/** Calls back for each message until the callback has enough. */
import { type CallbackOnMessage, subscribe } from 'mqtt-await/compat'
import { HOST, PORT, text } from './context.ts'

const on_message_print: CallbackOnMessage = (client, userdata, message) => {
  console.log(`${message.topic} ${text(message.payload)}`)
  userdata.message_count += 1
  // It's possible to stop the program by disconnecting
  if (userdata.message_count >= 5) client.disconnect()
}

await subscribe.callback(on_message_print, 'paho/test/callback', {
  hostname: HOST,
  port: PORT,
  userdata: { message_count: 0 },
})
console.log('done')

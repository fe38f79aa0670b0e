/**
 * The present state of things, kept by the broker: whoever subscribes gets the last value of each topic at once, and knows
 * by `retain` that it is the state and not news.
 */
import { Client } from 'mqtt-await'

const url = process.env['MQTT_URL'] ?? 'mqtt://localhost:1883'

{
  await using writer = new Client(url)
  await writer.connect()
  await writer.publish('lamps/desk', 'on', { qos: 1, retain: true }).acked
  await writer.publish('lamps/door', 'off', { qos: 1, retain: true }).acked
}

{
  await using reader = new Client(url)
  await reader.connect()
  const lamps = await reader.messages('lamps/+', { qos: 1 }).take(2)
  for (const lamp of lamps.sort((a, b) => a.topic.localeCompare(b.topic))) {
    console.log(`${lamp.topic} is ${lamp.text()} (${lamp.retain ? 'state' : 'news'})`)
  }
  // An empty payload makes the broker forget.
  for (const { topic } of lamps) reader.publish(topic, '', { qos: 1, retain: true })
  await reader.flush()
}
console.log('forgotten')

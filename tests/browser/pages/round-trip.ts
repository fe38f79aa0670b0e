import { Client, type ClientOptions } from 'mqtt-await'

/** Connects, iterates, publishes once at each QoS and disconnects; gives what came back. */
export async function roundTrip(url: string, options: ClientOptions): Promise<string[]> {
  await using client = new Client(url, {
    clientId: `page-${Math.random().toString(36).slice(2)}`,
    ...options,
  })
  await client.connect()
  const topic = `browser/${client.clientId}`
  const messages = client.messages(`${topic}/+`, { qos: 2 })
  await messages.ready
  for (const qos of [0, 1, 2] as const) await client.publish(`${topic}/${qos}`, `qos ${qos}`, { qos }).acked
  const received: string[] = []
  for await (const message of messages) {
    received.push(`${message.topic.slice(topic.length + 1)}: ${message.text()}, ${message.params}`)
    if (received.length === 3) break
  }
  return received
}

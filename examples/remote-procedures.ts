/** Typed remote procedure calls over MQTT 5.0: one schema for both sides, answers by `await`, errors that travel back. */
import { Client, MqttError, topic } from 'mqtt-await'
import * as z from 'zod'

const url = process.env['MQTT_URL'] ?? 'mqtt://localhost:1883'
const Order = z.object({ item: z.string(), count: z.number().int().positive() })
const Receipt = z.object({ total: z.number() })
const orders = topic('shop/{branch}/order', Order)

await using server = new Client(url)
await server.connect()
const prices: Record<string, number> = { tea: 3, cake: 5 }
const shop = server.respond(orders, ({ params, value }) => {
  const price = prices[value.item]
  if (price === undefined) throw new Error(`${params.branch} has no ${value.item}`)
  return JSON.stringify({ total: price * value.count } satisfies z.infer<typeof Receipt>)
})
await shop.ready

await using client = new Client(url)
await client.connect()

async function order(branch: string, what: z.infer<typeof Order>): Promise<z.infer<typeof Receipt>> {
  const answer = await client.request(orders.format({ branch }), orders.encode(what), { timeoutMs: 5_000 })
  return Receipt.parse(answer.json())
}

console.log(await order('harbour', { item: 'tea', count: 2 }))
console.log(await Promise.all([1, 2, 3].map((count) => order('harbour', { item: 'cake', count }))))
try {
  await order('harbour', { item: 'beer', count: 1 })
} catch (error) {
  if (error instanceof MqttError) console.log(error.message)
}

/**
 * Publishes a file line by line, however large: lines are read no faster than the broker takes them, so memory stays flat.
 *
 *     npx tsx examples/stream-file.ts access.log
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Client } from 'mqtt-await'

const path = process.argv[2] ?? import.meta.filename

async function* lines(): AsyncGenerator<{ topic: string; payload: string; qos: 1 }> {
  for await (const line of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    yield { topic: 'log/lines', payload: line, qos: 1 }
  }
}

await using client = new Client(process.env['MQTT_URL'] ?? 'mqtt://localhost:1883')
await client.connect()
const count = await client.publishFrom(lines())
await client.flush()
console.log(`${count} lines, every one acknowledged`)

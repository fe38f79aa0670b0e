/**
 * The whole of it in one run: a broker in this process, a consumer and four devices over real TCP, a few thousand readings at
 * QoS 0, 1 and 2, and the consumer's cable pulled in the middle. Ends with a table and with exit code 0 only if it is right.
 *
 *     npm run demo
 *     npm run demo -- --url mqtt://host:1883 --protocol 4 --readings 500
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Client } from 'mqtt-await'
import { BreakableLine } from './breakable-line.ts'
import { startBroker } from './broker.ts'
import { type QoS, type Reading, reading } from './readings.ts'
import { Tally, table } from './tally.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    /** 5 or 4 (3.1.1). */
    protocol: { type: 'string', default: '5' },
    /** Per device and QoS. */
    readings: { type: 'string', default: '500' },
  },
})
const protocolVersion = values.protocol === '4' ? 4 : 5
const perDevice = Number(values.readings)
const devices = ['kitchen', 'attic', 'cellar', 'garden']
const qualities: readonly QoS[] = [0, 1, 2]
// Runs of the demo that share a broker do not hear each other.
const root = `mqtt-await-demo/${Date.now().toString(36)}`

const say = (text: string): void => console.log(`  ${text}`)

async function main(): Promise<boolean> {
  console.log('\nmqtt-await demo\n')
  const broker = values.url === undefined ? await startBroker() : undefined
  const url = new URL(broker?.url ?? values.url ?? '')
  say(broker === undefined ? `broker: ${url.host}` : `broker: aedes, in this process, at ${url.href}`)

  // A TLS connection is made to a name, which a line of our own does not have: it is not cut.
  const line = ['mqtt:', 'tcp:', 'ws:'].includes(url.protocol) ? await BreakableLine.to(url) : undefined
  const tallies = qualities.map((qos) => new Tally(qos))
  const expected = devices.length * perDevice * qualities.length

  const consumer = new Client(line?.url ?? url, {
    clientId: `demo-consumer-${Date.now().toString(36)}`,
    protocolVersion,
    // The broker keeps the session, and the messages for it, while the line is down.
    cleanStart: false,
    ...(protocolVersion === 5 && { sessionExpiryInterval: 60 }),
    reconnect: { minDelayMs: 50, maxDelayMs: 1000 },
  })
  consumer.on('disconnect', (error) => {
    if (error !== undefined) say('the line is down: the consumer reconnects, the devices go on')
  })
  let connections = 0
  consumer.on('connect', () => {
    if (++connections > 1) say('the line is up again')
  })
  await consumer.connect()
  const readings = consumer.messages(`${root}/#`, { qos: 2 })
  await readings.ready

  let consumed = 0
  /** The same without duplicates. */
  let received = 0
  let quiet: () => void = () => {}
  let wanted = Number.POSITIVE_INFINITY
  const consuming = (async () => {
    for await (const message of readings) {
      consumed++
      const { device, sequence, sentAt } = message.json<Reading>()
      const isNew = tallies[message.qos]?.receive(`${device}/${sequence}`, performance.now() - sentAt)
      if (!isNew) continue
      received++
      if (received % Math.ceil(expected / 10) === 0)
        say(`${Math.round((received / expected) * 100)} % received`)
      if (received >= wanted) quiet()
    }
  })()
  /** Resolves when the consumer has had so many, or when nothing has come for a while. */
  const receivedUpTo = async (count: number): Promise<void> => {
    let before = -1
    while (received < count && before !== received) {
      before = received
      wanted = count
      await new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, 15_000)
        quiet = () => {
          clearTimeout(patience)
          resolve()
        }
      })
    }
  }

  const publishers = await Promise.all(
    devices.map(async (name) => {
      const client = new Client(url, { clientId: `demo-${name}-${Date.now().toString(36)}`, protocolVersion })
      await client.connect()
      return { name, client }
    }),
  )
  say(`${devices.length} devices connected, ${expected} readings to go\n`)

  const started = performance.now()
  /** Everything from `from` on, device by device in turns of the event loop, as real ones would interleave. */
  const publish = async (levels: readonly QoS[], from: number, to: number): Promise<void> => {
    await Promise.all(
      publishers.map(async ({ name, client }) => {
        for (let sequence = from; sequence < to; sequence++) {
          for (const qos of levels) {
            const tally = tallies[qos]
            if (tally === undefined) continue
            const publication = client.publish(`${root}/${name}/qos${qos}`, reading(name, sequence), { qos })
            tally.published++
            void publication.acked.then(
              () => tally.acknowledged++,
              (error: unknown) => say(`${name}: ${String(error)}`),
            )
          }
          if (client.needsDrain) await client.drained()
          if (sequence % 10 === 9) await nextTurn()
        }
        await client.flush()
      }),
    )
  }

  const half = Math.floor(perDevice / 2)
  await publish(qualities, 0, half)
  // QoS 0 promises nothing across a lost connection, so none is under way when the line is cut: only QoS 1 and 2 are.
  await receivedUpTo(devices.length * half * qualities.length)
  const later = publish([1, 2], half, perDevice)
  if (line !== undefined) {
    await receivedUpTo(received + Math.floor(expected / 20))
    // What is lost is on its way to the consumer. Acknowledgements that are lost on the way back would have the broker send
    // QoS 1 messages a second time, as QoS 1 allows.
    await line.pull((toClient, toBroker) => {
      const { bytesReceived, bytesSent, messagesReceived } = consumer.stats
      return bytesReceived === toClient && bytesSent === toBroker && consumed === messagesReceived
    })
  }
  await later
  await receivedUpTo(devices.length * (3 * half + 2 * (perDevice - half)))
  await publish([0], half, perDevice)
  await receivedUpTo(expected)
  const seconds = (performance.now() - started) / 1000

  await readings.close()
  await consuming
  await Promise.all(
    [consumer, ...publishers.map(({ client }) => client)].map((client) => client.disconnect()),
  )
  line?.close()
  await broker?.close()

  console.log(`\n${table(tallies, seconds)}\n`)
  const right = tallies.every((tally) => tally.right) && (line === undefined || connections > 1)
  say(right ? 'every reading arrived once' : 'THE COUNTS ARE NOT RIGHT')
  return right
}

process.exitCode = (await main()) ? 0 : 1

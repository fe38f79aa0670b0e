/**
 * The life of a client on whatever runtime runs this: `life.mjs SETTINGS [PART ...]`. Uses nothing but the package and what every
 * runtime has of `node:`. Prints a line for each part, and must then end by itself: nothing may be left running.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  Client,
  type ClientOptions,
  type MqttError,
  type SubscriptionOptions,
  scramAuthenticator,
  type TlsOptions,
} from 'mqtt-await'
import * as compat from 'mqtt-await/compat'
import { levelStore, memoryStore } from 'mqtt-await/store'

export interface LifeSettings {
  /** Mosquitto, over the transport in question. */
  readonly url: string
  /** A slow reader that says what it has read, over the same transport. */
  readonly slowUrl: string
  /** Accepts connections, and says nothing. */
  readonly silentPort: number
  /** Where `levelStore` may write. */
  readonly place: string
  readonly tls: { readonly [name in 'ca' | 'cert' | 'key' | 'passphrase' | 'otherCa']?: string }
}

const settings = JSON.parse(process.argv[2] ?? '{}') as LifeSettings
const { ca, cert, key, passphrase } = settings.tls
const isSecure = /^(mqtts|wss):/.test(settings.url)
const tls = isSecure ? { tls: { ca, cert, key, passphrase } } : {}
/** Programs run side by side at one broker. */
const own = `life/${process.pid}`

function make(options: ClientOptions = {}, url = settings.url): Client {
  return new Client(url, { ...tls, reconnect: false, ...options })
}

function expect(what: string, got: unknown, wanted: unknown): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)]
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`)
}

async function failure(promise: PromiseLike<unknown>): Promise<MqttError> {
  try {
    await promise
  } catch (error) {
    return error as MqttError
  }
  throw new Error('it did not fail')
}

/** Every byte depends on `n`. */
function filled(length: number, n: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let value = (n + 1) * 2_654_435_761
  for (let at = 0; at < length; at++) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0
    bytes[at] = value >>> 24
  }
  return bytes
}

function sha(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

async function receivesAndPublishes(protocolVersion: 3 | 4 | 5): Promise<void> {
  const client = make({ protocolVersion })
  await client.connect()
  const topic = `${own}/${protocolVersion}`
  const loop = client.messages(`${topic}/loop`, { qos: 2 })
  await loop.ready
  for (const qos of [0, 1, 2] as const) {
    const publication = client.publish(`${topic}/loop`, `qos ${qos}`, { qos })
    await (qos === 0 ? publication.sent : publication.acked)
  }
  const texts: string[] = []
  for await (const message of loop) {
    texts.push(`${message.text()}/${message.qos}`)
    if (texts.length === 3) break
  }
  expect('for await', texts.sort(), ['qos 0/0', 'qos 1/1', 'qos 2/2'])

  const handled = new Promise((resolve) => {
    client.handle(`${topic}/handle`, async (message) => resolve(message.text()), { concurrency: 2, qos: 1 })
  })
  const batches = client.messages(`${topic}/batches`, { qos: 1 })
  await batches.ready
  await client.publishFrom(
    Array.from({ length: 50 }, (_, n) => ({
      topic: `${topic}/batches`,
      payload: String(n),
      qos: 1 as const,
    })),
  )
  let sum = 0
  let count = 0
  for await (const batch of batches.batches()) {
    for (const message of batch) sum += Number(message.text())
    count += batch.length
    if (count >= 50) break
  }
  expect('batches', [count, sum], [50, 1225])
  await client.publish(`${topic}/handle`, 'to a handler', { qos: 1 }).acked
  expect('handle', await handled, 'to a handler')

  if (protocolVersion === 5) {
    await client.respond(`${topic}/ask`, (request) => request.text().toUpperCase()).ready
    expect('request', (await client.request(`${topic}/ask`, 'answered')).text(), 'ANSWERED')
  }
  await client.disconnect()
  expect('disconnect', client.state, 'closed')
}

/** Whoever publishes and whoever receives are one process, and the broker is fast: nothing is lost or stuck. */
async function flood(): Promise<void> {
  const client = make()
  await client.connect()
  const count = 20_000
  // The queue of QoS 0 drops what does not fit, by design.
  const options: SubscriptionOptions = { highWaterMark: { messages: count, bytes: 2 ** 28 } }
  const loop = client.messages(`${own}/flood`, options)
  await loop.ready
  const publishing = (async () => {
    for (let n = 0; n < count; n++) {
      client.publish(`${own}/flood`, filled(60 + (n % 50), n))
      if (client.needsDrain) await client.drained()
    }
  })()
  let received = 0
  for await (const batch of loop.batches()) {
    for (const message of batch) {
      if (sha(message.payload) !== sha(filled(60 + (received % 50), received)))
        throw new Error(`message ${received} has other bytes`)
      received++
    }
    if (received === count) break
  }
  await publishing
  await client.disconnect()
}

/** There and back. Not by Mosquitto, whose WebSockets are stuck after a few hundred kilobytes. */
async function large(): Promise<void> {
  const client = make({}, settings.slowUrl)
  await client.connect()
  const loop = client.messages('echoed', { highWaterMark: { bytes: 2 ** 28 } })
  await loop.ready
  for (const [n, mebibytes] of [1, 8].entries()) {
    const payload = filled(mebibytes * 2 ** 20, n)
    const publication = client.publish('echo', payload, { qos: 1 })
    for await (const message of loop) {
      expect(
        `${mebibytes} MiB`,
        [message.payload.length, sha(message.payload)],
        [payload.length, sha(payload)],
      )
      break
    }
    await publication.acked
  }
  await client.disconnect()
}

/** Bytes are right although the peer reads late and slowly, so that memory waits and is used again. */
async function slowReader(): Promise<void> {
  const client = make({}, settings.slowUrl)
  await client.connect()
  const report = client.messages('report')
  await report.ready
  const hash = createHash('sha256')
  let waits = 0
  const publish = (n: number, length: number): void => {
    const topic = `slow/${n}`
    const payload = filled(length, n)
    hash.update(topic).update(payload)
    client.publish(topic, payload, { qos: n % 10 === 0 ? 1 : 0 })
  }
  const count = 60_000
  for (let n = 0; n < count; n++) {
    publish(n, n % 5_000 === 0 ? 300_000 : n % 100 === 0 ? 6_000 : 20 + (n % 300))
    if (n % 64 === 63) await null
    if (n % 512 === 511) await delay(0)
    if (!client.needsDrain) continue
    // From here on the peer reads: so there is something that waits.
    if (waits++ === 0) console.log('READ')
    await client.drained()
  }
  client.publish('end', '', { qos: 1 })
  const [message] = await report.take(1, { timeoutMs: 30_000 })
  expect('the slow reader', message?.json(), { count, sha: hash.digest('hex') })
  await client.disconnect()
}

async function keepAlive(): Promise<void> {
  const client = make({ keepAlive: 1 })
  let pings = 0
  client.on('packetreceive', (packet) => {
    if (packet.type === 'pingresp') pings++
  })
  await client.connect()
  await delay(2_300)
  expect('keep alive', [client.connected, pings > 0], [true, true])
  await client.disconnect()
}

/** The broker is killed and started again when it reads the line. */
async function reconnect(): Promise<void> {
  const client = make({ reconnect: { minDelayMs: 20, maxDelayMs: 200 } })
  await client.connect()
  const loop = client.messages(`${own}/again`, { qos: 1 })
  await loop.ready
  const lost = new Promise((resolve) => client.once('disconnect', resolve))
  console.log('RESTART')
  await lost
  await client.publish(`${own}/again`, 'after', { qos: 1 }).acked
  expect('reconnect', (await loop.first())?.text(), 'after')
  await client.disconnect()
}

async function aborts(): Promise<void> {
  const reason = new Error('enough')
  const soon = (): AbortSignal => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    return controller.signal
  }
  const check = async (phase: string, promise: PromiseLike<unknown>): Promise<void> => {
    const started = performance.now()
    const error = await failure(promise)
    if (error !== reason && error.cause !== reason)
      throw new Error(`abort ${phase}: ${error.name} ${error.message}`)
    if (performance.now() - started > 1_000) throw new Error(`abort ${phase}: late`)
  }
  const early = make()
  await check('before', early.connect({ signal: AbortSignal.abort(reason) }))
  await early.close()
  const scheme = settings.url.slice(0, settings.url.indexOf(':'))
  if (scheme !== 'unix') {
    // Nobody answers the handshake of TLS, the upgrade, or CONNECT.
    const silent = make({}, `${scheme}://127.0.0.1:${settings.silentPort}`)
    await check('while connecting', silent.connect({ signal: soon() }))
    await silent.close()
  }
  const client = make()
  await client.connect()
  await check(
    'of a request',
    client
      .request(`${own}/nobody`, '', { signal: soon(), timeoutMs: 5_000 })
      .then(undefined, (error: MqttError) => {
        // The broker tells at once that nobody is there.
        throw error.code === 'ERR_MQTT_NO_RESPONDER' ? reason : error
      }),
  )
  const loop = client.messages(`${own}/never`, { qos: 1 })
  await loop.ready
  await check('of taking', loop.take(1, { signal: soon() }))
  const controller = new AbortController()
  const { acked } = client.publish(`${own}/x`, '', { qos: 1, signal: controller.signal })
  controller.abort(reason)
  await check('of a publication', acked)
  await client.disconnect()
}

/** Five at a time: no more wait at a Unix socket of Mosquitto. */
async function comingAndGoing(count: number): Promise<void> {
  for (let n = 0; n < count; n += 5) {
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const client = make()
        await client.connect()
        await client.close()
      }),
    )
  }
}

async function stores(): Promise<void> {
  for (const [name, store] of [
    ['memory', memoryStore()],
    ['level', levelStore(settings.place)],
  ] as const) {
    const clientId = `${name}-${process.pid}`
    const first = make({ clientId, store, sessionExpiryInterval: 60, cleanStart: false })
    await first.publish(`${own}/${name}`, 'kept', { qos: 1 }).stored
    await first.close()
    // A location is opened anew, as by another process.
    const again = name === 'level' ? levelStore(settings.place) : store
    const next = make({ clientId, store: again, sessionExpiryInterval: 60, cleanStart: false })
    const loop = next.messages(`${own}/${name}`, { qos: 1 })
    await next.connect()
    expect(`${name}Store`, (await loop.take(1, { timeoutMs: 5_000 }))[0]?.text(), 'kept')
    await next.disconnect()
  }
}

/** RFC 7677, section 3: what WebCrypto makes of it. */
async function scram(): Promise<void> {
  const nonce = 'rOprNGfwEbeRWgbNEkqO'
  const challenge = `r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
  const context = { signal: new AbortController().signal }
  const authenticator = scramAuthenticator({ username: 'user', password: 'pencil', nonce: () => nonce })
  await authenticator.start(context)
  const proof = await authenticator.continue(new TextEncoder().encode(challenge), context)
  expect(
    'SCRAM',
    new TextDecoder().decode(proof),
    `c=biws,r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
  )
}

async function compatibility(): Promise<void> {
  const { hostname, port } = new URL(settings.url)
  const client = new compat.Client(compat.CallbackAPIVersion.VERSION2)
  const received = new Promise((resolve) => {
    client.on_message = (_client, _userdata, message: compat.MQTTMessage) =>
      resolve(new TextDecoder().decode(message.payload))
  })
  const subscribed = new Promise((resolve) => {
    client.on_subscribe = resolve
  })
  client.on_connect = () => {
    client.subscribe(`${own}/compat`, 1)
  }
  await client.connect(hostname, Number(port), 60)
  client.loop_start()
  await subscribed
  await client.publish(`${own}/compat`, 'by callbacks', 1).wait_for_publish()
  expect('compat', await received, 'by callbacks')
  client.disconnect()
  await client.loop_stop()
}

/** In our own words, whatever the runtime calls it. */
async function refusals(): Promise<void> {
  const attempts: readonly [words: RegExp, tls: TlsOptions][] = [
    [/pass (it|that) in `tls\.ca`/, { ca: settings.tls.otherCa, cert, key, passphrase }],
    [/it wants a client certificate/, { ca }],
    [/is the passphrase right/, { ca, cert, key, passphrase: 'wrong' }],
    [/pass the right one in `tls\.servername`/, { ca, cert, key, passphrase, servername: 'broker.test' }],
  ]
  for (const [words, tls] of attempts) {
    const client = make({ tls })
    const error = await failure(client.connect())
    if (!words.test(error.message)) throw error
    await client.close()
  }
}

const parts: Readonly<Record<string, () => Promise<void>>> = {
  'MQTT 5': () => receivesAndPublishes(5),
  'MQTT 3.1.1': () => receivesAndPublishes(4),
  'MQTT 3.1': () => receivesAndPublishes(3),
  large,
  flood,
  'slow reader': slowReader,
  'keep alive': keepAlive,
  reconnect,
  aborts,
  stores,
  SCRAM: scram,
  compat: compatibility,
  refusals,
  'coming and going': () => comingAndGoing(20),
  'a thousand times': () => comingAndGoing(1_000),
}

process.on('unhandledRejection', (reason) => {
  console.log('UNHANDLED', reason)
  process.exit(9)
})
const wanted = process.argv.slice(3)
for (const name of wanted) {
  const part = parts[name] as () => Promise<void>
  const started = performance.now()
  const limit = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error('it takes too long')), 20_000)
    timer.unref()
  })
  try {
    await Promise.race([part(), limit])
    console.log(`ok: ${name} (${Math.round(performance.now() - started)} ms)`)
  } catch (error) {
    const { stack, cause } = error as Error
    console.log(`FAILED: ${name}: ${stack}${cause === undefined ? '' : `\ncause: ${(cause as Error).stack}`}`)
    process.exit(1)
  }
}
console.log('done')

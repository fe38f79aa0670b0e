import { createSocket } from 'node:dgram'
import { getServers, setServers } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Client, ConnectError } from 'mqtt-await'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { resolveService } from '../../src/transport/open.ts'
import { orderRecords } from '../../src/transport/srv.ts'

interface Record {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** What the name server of this file answers, by question. */
const zone = new Map<string, Record[]>()
const questions: string[] = []
const nameServer = createSocket('udp4', (query, from) => {
  const { name, end } = readName(query, 12)
  questions.push(name)
  if (name.startsWith('_mqtt._tcp.silent')) return
  const records = zone.get(name) ?? []
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  // Response, recursion available; 3: no such name.
  header.writeUInt16BE(records.length > 0 ? 0x8180 : 0x8183, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  const answers = records.map(({ name: target, port, priority, weight }) => {
    const labels = target
      .split('.')
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
    const root = Buffer.from([0])
    const data = Buffer.concat([Buffer.alloc(6), ...(target === '.' ? [] : labels), root])
    data.writeUInt16BE(priority, 0)
    data.writeUInt16BE(weight, 2)
    data.writeUInt16BE(port, 4)
    // The question's name again, type SRV, class IN, one minute.
    const head = Buffer.from('c00c002100010000003c0000', 'hex')
    head.writeUInt16BE(data.length, 10)
    return Buffer.concat([head, data])
  })
  nameServer.send(Buffer.concat([header, query.subarray(12, end + 4), ...answers]), from.port, from.address)
})

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = []
  let at = start
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

const before = getServers()

beforeAll(async () => {
  nameServer.bind(0, '127.0.0.1')
  await once(nameServer, 'listening')
  setServers([`127.0.0.1:${nameServer.address().port}`])
})

afterAll(() => {
  setServers(before)
  nameServer.close()
})

const resolve = (url: string, signal = new AbortController().signal) =>
  resolveService(parseEndpoint(url), signal)

/** Takes every client, with success, unless it is told not to answer. */
async function listenMqtt(answers = true): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      // CONNECT, else DISCONNECT.
      if (chunk[0] !== 0x10) socket.end()
      else if (answers) socket.write(Buffer.from([0x20, 3, 0, 0, 0]))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test('asks DNS and tries the servers in their order until one answers, whatever the ones before it do instead', async () => {
  const silent = await listenMqtt(false)
  const good = await listenMqtt()
  const record = (port: number, priority: number): Record => ({
    name: 'localhost',
    port,
    priority,
    weight: 0,
  })
  zone.set('_mqtt._tcp.example.test', [record(good.port, 30), record(1, 10), record(silent.port, 20)])
  const client = new Client('mqtt+srv://example.test', {
    connectTimeoutMs: 200,
    reconnect: { minDelayMs: 1 },
  })
  const failures: string[] = []
  client.on('reconnecting', ({ delayMs, cause }) => failures.push(`${delayMs} ${cause.message}`))
  const { server } = await client.connect()
  expect(server).toBe(`mqtt://localhost:${good.port}`)
  expect(questions.filter((name) => name === '_mqtt._tcp.example.test')).toHaveLength(1)
  expect(failures).toEqual([
    expect.stringMatching(/^0 .*mqtt:\/\/localhost:1: .*ECONNREFUSED/),
    `0 Could not connect to mqtt://localhost:${silent.port} within 200 ms: the server gave no answer`,
  ])
  await client.disconnect()
  silent.server.close()
  good.server.close()
})

test('asks DNS anew for each connection: what it says then counts', async () => {
  const [first, second] = [await listenMqtt(), await listenMqtt()]
  zone.set('_mqtt._tcp.moving.test', [{ name: 'localhost', port: first.port, priority: 0, weight: 0 }])
  const client = new Client('mqtt+srv://moving.test', { reconnect: { minDelayMs: 1 } })
  const accepted = once(first.server, 'connection')
  await client.connect()
  zone.set('_mqtt._tcp.moving.test', [{ name: 'localhost', port: second.port, priority: 0, weight: 0 }])
  const back = new Promise((resolve) => client.once('connect', resolve))
  const [socket] = await accepted
  ;(socket as Socket).destroy()
  await back
  expect(client.connection?.server).toBe(`mqtt://localhost:${second.port}`)
  await client.disconnect()
  first.server.close()
  second.server.close()
})

test('mqtts+srv asks for the secure service; a domain without records is one clear error', async () => {
  await expect(resolve('mqtts+srv://none.test')).rejects.toThrow(ConnectError)
  await expect(resolve('mqtts+srv://none.test')).rejects.toThrow(/mqtts\+srv:\/\/none\.test/)
  expect(questions).toContain('_secure-mqtt._tcp.none.test')
})

test('the target "." is no host: the service is not there (RFC 2782)', async () => {
  zone.set('_mqtt._tcp.nothing.test', [{ name: '.', port: 1883, priority: 0, weight: 0 }])
  await expect(resolve('mqtt+srv://nothing.test')).rejects.toThrow(/nothing\.test says in DNS/)
})

test('aborting while DNS is silent rejects with the reason', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const attempt = resolve('mqtt+srv://silent.test', controller.signal)
  const asked = setInterval(() => {
    if (questions.includes('_mqtt._tcp.silent.test')) controller.abort(reason)
  }, 5)
  await expect(attempt).rejects.toBe(reason)
  clearInterval(asked)
})

test('priorities come first, weights decide by chance within them (RFC 2782)', () => {
  const record = (name: string, priority: number, weight: number): Record => ({
    name,
    port: 1,
    priority,
    weight,
  })
  const records = [record('c', 2, 1), record('a', 1, 10), record('b', 1, 90)]
  expect(orderRecords(records, () => 0.05).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  expect(orderRecords(records, () => 0.5).map(({ name }) => name)).toEqual(['b', 'a', 'c'])
  expect(orderRecords([], Math.random)).toEqual([])
  expect(orderRecords([record('x', 1, 0), record('y', 1, 0)], () => 0.99)).toHaveLength(2)
})

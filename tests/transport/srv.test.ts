import { createSocket } from 'node:dgram'
import { getServers, setServers } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConnectError } from '../../src/errors.ts'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { openTransport } from '../../src/transport/open.ts'
import { orderRecords } from '../../src/transport/srv.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

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

const open = (url: string, handler = new RecordingHandler(), signal = new AbortController().signal) =>
  openTransport(parseEndpoint(url))({ signal, handler })

test('asks DNS and tries the servers in their order until one answers', async () => {
  const server = createServer((socket) => socket.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port: deadPort } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  zone.set('_mqtt._tcp.example.test', [
    { name: 'localhost', port, priority: 20, weight: 0 },
    { name: 'localhost', port: deadPort, priority: 10, weight: 0 },
  ])
  const handler = new RecordingHandler()
  const transport = await open('mqtt+srv://example.test', handler)
  expect(transport.description).toBe(`mqtt://localhost:${port}`)
  await handler.closed
  expect(handler.text).toBe('hello')
  expect(questions).toContain('_mqtt._tcp.example.test')

  zone.set('_mqtt._tcp.dead.test', [
    { name: 'localhost', port: deadPort, priority: 1, weight: 1 },
    { name: 'localhost', port: deadPort, priority: 1, weight: 1 },
  ])
  await expect(open('mqtt+srv://dead.test')).rejects.toThrow(ConnectError)
  await expect(open('mqtt+srv://dead.test')).rejects.toThrow(
    /^No server of mqtt\+srv:\/\/dead\.test.*ECONNREFUSED/,
  )
  server.close()
})

test('mqtts+srv asks for the secure service; a domain without records is one clear error', async () => {
  await expect(open('mqtts+srv://none.test')).rejects.toThrow(/mqtts\+srv:\/\/none\.test/)
  expect(questions).toContain('_secure-mqtt._tcp.none.test')
})

test('aborting while DNS is silent rejects with the reason', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const attempt = open('mqtt+srv://silent.test', undefined, controller.signal)
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

test('the target "." is no host: the service is not there (RFC 2782)', async () => {
  const here = createServer((socket) => socket.end('hello'))
  here.listen(0)
  await once(here, 'listening')
  const { port } = here.address() as AddressInfo
  zone.set('_mqtt._tcp.nothing.test', [{ name: '.', port, priority: 0, weight: 0 }])
  await expect(open('mqtt+srv://nothing.test')).rejects.toThrow(/nothing\.test says in DNS/)
  here.close()
})

import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { CallbackAPIVersion, Client, MQTTErrorCode } from 'mqtt-await/compat'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { certificates } from '../support/certificates.ts'
import { publish3, ScriptedPeer } from './scripted-peer.ts'

/** What is left of section 4.7 of the contract: the frames of a WebSocket, names in certificates, hosts without a proxy. */

const V2 = CallbackAPIVersion.VERSION2
const HOST = '127.0.0.1'
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

let client: Client

beforeEach(() => {
  client = new Client(V2, 'c')
})

afterEach(() => {
  client.disconnect()
})

async function until(happened: () => boolean): Promise<number> {
  let rc = 0
  while (!happened()) rc = await client.loop(0.05)
  return rc
}

describe('WebSocket', () => {
  let server: WebSocketServer
  let socket: WebSocket
  /** Bytes beneath the frames, as the client sent them. */
  let raw: Buffer

  beforeEach(async () => {
    server = new WebSocketServer({ host: HOST, port: 0, handleProtocols: () => 'mqtt' })
    await once(server, 'listening')
    client.transport = 'websockets'
    const connected = once(server, 'connection')
    raw = Buffer.alloc(0)
    server.on('upgrade', () => undefined)
    await client.connect(HOST, (server.address() as AddressInfo).port)
    ;[socket] = (await connected) as [WebSocket]
    const { _socket: beneath } = socket as unknown as { _socket: Socket }
    beneath.on('data', (chunk) => {
      raw = Buffer.concat([raw, chunk])
    })
  })

  afterEach(() => {
    for (const one of server.clients) one.terminate()
    server.close()
  })

  test('packets may be spread over frames and fragments in any way', async () => {
    const topics: string[] = []
    client.on_message = (_client, _userdata, message) => topics.push(message.topic)
    const packets = `20020000${publish3('a', 'x')}${publish3('b', 'y')}`
    for (let at = 0; at < packets.length; at += 2) {
      socket.send(hex(packets.slice(at, at + 2)), { binary: true, fin: at % 6 === 4 })
    }
    socket.send(hex(publish3('c', '')), { binary: true, fin: true })
    await until(() => topics.length === 3)
    expect(topics).toEqual(['a', 'b', 'c'])
  })

  test('what leaves is binary and masked; a ping is answered with the same content', async () => {
    socket.send(hex('20020000'))
    await until(() => client.is_connected())
    raw = Buffer.alloc(0)
    const message = once(socket, 'message')
    client.publish('a', 'x')
    const [bytes, isBinary] = (await message) as [Buffer, boolean]
    expect([bytes.toString('hex'), isBinary]).toEqual([publish3('a', 'x'), true])
    expect([raw[0], (raw[1] ?? 0) & 0x80]).toEqual([0x82, 0x80])
    raw = Buffer.alloc(0)
    const pong = once(socket, 'pong')
    socket.ping('abc')
    void client.loop(1)
    expect(String((await pong)[0])).toBe('abc')
    expect([raw[0], (raw[1] ?? 0) & 0x80]).toEqual([0x8a, 0x80])
  })

  test('a close frame is answered and ends the connection', async () => {
    socket.send(hex('20020000'))
    await until(() => client.is_connected())
    const closed = once(socket, 'close')
    socket.close(1000)
    expect(await until(() => client.socket() === null)).toBe(MQTTErrorCode.MQTT_ERR_CONN_LOST)
    expect((await closed)[0]).toBe(1000)
  })

  test('a text frame ends it too [MQTT-6.0.0-1]', async () => {
    socket.send(hex('20020000'))
    await until(() => client.is_connected())
    socket.send('text')
    await until(() => client.socket() === null)
  })
})

test('a header of the program replaces the default of its name', async () => {
  const peer = await ScriptedPeer.listen()
  client.transport = 'websockets'
  client.ws_set_options(null, { Origin: 'https://mine.test', 'X-Mine': '1' })
  const opening = client.connect(HOST, peer.port)
  const connection = await peer.accept()
  const request = await connection.text(/\r\n\r\n/)
  connection.destroy()
  await expect(opening).rejects.toThrow('WebSocket handshake error')
  expect(request).toMatch(/^GET \/mqtt HTTP\/1\.1\r\n/)
  expect(request.match(/^Origin: .*$/gim)).toEqual(['Origin: https://mine.test'])
  expect(request).toContain('X-Mine: 1')
  await peer.close()
})

test('a certificate without alternative names is matched by its common name', async () => {
  const { ca, client: device } = certificates()
  const server = createTlsServer({ cert: device.cert, key: device.key, passphrase: device.passphrase })
  server.listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    client.tls_set_context({ ca, servername: 'device-1' })
    expect(await client.connect(HOST, port)).toBe(0)
    const other = new Client(V2)
    other.tls_set_context({ ca, servername: 'device-2' })
    await expect(other.connect(HOST, port)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  } finally {
    client.disconnect()
    server.close()
  }
})

test('hosts of no_proxy are reached without the proxy of the environment', async () => {
  const [peer, proxy] = [await ScriptedPeer.listen(), await ScriptedPeer.listen()]
  process.env['mqtt_proxy'] = `http://${HOST}:${proxy.port}`
  process.env['no_proxy'] = `elsewhere.test, ${HOST}`
  try {
    await client.connect(HOST, peer.port)
    expect((await (await peer.accept()).packet()).slice(0, 2)).toBe('10')
    const other = new Client(V2)
    const opening = other.connect('broker.elsewhere.test', peer.port)
    // A domain that is named stands for its hosts.
    await expect(opening).rejects.toMatchObject({ code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) })
  } finally {
    delete process.env['mqtt_proxy']
    delete process.env['no_proxy']
    await peer.close()
    await proxy.close()
  }
})

test('TCP has no delay of small packets', async () => {
  const peer = await ScriptedPeer.listen()
  await client.connect(HOST, peer.port)
  const connection = await peer.accept()
  await connection.packet()
  connection.send('20020000')
  await until(() => client.is_connected())
  const start = performance.now()
  for (let count = 0; count < 20; count++) {
    client.publish('a')
    client.publish('b')
    await connection.packet()
    await connection.packet()
  }
  // With delays each pair would wait for an acknowledgement of TCP, 40 ms and more.
  expect(performance.now() - start).toBeLessThan(700)
  await peer.close()
})

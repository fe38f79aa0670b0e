import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { encode, type Packet, PacketDecoder } from 'mqtt-await/codec'
import { createWebSocketStream, WebSocketServer } from 'ws'
import type { ListenerKind } from '../../support/brokers.ts'
import { certificates } from '../../support/certificates.ts'

/** The reader rests a little after so many bytes, again and again. */
const REST_BYTES = 1_000_000
const REST_MS = 10

export interface Peer extends AsyncDisposable {
  readonly url: string
}

export interface SlowReader extends Peer {
  /** From now on what is published is read. */
  read(): void
}

/**
 * A server that reads slowly. Who subscribes to `report` is not read until `read()`, and is told, when it publishes to `end`, how many
 * messages there were and the SHA-256 of them all. What is published to `echo` comes back on `echoed`.
 */
export async function startSlowReader(kind: ListenerKind): Promise<SlowReader> {
  const streams = new Set<Duplex>()
  const serve = (stream: Duplex): void => {
    streams.add(stream)
    readSlowly(stream)
  }
  const { server: pair, ca } = certificates()
  const secrets = { cert: pair.cert, key: pair.key, ca }
  let server: Server
  if (kind === 'ws' || kind === 'wss') {
    const http = kind === 'ws' ? createHttpServer() : createHttpsServer(secrets)
    new WebSocketServer({ server: http }).on('connection', (socket) => serve(createWebSocketStream(socket)))
    server = http
  } else {
    server = kind === 'tls' ? createTlsServer(secrets, serve) : createServer(serve)
  }
  const directory = mkdtempSync(join(tmpdir(), 'slow-reader-'))
  const path = join(directory, 'socket')
  if (kind === 'unix') server.listen(path)
  else server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const scheme = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss', unix: 'unix' }[kind]
  return {
    url: kind === 'unix' ? `unix:${path}` : `${scheme}://localhost:${(server.address() as AddressInfo).port}`,
    read() {
      for (const stream of streams) stream.resume()
    },
    async [Symbol.asyncDispose]() {
      for (const stream of streams) stream.destroy()
      server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function readSlowly(stream: Duplex): void {
  const decoder = new PacketDecoder({ from: 'client' })
  const hash = createHash('sha256')
  let count = 0
  let sinceRest = 0
  const send = (packet: Packet): void => {
    stream.write(encode(packet, { protocolVersion: 5, from: 'server' }))
  }
  const tell = (topic: string, payload: Uint8Array): void =>
    send({ type: 'publish', packetId: 0, topic, payload, qos: 0, retain: false, dup: false })
  const rest = (ms: number): void => {
    stream.pause()
    setTimeout(() => stream.resume(), ms)
  }
  const take = (packet: Packet): void => {
    if (packet.type === 'connect') send({ type: 'connack', sessionPresent: false, reasonCode: 0 })
    else if (packet.type === 'subscribe') {
      send({ type: 'suback', packetId: packet.packetId, reasonCodes: [0] })
      if (packet.filters[0]?.filter === 'report') stream.pause()
    } else if (packet.type === 'unsubscribe')
      send({ type: 'unsuback', packetId: packet.packetId, reasonCodes: [0] })
    else if (packet.type === 'publish') {
      if (packet.topic === 'end')
        tell('report', new TextEncoder().encode(JSON.stringify({ count, sha: hash.digest('hex') })))
      else if (packet.topic === 'echo') tell('echoed', packet.payload)
      else {
        hash.update(packet.topic).update(packet.payload)
        count++
      }
      if (packet.qos === 1) send({ type: 'puback', packetId: packet.packetId as number, reasonCode: 0 })
    } else if (packet.type === 'disconnect') stream.end()
    else if (packet.type === 'pingreq') send({ type: 'pingresp' })
  }
  stream.on('error', () => {})
  stream.on('data', (chunk: Uint8Array) => {
    sinceRest += chunk.length
    decoder.push(chunk)
    try {
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) take(packet)
    } catch (error) {
      // What a reader of wrong bytes finds first.
      stream.destroy(error as Error)
      console.error('the slow reader:', error)
    }
    if (sinceRest < REST_BYTES) return
    sinceRest = 0
    rest(REST_MS)
  })
}

/** Takes connections, and never says anything. */
export async function startSilent(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encode, PacketDecoder, type ProtocolVersion } from 'mqtt-await/codec'
import { afterEach, describe, expect } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { openTransport } from '../../src/transport/open.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { incoming } from '../support/session-peer.ts'
import { rule } from './rule.ts'

interface Link {
  readonly transport: Transport
  readonly server: WebSocket
  readonly request: IncomingMessage
  readonly received: Uint8Array[]
  readonly closed: Promise<Error | undefined>
}

const servers: WebSocketServer[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    for (const client of server.clients) client.terminate()
    server.close()
  }
})

/** Our WebSocket transport, connected to a real WebSocket server. */
async function connect(): Promise<Link> {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: (offered) => [...offered][0] ?? false,
  })
  servers.push(server)
  await once(server, 'listening')
  const connected = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>
  const received: Uint8Array[] = []
  let close: (cause: Error | undefined) => void = () => {}
  const closed = new Promise<Error | undefined>((resolve) => {
    close = resolve
  })
  const endpoint = parseEndpoint(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/mqtt`)
  const transport = await openTransport(endpoint)({
    signal: new AbortController().signal,
    handler: { onBytes: (chunk) => received.push(chunk), onDrain: () => {}, onClose: close },
  })
  const [socket, request] = await connected
  return { transport, server: socket, request, received, closed }
}

describe('MQTT over WebSocket', () => {
  rule(
    { 5: 'MQTT-6.0.0-1', 4: 'MQTT-6.0.0-1' },
    'travels in binary frames; any other data frame closes',
    async () => {
      const { transport, server, closed } = await connect()
      const frame = once(server, 'message') as Promise<[Buffer, boolean]>
      transport.write([new Uint8Array([0xc0, 0x00])])
      const [data, isBinary] = await frame
      expect([isBinary, data.toString('hex')]).toEqual([true, 'c000'])
      server.send('text')
      expect(await closed).toMatchObject({ name: expect.stringMatching(/Error/) })
    },
  )

  rule(
    { 5: 'MQTT-6.0.0-2', 4: 'MQTT-6.0.0-2' },
    'has packets that do not care for frames',
    async (version: ProtocolVersion) => {
      const { transport, server, received, closed } = await connect()
      const packets = [
        incoming(0, 0, { topic: 'one' }),
        incoming(1, 7, { topic: 'two' }),
        incoming(0, 0, { topic: 'three' }),
      ]
      const bytes = Buffer.concat(
        packets.map((packet) => encode(packet, { from: 'server', protocolVersion: version })),
      )
      for (const part of [bytes.subarray(0, 1), Buffer.alloc(0), bytes.subarray(1, 5), bytes.subarray(5)])
        server.send(part)
      server.close()
      await closed
      transport.destroy()
      const decoder = new PacketDecoder({ from: 'server', protocolVersion: version })
      const topics: string[] = []
      for (const chunk of received) {
        decoder.push(chunk)
        for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
          if (packet.type === 'publish') topics.push(packet.topic)
        }
      }
      expect(topics).toEqual(['one', 'two', 'three'])
    },
  )

  rule({ 5: 'MQTT-6.0.0-3', 4: 'MQTT-6.0.0-3' }, 'is offered as the subprotocol mqtt', async () => {
    const { transport, request, closed } = await connect()
    expect(request.headers['sec-websocket-protocol']).toBe('mqtt')
    transport.destroy()
    await closed
  })
})

/**
 * A process of its own that accepts MQTT clients over TCP and WebSocket and says yes to what they ask; on a third port it takes
 * connections and says nothing. Sends its ports to its parent.
 */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { encode, PacketDecoder } from 'mqtt-await/codec'
import { WebSocketServer } from 'ws'

function serve(send: (bytes: Uint8Array) => void, end: () => void): (chunk: Uint8Array) => void {
  const decoder = new PacketDecoder({ from: 'client' })
  const answer = (packet: Parameters<typeof encode>[0]): void =>
    send(encode(packet, { protocolVersion: 5, from: 'server' }))
  return (chunk) => {
    decoder.push(chunk)
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
      if (packet.type === 'connect') answer({ type: 'connack', sessionPresent: false, reasonCode: 0 })
      if (packet.type === 'subscribe') answer({ type: 'suback', packetId: packet.packetId, reasonCodes: [0] })
      if (packet.type === 'publish' && packet.qos === 1)
        answer({ type: 'puback', packetId: packet.packetId, reasonCode: 0 })
      if (packet.type === 'disconnect') end()
    }
  }
}

const tcp = createServer((socket) => {
  socket.on('error', () => {})
  socket.on(
    'data',
    serve(
      (bytes) => socket.write(bytes),
      () => socket.end(),
    ),
  )
})
const web = createHttpServer()
new WebSocketServer({ server: web, handleProtocols: () => 'mqtt' }).on('connection', (peer) => {
  peer.on('error', () => {})
  const take = serve(
    (bytes) => peer.send(bytes),
    () => peer.close(),
  )
  peer.on('message', (data) => take(data as Buffer))
})
const silent = createServer((socket) => socket.on('error', () => {}).resume())

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

process.send?.({ tcp: await listen(tcp), ws: await listen(web), silent: await listen(silent) })
process.on('disconnect', () => process.exit())

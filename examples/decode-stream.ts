/**
 * Decodes a captured byte stream of one direction and prints it as a table.
 *
 *     npx tsx examples/decode-stream.ts                               the capture below
 *     npx tsx examples/decode-stream.ts capture.bin --from client     your own, as recorded from the socket
 *
 * What is not MQTT ends the table with the byte, the field and the statement of the specification that it breaks.
 */

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  type DecodedPacket,
  PacketDecoder,
  ProtocolError,
  type ProtocolVersion,
  PublishPacket,
} from 'mqtt-await/codec'

/** What a server sent to an MQTT 5 client, up to a packet that is wrong: a topic must not hold a wildcard. */
const CAPTURE = `
  201000000d2100141200076175746f2d3137
  90050001000187
  3120000e706c616e742f372f7374617475730d03000a746578742f706c61696e6f6e
  3232000c706c616e742f372f74656d70000719260004756e69740003c2b04326000673656e736f720002613432312e3520c2b043
  4003000a10
  d000
  30070003612f230078
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: 'string', default: 'server' },
    version: { type: 'string', default: '5' },
  },
})
const file = positionals[0]
const bytes = file === undefined ? Buffer.from(CAPTURE.replace(/\s/g, ''), 'hex') : readFileSync(file)
const from = values.from === 'client' ? 'client' : 'server'
const decoder = new PacketDecoder({
  from,
  // A client says its version in CONNECT, with which a whole capture begins.
  protocolVersion: from === 'client' ? undefined : (Number(values.version) as ProtocolVersion),
})

const line = (byte: string, packet: string, id: string, content: string) =>
  console.log(`${byte.padStart(6)}  ${packet.padEnd(11)} ${id.padStart(5)}  ${content}`)

line('byte', 'packet', 'id', 'content')
let pushed = 0
try {
  // In pieces, as a socket would give them: where the stream is cut makes no difference.
  for (let at = 0; at < bytes.length; at += 16) {
    const piece = bytes.subarray(at, at + 16)
    decoder.push(piece)
    pushed += piece.length
    for (;;) {
      const start = pushed - decoder.bufferedBytes
      const packet = decoder.next()
      if (packet === undefined) break
      line(
        String(start),
        packet.type.toUpperCase(),
        'packetId' in packet && packet.packetId > 0 ? String(packet.packetId) : '',
        contentOf(packet),
      )
    }
  }
  if (decoder.bufferedBytes > 0)
    console.log(`${decoder.bufferedBytes} bytes of an unfinished packet are left`)
} catch (error) {
  if (!(error instanceof ProtocolError)) throw error
  console.log(`wrong: ${error.message}; a client answers with DISCONNECT 0x${error.reasonCode?.toString(16)}`)
}

function contentOf(packet: DecodedPacket): string {
  if (packet instanceof PublishPacket) {
    const { topic, qos, retain, dup, payload, properties } = packet
    const flags = `QoS ${qos}${retain ? ' retain' : ''}${dup ? ' dup' : ''}`
    return `${topic} ${flags} "${new TextDecoder().decode(payload)}" ${JSON.stringify(properties)}`
  }
  // A password is nobody's business.
  return JSON.stringify(packet, (key, value) =>
    key === 'type' || key === 'packetId' ? undefined : key === 'password' ? '(hidden)' : value,
  )
}

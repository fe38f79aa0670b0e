import { createServer, type Socket } from 'node:net'
import {
  connackPacket,
  ECHO_TOPIC,
  type MessageForm,
  PacketWalker,
  payloadOf,
  publishBlock,
  publishPacket,
  START_TOPIC,
  subackPacket,
  TOPICS,
  topics,
  type Version,
} from './wire.ts'

/**
 * The other end of the wire, in a process of its own: no broker, only as much of one as a client needs to work at full
 * speed. It grants every connection and subscription, acknowledges what it gets, and sends prepared bytes when told to.
 */

export interface PeerScript {
  /** Of the messages it sends. */
  readonly form: Omit<MessageForm, 'payload'>
  readonly payloadSize: number
  /** Topics that the messages go to, in turn. */
  readonly spread: number
}

/** Blocks of messages that may be unacknowledged at QoS 1 and 2. */
const BLOCKS_IN_FLIGHT = 4

const SUCCESS_4 = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const

class Peer {
  readonly #socket: Socket
  readonly #script: PeerScript
  readonly #blocks: readonly Buffer[]
  readonly #walker: PacketWalker
  /** Four bytes each: PUBACK, PUBREC, PUBREL, PUBCOMP are as long in MQTT 5 when all is well. */
  #answers = Buffer.allocUnsafe(65_536)
  #answered = 0
  #version: Version = 4
  /** Of all floods so far: messages to send, sent, and acknowledged. */
  #wanted = 0
  #sent = 0
  #acknowledged = 0

  constructor(socket: Socket, script: PeerScript, blocks: readonly Buffer[]) {
    this.#socket = socket
    this.#script = script
    this.#blocks = blocks
    this.#walker = new PacketWalker((firstByte, body, start, end) =>
      this.#packet(firstByte, body, start, end),
    )
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#walker.push(chunk)
      this.#writeAnswers()
      this.#flood()
    })
    socket.on('drain', () => this.#flood())
    socket.on('error', () => socket.destroy())
  }

  #packet(firstByte: number, body: Buffer, start: number, end: number): void {
    switch (firstByte >> 4) {
      case 1:
        this.#version = body[start + 6] === 5 ? 5 : 4
        this.#write(connackPacket(this.#version))
        break
      case 3:
        this.#publish(firstByte, body, start, end)
        break
      case 4:
      case 7:
        this.#acknowledged++
        break
      case 5:
        this.#answer(SUCCESS_4.pubrel, body, start)
        break
      case 6:
        this.#answer(SUCCESS_4.pubcomp, body, start)
        break
      case 8:
        this.#subscribe(body, start, end)
        break
      case 10: {
        const id = body.readUInt16BE(start)
        const answer =
          this.#version === 5 ? [0xb0, 4, id >> 8, id & 0xff, 0, 0] : [0xb0, 2, id >> 8, id & 0xff]
        this.#write(Buffer.from(answer))
        break
      }
      case 12:
        this.#write(Buffer.from([0xd0, 0]))
        break
      case 14:
        this.#socket.end()
        break
    }
  }

  #publish(firstByte: number, body: Buffer, start: number, end: number): void {
    const qos = (firstByte >> 1) & 3
    const topicLength = ((body[start] as number) << 8) | (body[start + 1] as number)
    if (qos > 0) {
      this.#answer(qos === 1 ? SUCCESS_4.puback : SUCCESS_4.pubrec, body, start + 2 + topicLength)
      return
    }
    // Only the two orders are as short as this; floods use longer topics.
    if (topicLength > START_TOPIC.length) return
    const topic = body.toString('latin1', start + 2, start + 2 + topicLength)
    if (topic === ECHO_TOPIC) {
      this.#write(Buffer.concat([Buffer.from([0x30, end - start]), body.subarray(start, end)]))
    } else if (topic === START_TOPIC) {
      const skipProperties = this.#version === 5 ? 1 : 0
      // Added up: exchanges of the flood before may not have ended.
      this.#wanted += Number(body.toString('latin1', start + 2 + topicLength + skipProperties, end))
    }
  }

  #subscribe(body: Buffer, start: number, end: number): void {
    const codes: number[] = []
    let position = start + 2
    if (this.#version === 5) position += 1 + (body[position] as number)
    while (position < end) {
      position += 2 + body.readUInt16BE(position)
      codes.push((body[position++] as number) & 3)
    }
    this.#write(subackPacket(this.#version, body.readUInt16BE(start), codes))
  }

  #answer(firstByte: number, body: Buffer, idAt: number): void {
    if (this.#answered + 4 > this.#answers.length) this.#writeAnswers()
    const answers = this.#answers
    answers[this.#answered++] = firstByte
    answers[this.#answered++] = 2
    answers[this.#answered++] = body[idAt] as number
    answers[this.#answered++] = body[idAt + 1] as number
  }

  #writeAnswers(): void {
    if (this.#answered === 0) return
    this.#socket.write(this.#answers.subarray(0, this.#answered))
    this.#answers = Buffer.allocUnsafe(65_536)
    this.#answered = 0
  }

  #write(bytes: Buffer): void {
    this.#writeAnswers()
    this.#socket.write(bytes)
  }

  /** As much of the flood as the socket takes and, at QoS 1 and 2, the window allows. */
  #flood(): void {
    const block = this.#script.payloadSize > 65_536 ? 1 : TOPICS
    while (this.#sent < this.#wanted && !this.#socket.writableNeedDrain) {
      // The whole block: its packet ids must be free again.
      const unacknowledged = this.#sent + block - this.#acknowledged
      if (this.#script.form.qos > 0 && unacknowledged > block * BLOCKS_IN_FLIGHT) return
      this.#socket.write(this.#blocks[(this.#sent / block) % this.#blocks.length] as Buffer)
      this.#sent += block
    }
  }
}

function prepare(script: PeerScript): Buffer[] {
  const form: MessageForm = { ...script.form, payload: payloadOf(script.payloadSize) }
  if (script.payloadSize > 65_536) return [publishPacket(form, topics[0] as string, 1)]
  return Array.from({ length: BLOCKS_IN_FLIGHT }, (_, index) =>
    publishBlock(form, 1 + index * TOPICS, script.spread),
  )
}

const script = JSON.parse(process.argv[2] ?? '') as PeerScript
const blocks = prepare(script)
const server = createServer((socket) => new Peer(socket, script, blocks))
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.send?.({ port: address.port })
})
process.on('disconnect', () => process.exit(0))

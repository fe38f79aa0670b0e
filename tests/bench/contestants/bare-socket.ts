import { connect, type Socket } from 'node:net'
import {
  connectPacket,
  ECHO_TOPIC,
  END_TOPIC,
  type MessageForm,
  PacketWalker,
  payloadOf,
  publishBlock,
  publishPacket,
  type QoS,
  START_TOPIC,
  subscribePacket,
  TOPICS,
  topics,
  type Version,
} from '../wire.ts'
import {
  type BenchClient,
  type Contestant,
  Milestone,
  microsecondsSince,
  type PublishLoad,
} from './contestant.ts'

/** Packet ids in use at once: blocks of messages under way. */
const BLOCKS = 16

/**
 * No client: a `net.Socket` that writes bytes made beforehand and counts what comes back. Nothing in JavaScript that makes
 * and reads each message can be as fast; it shows how far away the limit is.
 */
class BareSocket implements BenchClient {
  readonly #socket: Socket
  readonly #version: Version
  readonly #walker: PacketWalker
  readonly #received = new Milestone()
  #connected: () => void = () => {}
  #subscribed: () => void = () => {}
  #acknowledged = 0
  #onAcknowledged: () => void = () => {}
  /** Answers to what has come, prepared: bytes of one block at a time. */
  #answers = Buffer.allocUnsafe(65_536)
  #answered = 0

  constructor(port: number, version: Version) {
    this.#version = version
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#walker = new PacketWalker((firstByte, body, start) => this.#packet(firstByte, body, start))
    this.#socket.on('data', (chunk: Buffer) => {
      this.#walker.push(chunk)
      this.#flush()
      this.#onAcknowledged()
    })
  }

  open(): Promise<void> {
    this.#socket.write(connectPacket(this.#version, 'bare'))
    return new Promise((resolve) => {
      this.#connected = resolve
    })
  }

  #packet(firstByte: number, body: Buffer, start: number): void {
    switch (firstByte >> 4) {
      case 2:
        this.#connected()
        break
      case 3: {
        const qos = (firstByte >> 1) & 3
        const idAt = start + 2 + ((body[start] as number) << 8) + (body[start + 1] as number)
        if (qos > 0) this.#answer(qos === 1 ? 0x40 : 0x50, body, idAt)
        this.#received.add()
        break
      }
      case 4:
      case 7:
        this.#acknowledged++
        break
      case 5:
        this.#answer(0x62, body, start)
        break
      case 6:
        this.#answer(0x70, body, start)
        break
      case 9:
        this.#subscribed()
        break
    }
  }

  #answer(firstByte: number, body: Buffer, idAt: number): void {
    if (this.#answered + 4 > this.#answers.length) this.#flush()
    const answers = this.#answers
    answers[this.#answered++] = firstByte
    answers[this.#answered++] = 2
    answers[this.#answered++] = body[idAt] as number
    answers[this.#answered++] = body[idAt + 1] as number
  }

  #flush(): void {
    if (this.#answered === 0) return
    this.#socket.write(this.#answers.subarray(0, this.#answered))
    this.#answers = Buffer.allocUnsafe(65_536)
    this.#answered = 0
  }

  async publish({ count, qos, payload, withProperties }: PublishLoad): Promise<void> {
    const form: MessageForm = { version: this.#version, qos, payload, withProperties }
    const large = payload.length > 65_536
    const size = large ? 1 : TOPICS
    const blocks = Array.from({ length: qos === 0 ? 1 : BLOCKS }, (_, index) =>
      large ? publishPacket(form, topics[0] as string, index + 1) : publishBlock(form, 1 + index * TOPICS),
    )
    this.#acknowledged = 0
    for (let sent = 0; sent < count; sent += size) {
      if (qos > 0) await this.#acknowledgedUpTo(sent - (BLOCKS - 1) * size)
      if (!this.#socket.write(blocks[(sent / size) % blocks.length] as Buffer) && qos === 0) {
        await new Promise<void>((resolve) => this.#socket.once('drain', resolve))
      }
    }
    if (qos > 0) return this.#acknowledgedUpTo(count)
    this.#socket.write(publishPacket({ ...form, qos: 1, payload: payloadOf(0) }, END_TOPIC, 1))
    return this.#acknowledgedUpTo(1)
  }

  #acknowledgedUpTo(count: number): Promise<void> | undefined {
    if (this.#acknowledged >= count) return undefined
    return new Promise((resolve) => {
      this.#onAcknowledged = () => {
        if (this.#acknowledged < count) return
        this.#onAcknowledged = () => {}
        resolve()
      }
    })
  }

  subscribe(_consumer: string, qos: QoS): Promise<void> {
    this.#socket.write(subscribePacket(this.#version, 1, 'bench/site/#', qos))
    return new Promise((resolve) => {
      this.#subscribed = resolve
    })
  }

  #small(topic: string, qos: QoS, payload: Buffer): Buffer {
    return publishPacket({ version: this.#version, qos, payload, withProperties: false }, topic, 1)
  }

  receive(count: number): Promise<void> {
    const reached = this.#received.reach(count)
    this.#socket.write(this.#small(START_TOPIC, 0, Buffer.from(String(count))))
    return reached
  }

  async latency(count: number): Promise<number[]> {
    const times: number[] = []
    const bytes = this.#small(topics[0] as string, 1, payloadOf(64))
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      this.#acknowledged = 0
      this.#socket.write(bytes)
      await this.#acknowledgedUpTo(1)
      times.push(microsecondsSince(start))
    }
    return times
  }

  async echo(count: number): Promise<number[]> {
    const times: number[] = []
    const bytes = this.#small(ECHO_TOPIC, 0, payloadOf(64))
    for (let index = 0; index < count; index++) {
      const start = process.hrtime.bigint()
      const back = this.#received.reach(1)
      this.#socket.write(bytes)
      await back
      times.push(microsecondsSince(start))
    }
    return times
  }

  async close(): Promise<void> {
    this.#socket.destroy()
  }
}

export const bareSocket: Contestant = {
  name: 'bare socket',
  consumers: ['event'],
  versions: [4, 5],
  open: async (port, version) => {
    const socket = new BareSocket(port, version)
    await socket.open()
    return socket
  },
}

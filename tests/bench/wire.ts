/**
 * The few packets that the scripted peer and the bare socket need, made beforehand. Written apart from the library's
 * codec on purpose: what is measured must not also be the ruler.
 */

export type Version = 4 | 5
export type QoS = 0 | 1 | 2

export const TOPICS = 1000

/** The topics that the small messages take in turn. */
export const topics: readonly string[] = Array.from(
  { length: TOPICS },
  (_, index) => `bench/site/${index}/temperature`,
)

/** A QoS 0 message to it tells the peer to send as many messages as its payload says. */
export const START_TOPIC = 'bench/start'
/** Comes back as it is. */
export const ECHO_TOPIC = 'bench/echo'
/** A QoS 1 message to it ends a flood of QoS 0: its PUBACK says that everything before it has arrived. */
export const END_TOPIC = 'bench/end'

export const contentType = 'application/json'
export const userProperties: readonly (readonly [string, string])[] = [
  ['trace', '4bf92f3577b34da6a3ce929d0e0e4736'],
  ['tenant', 'acme'],
  ['schema', 'v2'],
]

const TYPE_CONNACK = 0x20
const TYPE_PUBLISH = 0x30
const TYPE_SUBACK = 0x90

function remainingLength(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes])
}

function packet(firstByte: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([firstByte, ...remainingLength(body.length)]), body])
}

export function connectPacket(version: Version, clientId: string): Buffer {
  const flags = Buffer.from([version, 0x02, 0, 60, ...(version === 5 ? [0] : [])])
  return packet(0x10, Buffer.concat([text('MQTT'), flags, text(clientId)]))
}

/** `sessionPresent` = 0, success; the MQTT 5 one grants everything. */
export function connackPacket(version: Version): Buffer {
  return packet(TYPE_CONNACK, Buffer.from(version === 5 ? [0, 0, 0] : [0, 0]))
}

export function subscribePacket(version: Version, packetId: number, filter: string, qos: QoS): Buffer {
  const head = [packetId >> 8, packetId & 0xff, ...(version === 5 ? [0] : [])]
  return packet(0x82, Buffer.concat([Buffer.from(head), text(filter), Buffer.from([qos])]))
}

export function subackPacket(version: Version, packetId: number, codes: readonly number[]): Buffer {
  return packet(
    TYPE_SUBACK,
    Buffer.from([packetId >> 8, packetId & 0xff, ...(version === 5 ? [0] : []), ...codes]),
  )
}

function properties(): Buffer {
  const parts = [Buffer.from([0x03]), text(contentType)]
  for (const [name, value] of userProperties) parts.push(Buffer.from([0x26]), text(name), text(value))
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(remainingLength(body.length)), body])
}

export interface MessageForm {
  readonly version: Version
  readonly qos: QoS
  readonly payload: Buffer
  readonly withProperties: boolean
}

export function publishPacket(form: MessageForm, topic: string, packetId: number): Buffer {
  const parts = [text(topic)]
  if (form.qos > 0) parts.push(Buffer.from([packetId >> 8, packetId & 0xff]))
  if (form.version === 5) parts.push(form.withProperties ? properties() : Buffer.from([0]))
  parts.push(form.payload)
  return packet(TYPE_PUBLISH | (form.qos << 1), Buffer.concat(parts))
}

/** A thousand messages to the first `spread` topics in turn, with the packet ids from `firstId` on. */
export function publishBlock(form: MessageForm, firstId: number, spread: number = TOPICS): Buffer {
  return Buffer.concat(
    topics.map((_, index) => publishPacket(form, topics[index % spread] as string, firstId + index)),
  )
}

/** A payload whose bytes are text, so that every client may take it for a string. */
export function payloadOf(size: number): Buffer {
  return Buffer.alloc(size, '{"temperature":21.5,"unit":"C"} ')
}

/**
 * Walks over the packets in what comes from a socket. A PUBLISH is handed over when its variable header is there, and
 * its payload skipped, so that large payloads are neither collected nor copied; other packets are small and handed over whole.
 */
export class PacketWalker {
  #rest: Buffer | undefined
  #skip = 0
  #onSkipped: (() => void) | undefined
  readonly #onPacket: (firstByte: number, body: Buffer, start: number, end: number) => void
  readonly #largestWhole: number

  /** @param largestWhole - bodies above it are handed over without what has not arrived yet, and `complete` later */
  constructor(
    onPacket: (firstByte: number, body: Buffer, start: number, end: number) => void,
    largestWhole = 65_536,
  ) {
    this.#onPacket = onPacket
    this.#largestWhole = largestWhole
  }

  push(received: Buffer): void {
    let chunk = received
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, chunk.length)
      this.#skip -= skipped
      if (this.#skip > 0) return
      this.#onSkipped?.()
      chunk = chunk.subarray(skipped)
    }
    if (this.#rest !== undefined) {
      chunk = Buffer.concat([this.#rest, chunk])
      this.#rest = undefined
    }
    let position = 0
    while (position + 2 <= chunk.length) {
      let length = 0
      let shift = 0
      let cursor = position + 1
      let byte = 0x80
      while (byte >= 0x80 && cursor < chunk.length) {
        byte = chunk[cursor++] as number
        length += (byte & 0x7f) << shift
        shift += 7
      }
      if (byte >= 0x80) break
      const end = cursor + length
      if (end > chunk.length) {
        // Only a large PUBLISH is begun early, when its header has certainly arrived.
        if (length <= this.#largestWhole || chunk.length - cursor < 1024) break
        const firstByte = chunk[position] as number
        const head = Buffer.from(chunk.subarray(cursor, cursor + 1024))
        this.#skip = end - chunk.length
        this.#onSkipped = () => this.#onPacket(firstByte, head, 0, length)
        return
      }
      this.#onPacket(chunk[position] as number, chunk, cursor, end)
      position = end
    }
    if (position < chunk.length) this.#rest = chunk.subarray(position)
  }
}

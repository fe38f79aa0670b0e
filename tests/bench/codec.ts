import { Writable } from 'node:stream'
import {
  ByteWriter,
  type DecodedPacket,
  encode,
  encodePacket,
  type Packet,
  PacketDecoder,
  type ProtocolVersion,
  PublishPacket,
} from 'mqtt-await/codec'
import mqttPacket, { type Packet as TheirPacket } from 'mqtt-packet'

/**
 * This codec against mqtt-packet, in one process, taking turns. Times are per packet; a ratio below 1 is faster than mqtt-packet.
 *
 * Encoding: packets made beforehand are written one after the other; mqtt-packet gets a stream whose `write` does nothing (its
 * `generate` would be slower), this codec hands over its chunks each 32 KiB. Decoding: chunks of 64 KiB that hold many
 * packets, each packet's topic and payload looked at.
 */

interface Work {
  readonly title: string
  /** Time as a ratio to mqtt-packet's. */
  readonly target: number | undefined
  /** Packets that one call of `ours` and of `theirs` handles. */
  readonly packets: number
  ours(): void
  theirs(): void
}

/** Results end up here, so that nothing is optimised away. */
let sink = 0

const TOPICS = Array.from({ length: 1000 }, (_, index) => `plant/7/line/${index}/temperature`)
const BATCH = 1000
const CHUNK = 65_536

interface Pair {
  readonly ours: Packet
  readonly theirs: TheirPacket
}

function publish(version: ProtocolVersion, qos: 0 | 1, size: number, userProperties: number): Pair[] {
  const payload = Buffer.alloc(size, 'x')
  const pairs = Array.from({ length: userProperties }, (_, index): [string, string] => [
    `name-${index}`,
    `value number ${index}`,
  ])
  return TOPICS.slice(0, BATCH).map((topic, index) => {
    const packetId = qos === 0 ? 0 : index + 1
    return {
      ours: {
        type: 'publish',
        topic,
        payload: new Uint8Array(payload),
        qos,
        retain: false,
        dup: false,
        packetId,
        ...(userProperties > 0 && { properties: { userProperties: pairs } }),
      },
      theirs: {
        cmd: 'publish',
        topic,
        payload,
        qos,
        retain: false,
        dup: false,
        ...(qos > 0 && { messageId: packetId }),
        ...(version === 5 && {
          properties: userProperties > 0 ? { userProperties: Object.fromEntries(pairs) } : {},
        }),
      },
    }
  })
}

function pubacks(version: ProtocolVersion): Pair[] {
  return TOPICS.slice(0, BATCH).map((_, index) => ({
    ours: { type: 'puback', packetId: index + 1, reasonCode: 0 },
    theirs: { cmd: 'puback', messageId: index + 1, ...(version === 5 && { reasonCode: 0 }) },
  }))
}

function subscribes(version: ProtocolVersion): Pair[] {
  return TOPICS.slice(0, BATCH).map((topic, index) => ({
    ours: {
      type: 'subscribe',
      packetId: index + 1,
      filters: [
        { filter: topic, qos: 1 },
        { filter: 'plant/+/line/#', qos: 0 },
      ],
    },
    theirs: {
      cmd: 'subscribe',
      messageId: index + 1,
      subscriptions: [
        { topic, qos: 1 },
        { topic: 'plant/+/line/#', qos: 0 },
      ],
      ...(version === 5 && { properties: {} }),
    },
  }))
}

function connects(version: 4 | 5): Pair[] {
  return TOPICS.slice(0, BATCH).map((topic, index) => {
    const clientId = `client-${index}`
    const payload = Buffer.from('gone')
    const password = Buffer.from('secret')
    return {
      ours: {
        type: 'connect',
        protocolVersion: version,
        clientId,
        keepAlive: 60,
        cleanStart: true,
        username: 'user',
        password,
        will: { topic, payload, qos: 1, retain: false },
        ...(version === 5 && { properties: { sessionExpiryInterval: 3600, receiveMaximum: 100 } }),
      },
      theirs: {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: version,
        clientId,
        keepalive: 60,
        clean: true,
        username: 'user',
        password,
        will: { topic, payload, qos: 1, retain: false },
        ...(version === 5 && { properties: { sessionExpiryInterval: 3600, receiveMaximum: 100 } }),
      },
    }
  })
}

/** A stream that takes everything at once: mqtt-packet writes into streams only. */
class Nowhere extends Writable {
  override write(): boolean {
    sink++
    return true
  }
  override cork(): void {}
  override uncork(): void {}
}

function encoding(title: string, version: ProtocolVersion, pairs: readonly Pair[], target?: number): Work {
  const writer = new ByteWriter()
  const stream = new Nowhere()
  const options = { protocolVersion: version }
  return {
    title: `encode ${title}`,
    target,
    packets: pairs.length,
    ours() {
      for (const { ours } of pairs) {
        encodePacket(writer, version, ours)
        if (writer.length > 32_768) sink += writer.take().length
      }
      sink += writer.take().length
    },
    theirs() {
      for (const { theirs } of pairs) mqttPacket.writeToStream(theirs, stream, options)
    },
  }
}

function decoding(
  title: string,
  version: ProtocolVersion,
  pairs: readonly Pair[],
  target?: number,
  look: {
    readonly properties?: boolean
    readonly from?: 'client' | 'server'
    /** A new decoder for each packet, on both sides: there is one CONNECT per connection. */
    readonly anew?: boolean
  } = {},
): Work {
  const writer = new ByteWriter('server')
  for (const { ours } of pairs) encodePacket(writer, version, ours)
  const chunks: Buffer[] = []
  if (look.anew) {
    for (const { ours } of pairs) chunks.push(Buffer.from(encode(ours, { protocolVersion: version })))
  } else {
    const bytes = Buffer.concat(writer.take())
    for (let at = 0; at < bytes.length; at += CHUNK) chunks.push(Buffer.from(bytes.subarray(at, at + CHUNK)))
  }
  const from = look.from ?? 'server'
  const properties = look.properties === true
  let parser = mqttPacket.parser({ protocolVersion: version })
  const theirListener = (packet: TheirPacket): void => {
    sink += packet.cmd === 'publish' ? packet.topic.length + packet.payload.length : 1
    if (properties)
      sink += Object.keys(
        'properties' in packet ? ('properties' in packet && packet.properties) || {} : {},
      ).length
  }
  parser.on('packet', theirListener)
  let ours = new PacketDecoder({ from, protocolVersion: version })
  return {
    title: `decode ${title}`,
    target,
    packets: pairs.length,
    ours() {
      for (const chunk of chunks) {
        if (look.anew) ours = new PacketDecoder({ from })
        ours.push(chunk)
        for (let packet = ours.next(); packet !== undefined; packet = ours.next()) seen(packet, properties)
      }
    },
    theirs() {
      for (const chunk of chunks) {
        if (look.anew) {
          parser = mqttPacket.parser({ protocolVersion: version })
          parser.on('packet', theirListener)
        }
        parser.parse(chunk)
      }
    },
  }
}

function seen(packet: DecodedPacket, properties: boolean): void {
  if (packet instanceof PublishPacket) {
    sink += packet.topic.length + packet.payload.length
    if (properties) sink += packet.properties.userProperties?.length ?? 0
  } else sink++
}

function works(): Work[] {
  const list: Work[] = []
  for (const version of [4, 5] as const) {
    for (const qos of [0, 1] as const) {
      const pairs = publish(version, qos, 64, 0)
      list.push(encoding(`PUBLISH, v${version}, QoS ${qos}, 64 B`, version, pairs, 0.25))
      list.push(decoding(`PUBLISH, v${version}, QoS ${qos}, 64 B`, version, pairs, 0.15))
    }
  }
  const three = publish(5, 0, 64, 3)
  list.push(encoding('PUBLISH, v5, 3 user properties', 5, three, 0.25))
  list.push(decoding('PUBLISH, v5, 3 user properties, read', 5, three, 0.2, { properties: true }))
  list.push(decoding('PUBLISH, v5, 3 user properties, not read', 5, three, 0.1))
  for (const version of [4, 5] as const) {
    list.push(encoding(`PUBACK, v${version}`, version, pubacks(version), 0.25))
    list.push(decoding(`PUBACK, v${version}`, version, pubacks(version), 0.1))
    list.push(encoding(`SUBSCRIBE, v${version}, 2 filters`, version, subscribes(version), 0.4))
    list.push(
      decoding(`SUBSCRIBE, v${version}, 2 filters`, version, subscribes(version), 0.4, { from: 'client' }),
    )
    list.push(encoding(`CONNECT, v${version}, will and password`, version, connects(version), 0.4))
    list.push(
      decoding(`CONNECT, v${version}, will and password`, version, connects(version), 0.4, {
        from: 'client',
        anew: true,
      }),
    )
  }
  const large = publish(4, 0, 1_048_576, 0).slice(0, 16)
  list.push(encoding('PUBLISH, v4, 1 MiB', 4, large))
  list.push(decoding('PUBLISH, v4, 1 MiB, from 64 KiB chunks', 4, large))
  const mixed = [publish(5, 0, 64, 0), publish(5, 1, 64, 3), pubacks(5)]
  const mix = TOPICS.slice(0, BATCH).map((_, index) => (mixed[index % 3] as Pair[])[index] as Pair)
  list.push(decoding('PUBLISH and PUBACK mixed, v5', 5, mix))
  return list
}

/** Nanoseconds of processor time per packet of one side, over about `milliseconds`: other work on the machine does not count. */
function time(work: () => void, packets: number, milliseconds: number): number {
  const start = process.cpuUsage()
  let calls = 0
  let elapsed = 0
  do {
    work()
    calls++
    const { user, system } = process.cpuUsage(start)
    elapsed = (user + system) / 1000
  } while (elapsed < milliseconds)
  return (elapsed * 1e6) / (calls * packets)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/**
 * Prints a table: median nanoseconds per packet of both, the median of the rounds' ratios, and the target.
 *
 * @param only - words that a scenario's title must contain
 */
export async function run(only: readonly string[] = [], rounds: number = 15): Promise<void> {
  const chosen = works().filter(({ title }) => only.every((word) => title.includes(word)))
  console.log('| scenario | mqtt-await | mqtt-packet | ratio | target |\n|---|---|---|---|---|')
  let missed = 0
  for (const work of chosen) {
    // Both warm before the first measured round.
    time(work.ours, work.packets, 150)
    time(work.theirs, work.packets, 150)
    const ours: number[] = []
    const theirs: number[] = []
    for (let round = 0; round < rounds; round++) {
      ours.push(time(work.ours, work.packets, 20))
      theirs.push(time(work.theirs, work.packets, 20))
    }
    const ratio = median(ours.map((value, index) => value / (theirs[index] ?? Number.NaN)))
    const met = work.target === undefined || ratio <= work.target
    if (!met) missed++
    const target = work.target === undefined ? '' : `${work.target}${met ? '' : ' missed'}`
    console.log(
      `| ${work.title} | ${median(ours).toFixed(0)} ns | ${median(theirs).toFixed(0)} ns | ${ratio.toFixed(3)} | ${target} |`,
    )
  }
  console.log(
    `\n${chosen.length} scenarios, ${rounds} interleaved rounds, ${missed} targets missed (${sink > 0 ? process.version : ''})`,
  )
}

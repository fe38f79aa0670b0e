import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ByteWriter } from '../../src/codec/byte-writer.ts'
import { type DecodedPacket, PacketDecoder } from '../../src/codec/decoder.ts'
import { encodePacket } from '../../src/codec/encode.ts'
import type { ConnectPacket, Packet, ProtocolVersion, QoS } from '../../src/codec/packet.ts'
import { InboundMessage } from '../../src/session/inbound-message.ts'
import { OutboundMessage } from '../../src/session/outbound-message.ts'
import { Session } from '../../src/session/session.ts'
import { concat, fromHex, utf8 } from '../support/bytes.ts'
import { RecordingSink } from '../support/recording-sink.ts'

/**
 * Every row of data/malformed.tsv played against a session in the state the row asks for: in one chunk, and one byte at
 * a time. What the session does must be the row's `expect`, or one of its `also_ok`; afterwards whatever call
 * was pending settles, and a new connection works.
 */

interface Row {
  readonly id: string
  readonly version: ProtocolVersion
  readonly setup: string
  readonly hex: string
  readonly why: string
  readonly statement: string
  readonly allowed: readonly string[]
}

const NOW = 1_000_000

function readRows(): Row[] {
  const text = readFileSync(new URL('data/malformed.tsv', import.meta.url), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [id = '', protocol, setup = '', hex = '', why = '', statement = '', wanted = '', alsoOk = ''] =
        line.split('\t')
      const also = alsoOk
        .replace(/\(.*\)/, '')
        .split(' ')
        .filter((token) => token !== '' && token !== '-')
      const version = protocol === '5.0' ? 5 : 4
      return { id, version, setup, hex, why, statement, allowed: [wanted, ...also] }
    })
}

/** A session as the rows' setups want it, and what it does. */
class Victim {
  readonly sink = new RecordingSink()
  readonly session: Session
  readonly version: ProtocolVersion
  readonly #setup: string
  /** Packet identifier of the client's own open exchange. */
  ownId = 0
  /** Outcomes of the call that the setup left open. */
  readonly outcomes: unknown[] = []
  delivered = 0
  readonly sent: DecodedPacket[] = []
  disconnects = 0
  error: unknown
  #written: PacketDecoder
  holdsAcks: boolean

  constructor(version: ProtocolVersion, setup: string) {
    this.version = version
    this.#setup = setup
    this.holdsAcks = setup.endsWith('-hold')
    this.#written = new PacketDecoder({ from: 'client' })
    this.session = new Session(
      { onSessionLost: 'reject', resubscribe: true, autoTopicAlias: true, publishClass: InboundMessage },
      this.sink,
    )
  }

  prepare(): void {
    const setup = this.#setup
    this.connect(connectOf(setup, this.version))
    if (setup.startsWith('connect')) return
    this.accept(setup)
    if (setup.startsWith('pub') || setup === 'rel2')
      this.#publish(setup === 'pub1' || setup === 'pub1-rpi0' ? 1 : 2)
    if (setup === 'rel2') this.feed({ type: 'pubrec', packetId: this.ownId, reasonCode: 0 })
    if (setup === 'in2') this.feed(publishOf(1, 2))
    const filters = ['a', 'b'].slice(0, Number(setup.at(-1)))
    const settle = (outcome: unknown) => this.outcomes.push(outcome)
    if (setup.startsWith('sub')) {
      this.session.subscribe({
        filters: filters.map((filter) => ({ filter, qos: 0 })),
        subscriptionIdentifier: 0,
        settle,
      })
    }
    if (setup.startsWith('unsub')) this.session.unsubscribe({ filters, settle })
    if (setup === 'ping') this.session.ping(NOW)
    if (setup === 'reconnected-ta5') {
      this.feed({ ...publishOf(0, 0), properties: { topicAlias: 1 } })
      this.session.transportClosed(undefined, NOW)
      this.flush()
      this.connect(connectOf(setup, this.version))
      this.accept(setup)
    }
    this.flush()
    expect(this.session.phase).toBe('online')
    this.sent.length = 0
    this.delivered = 0
    this.disconnects = 0
    this.outcomes.length = 0
  }

  connect(request: ConnectPacket): void {
    this.#written = new PacketDecoder({ from: 'client' })
    this.session.connect(request, NOW)
    this.flush()
  }

  accept(setup: string): void {
    const auth = setup.endsWith('-auth') ? { properties: { authenticationMethod: 'M' } } : {}
    this.feed({ type: 'connack', sessionPresent: false, reasonCode: 0, ...auth })
  }

  feed(packet: Packet): void {
    const writer = new ByteWriter('server')
    encodePacket(writer, this.version, packet)
    this.receive(concat(writer.take()))
  }

  receive(bytes: Uint8Array): void {
    this.session.receive(bytes, NOW)
    this.flush()
  }

  /** What a driver does after each input, with an application that acknowledges at once. */
  flush(): void {
    for (const event of this.sink.take()) {
      if (event.on === 'message') {
        this.delivered++
        if (!this.holdsAcks) this.session.acknowledge(event.message)
      }
      if (event.on === 'settled') this.outcomes.push(event.outcome)
      if (event.on === 'disconnected') {
        this.disconnects++
        this.error = event.error
      }
    }
    for (const chunk of this.session.output.take()) this.#written.push(chunk)
    for (let packet = this.#written.next(); packet !== undefined; packet = this.#written.next()) {
      this.sent.push(packet)
      if ('packetId' in packet && ['publish', 'subscribe', 'unsubscribe'].includes(packet.type)) {
        this.ownId = packet.packetId
      }
    }
    this.session.flushed(NOW)
  }

  #publish(qos: QoS): void {
    this.session.publish(new OutboundMessage('t', utf8('x'), qos, false, undefined, undefined, 0), NOW)
    this.flush()
  }
}

function connectOf(setup: string, version: ProtocolVersion): ConnectPacket {
  const properties = {
    ...(setup.endsWith('-auth') ? { authenticationMethod: 'M' } : {}),
    ...(setup.endsWith('-ta5') ? { topicAliasMaximum: 5 } : {}),
    ...(setup.includes('-rm2') ? { receiveMaximum: 2 } : {}),
    ...(setup.endsWith('-mps50') ? { maximumPacketSize: 50 } : {}),
    ...(setup.endsWith('-rpi0') ? { requestProblemInformation: false } : {}),
  }
  return {
    type: 'connect',
    protocolVersion: version,
    cleanStart: setup !== 'connect0',
    keepAlive: 0,
    clientId: setup === 'connect-emptyid' ? '' : 'c1',
    ...(version === 5 ? { properties } : {}),
  }
}

function publishOf(packetId: number, qos: QoS): Packet & { type: 'publish' } {
  return { type: 'publish', topic: 'a', payload: utf8('x'), qos, retain: false, dup: false, packetId }
}

function bytesOf(hex: string, ownId: number): Uint8Array {
  const id = (value: number) => value.toString(16).padStart(4, '0')
  return fromHex(
    hex
      .replaceAll('{id}', id(ownId))
      .replaceAll('{id+1}', id(ownId + 1))
      .replace(/\{(..)\*(\d+)\}/g, (_, byte: string, times: string) => byte.repeat(Number(times))),
  )
}

/** What the victim did, in the words of the table; several may be true at once. */
function reactionOf(victim: Victim, ended: boolean): string[] {
  const answers = victim.sent.filter((packet) => packet.type !== 'disconnect')
  if (victim.disconnects > 0) {
    const disconnect = victim.sent.find((packet) => packet.type === 'disconnect')
    if (disconnect !== undefined) return [`0x${hexByte(disconnect.reasonCode)}`]
    return [ended ? 'lost' : 'close']
  }
  const words = ['accept']
  for (const packet of answers) {
    if (!('reasonCode' in packet)) continue
    const name = packet.type.toUpperCase()
    words.push(name, `${name}-0x${hexByte(packet.reasonCode)}`)
  }
  if (victim.delivered > 0) words.push('deliver')
  if (victim.delivered === 0 && answers.length === 0) words.push('ignore', 'wait')
  return words
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0')
}

function isSuccess(outcome: unknown): boolean {
  return !(outcome instanceof Error)
}

function play(row: Row, oneByteAtATime: boolean): void {
  const victim = new Victim(row.version, row.setup)
  victim.prepare()
  const sentBefore = victim.sent.length
  const ends = row.hex.endsWith('FIN')
  const bytes = bytesOf(row.hex.replace('FIN', ''), victim.ownId)
  if (oneByteAtATime) for (const byte of bytes) victim.receive(Uint8Array.of(byte))
  else victim.receive(bytes)
  const ended = ends && victim.disconnects === 0
  if (ended) {
    victim.session.transportClosed(undefined, NOW)
    victim.flush()
  }
  victim.sent.splice(0, sentBefore)

  const reaction = reactionOf(victim, ended)
  expect(
    reaction.some((word) => row.allowed.includes(word)),
    `${row.id}: did ${reaction.join(' ')}; allowed are ${row.allowed.join(', ')}`,
  ).toBe(true)
  expect(victim.disconnects).toBeLessThanOrEqual(1)
  const last = victim.sent.findIndex((packet) => packet.type === 'disconnect')
  if (last !== -1) expect(last, 'nothing follows DISCONNECT [MQTT-3.14.4-1]').toBe(victim.sent.length - 1)
  if (row.id === 'B5-424') expect(victim.delivered).toBe(0)
  // A bad answer must not pass for a good one; row B5-138 has a good one before it.
  if (row.id !== 'B5-138' && !reaction.includes('accept')) {
    expect(victim.outcomes.filter(isSuccess), 'a call succeeded by a faulty packet').toEqual([])
  }

  recover(victim)
}

/** The next connection works, and settles what was open. */
function recover(victim: Victim): void {
  victim.holdsAcks = false
  victim.session.transportClosed(undefined, NOW)
  victim.flush()
  expect(victim.session.phase).toBe('offline')
  victim.connect(connectOf('online', victim.version))
  victim.sent.length = 0
  victim.accept('online')
  expect(victim.session.phase).toBe('online')
  for (const packet of victim.sent.splice(0)) {
    const five = victim.version === 5
    if (packet.type === 'subscribe') {
      victim.feed({ type: 'suback', packetId: packet.packetId, reasonCodes: packet.filters.map(() => 0) })
    }
    if (packet.type === 'unsubscribe') {
      victim.feed({
        type: 'unsuback',
        packetId: packet.packetId,
        reasonCodes: five ? packet.filters.map(() => 0) : [],
      })
    }
    if (packet.type === 'publish' && packet.qos === 1) {
      victim.feed({ type: 'puback', packetId: packet.packetId, reasonCode: 0 })
    }
  }
  expect(victim.session.hasUnfinishedWork, 'a call is still pending after a good connection').toBe(false)
  const before = victim.delivered
  victim.feed(publishOf(7, 1))
  expect(victim.delivered).toBe(before + 1)
  expect(victim.sent.at(-1)).toMatchObject({ type: 'puback', packetId: 7, reasonCode: 0 })
}

const rows = readRows()

describe.each([
  ['in one chunk', false],
  ['one byte at a time', true],
] as const)('what a server may not send, %s', (_, oneByteAtATime) => {
  test.each(rows.map((row) => [`${row.id} ${row.setup}: ${row.why} [${row.statement}]`, row] as const))(
    '%s',
    (_title, row) => play(row, oneByteAtATime),
  )
})

test('the table has not shrunk', () => {
  expect(rows.length).toBeGreaterThanOrEqual(443)
})

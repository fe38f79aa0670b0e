import { type DecodedPacket, PacketDecoder } from '../../src/codec/decoder.ts'
import type { AckPacket, ConnackPacket, ConnectPacket } from '../../src/codec/packet.ts'
import type { PublishPacket } from '../../src/codec/publish.ts'
import { ProtocolError } from '../../src/errors.ts'

/** One QoS 1 or 2 message of the client, from its first PUBLISH to its last answer. */
interface Exchange {
  readonly packetId: number
  /** The order of the first PUBLISHes. */
  readonly order: number
  readonly content: string
  readonly qos: number
  isReleased: boolean
  /** The order of the first PUBRECs. */
  releaseOrder: number
  /** PUBREL has been written, so that the client knows for good that this is released. */
  isReleaseWritten: boolean
  /** How far it had come, the process that has died knew, and the next one may not: see `processDied`. */
  isDoubtful: boolean
  /** The connection on which its PUBLISH was written last. */
  connection: number
}

export type Report = (statement: string, message: string) => void

/**
 * Stands beside a client and reads both directions of its wire: every byte it writes, delivered or not, and every byte
 * that reaches it. From that alone it knows what the client may write next, and reports what it may not: this is
 * the sender's and receiver's half of MQTT 4.3, 4.4, 4.6 and 4.9 written down a second time, without sharing a line
 * with the session.
 */
export class WireAuditor {
  /** Packets that the client has written, and that have reached it. */
  packets = 0
  /** Called with each packet, for traces. */
  onPacket: ((direction: '>' | '<', packet: DecodedPacket) => void) | undefined = undefined
  /** How many exchanges have ended with bytes that the client has dealt with. */
  handledEnds = 0
  readonly #report: Report
  /** On 3.x, which has no Receive Maximum, the window that the client was given. */
  readonly #window: number
  /** QoS 2 is delivered at PUBREL: PUBCOMP waits for the application, and MQTT asks no order of it. */
  readonly #deliversOnRelease: boolean

  // Of the session.
  readonly #exchanges: Map<number, Exchange> = new Map()
  /** In the order of the PUBRECs. */
  #released: Exchange[] = []
  /** Those that have ended or were lost with their session, from number `#recorded` on. */
  #ended: Exchange[] = []
  #recorded = 0
  /** Of what happens to exchanges. */
  #order = 0
  /** The session of the connection before this one has outlived it. */
  #wasKept = false

  // Of the connection.
  #number = 0
  #out: PacketDecoder = new PacketDecoder({ from: 'client' })
  #in: PacketDecoder = new PacketDecoder({ from: 'server' })
  #connect: ConnectPacket | undefined
  #connack: ConnackPacket | undefined
  #hasEnded = false
  #isBroken = false
  #sentAt = 0
  #connackAt = 0
  readonly #counted: Set<number> = new Set()
  #resends: Exchange[] = []
  /** A resumed session, and nothing new has been sent on this connection yet. */
  #maySendUnseen = false
  #pubrels: number[] = []
  #pubacks: number[] = []
  #pubrecs: number[] = []
  #pubcomps: number[] = []
  readonly #requests: Map<number, 'suback' | 'unsuback'> = new Map()
  readonly #aliases: Map<number, string> = new Map()

  constructor(report: Report, window = 65_535, deliversOnRelease = false) {
    this.#report = report
    this.#window = window
    this.#deliversOnRelease = deliversOnRelease
  }

  /** Exchanges that the client has begun and the wire has not finished. */
  get unfinished(): number {
    let count = this.#requests.size
    for (const exchange of this.#exchanges.values()) if (!exchange.isDoubtful) count++
    return count
  }

  /** The client has returned from what `received` announced. */
  handled(): void {
    this.handledEnds = this.#recorded + this.#ended.length
  }

  /** So many ends are in the store of the client. */
  recorded(ends: number): void {
    this.#ended.splice(0, Math.max(0, ends - this.#recorded))
    this.#recorded = Math.max(this.#recorded, ends)
  }

  /**
   * The client's process has died, and the next one goes on from its store. What it has received last may not be in there,
   * and nothing that depends on it has left: an exchange that has ended may be taken up again, and a PUBREC that was not
   * answered may not be known.
   */
  processDied(): void {
    for (const exchange of this.#exchanges.values()) {
      if (exchange.isReleased && !exchange.isReleaseWritten) exchange.isDoubtful = true
    }
    // The last one under an identifier.
    for (const exchange of this.#ended.reverse()) {
      if (this.#exchanges.has(exchange.packetId)) continue
      exchange.isDoubtful = true
      this.#exchanges.set(exchange.packetId, exchange)
    }
    this.recorded(this.#recorded + this.#ended.length)
    this.#released = this.#released.filter((exchange) => !exchange.isDoubtful)
  }

  /** PUBLISHes of this connection that count against the server's Receive Maximum. */
  get countedPublishes(): number {
    return this.#counted.size
  }

  /** Acknowledgements that the client owes on this connection. */
  get owed(): number {
    return this.#pubacks.length + this.#pubrecs.length + this.#pubcomps.length + this.#pubrels.length
  }

  /** What has been asked for again after CONNACK and has not come yet. */
  get notResent(): number {
    return this.#resends.length
  }

  /** The connection that is read, by its number. */
  get connection(): number {
    return this.#number
  }

  connectionOpened(): void {
    this.#number++
    this.#out = new PacketDecoder({ from: 'client' })
    this.#connect = undefined
    this.#connack = undefined
    this.#hasEnded = false
    this.#isBroken = false
    this.#counted.clear()
    this.#resends = []
    this.#maySendUnseen = false
    this.#pubrels = []
    this.#pubacks = []
    this.#pubrecs = []
    this.#pubcomps = []
    this.#requests.clear()
    this.#aliases.clear()
  }

  /** The client has handed these bytes to its transport. */
  sent(chunks: readonly Uint8Array[], now: number): void {
    const keepAlive = this.#connack?.properties?.serverKeepAlive ?? this.#connect?.keepAlive ?? 0
    // Before CONNACK a client may wait for it as long as it takes.
    const isLate = now - this.#sentAt > keepAlive * 1000 && now > this.#connackAt
    if (this.#connack !== undefined && keepAlive > 0 && isLate) {
      this.#report('MQTT-3.1.2-20', `silent for ${now - this.#sentAt} ms with a Keep Alive of ${keepAlive} s`)
    }
    this.#sentAt = now
    for (const chunk of chunks) {
      if (this.#hasEnded && chunk.length > 0)
        this.#report('MQTT-3.14.4-1', `${chunk.length} bytes after DISCONNECT`)
      this.#out.push(chunk)
    }
    this.#read(this.#out, '>', (packet) => {
      if (this.#hasEnded) this.#report('MQTT-3.14.4-1', `${packet.type} after DISCONNECT`)
      this.#onSent(packet)
    })
  }

  /** These bytes are about to be given to the client. */
  received(chunk: Uint8Array, now: number): void {
    if (this.#isBroken) return
    const before = this.#connack
    this.#in.push(chunk)
    this.#read(this.#in, '<', (packet) => this.#onReceived(packet))
    if (this.#connack !== before) this.#connackAt = now
  }

  #read(decoder: PacketDecoder, direction: '>' | '<', handle: (packet: DecodedPacket) => void): void {
    try {
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        this.packets++
        this.onPacket?.(direction, packet)
        handle(packet)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // What the broker sends is the broker's affair; what the client sends must be MQTT.
      this.#isBroken = true
      if (direction === '>')
        this.#report('MQTT-4.13.1-1', `the client wrote what is not MQTT: ${String(error)}`)
    }
  }

  // ---------------------------------------------------------------------------------------- written by the client

  #onSent(packet: DecodedPacket): void {
    if (packet.type === 'connect') {
      if (this.#connect !== undefined) this.#report('MQTT-3.1.0-2', 'a second CONNECT')
      this.#connect = packet
      this.#in = new PacketDecoder({ from: 'server', protocolVersion: packet.protocolVersion })
      return
    }
    if (this.#connect === undefined) this.#report('MQTT-3.1.0-1', `${packet.type} before CONNECT`)
    if (packet.type === 'disconnect') {
      this.#hasEnded = true
      return
    }
    if (packet.type !== 'auth' && this.#connack === undefined) {
      this.#report('MQTT-3.1.2-30', `${packet.type} before CONNACK`)
    }
    switch (packet.type) {
      case 'publish':
        this.#onPublishSent(packet as PublishPacket)
        break
      case 'puback':
        this.#answers(this.#pubacks, packet, 'MQTT-4.6.0-2')
        break
      case 'pubrec':
        this.#answers(this.#pubrecs, packet, 'MQTT-4.6.0-3')
        break
      case 'pubcomp':
        this.#answers(this.#pubcomps, packet, 'MQTT-4.3.3-11')
        break
      case 'pubrel':
        if (!this.#isTakenUp(packet)) this.#answers(this.#pubrels, packet, 'MQTT-4.6.0-4')
        break
      case 'subscribe':
      case 'unsubscribe':
        if (
          this.#requests.has(packet.packetId) ||
          this.#exchanges.get(packet.packetId)?.isDoubtful === false
        ) {
          this.#report('MQTT-2.2.1-3', `${packet.type} ${packet.packetId}: the identifier is in use`)
        }
        this.#requests.set(packet.packetId, packet.type === 'subscribe' ? 'suback' : 'unsuback')
        break
      default:
    }
  }

  /** Answers leave once each, in the order of what they answer. */
  #answers(owed: number[], packet: AckPacket, statement: string): void {
    const { type, packetId } = packet
    if (owed[0] === packetId) {
      owed.shift()
      return
    }
    const at = owed.indexOf(packetId)
    if (at < 0) {
      this.#report('MQTT-4.3.3-8', `${type} ${packetId} answers nothing`)
      return
    }
    owed.splice(at, 1)
    if (owed === this.#pubcomps && this.#deliversOnRelease) return
    this.#report(statement, `${type} ${packetId} before that of ${owed[0]}, which was owed earlier`)
  }

  /** PUBREL: true when a new process goes on with what is doubtful. */
  #isTakenUp({ packetId }: AckPacket): boolean {
    const exchange = this.#exchanges.get(packetId)
    if (exchange === undefined) return false
    exchange.isReleaseWritten = true
    if (!exchange.isDoubtful) return false
    exchange.isDoubtful = false
    if (!exchange.isReleased) this.#report('MQTT-4.3.3-4', `PUBREL ${packetId} without a PUBREC`)
    this.#released.push(exchange)
    this.#released.sort((a, b) => a.releaseOrder - b.releaseOrder)
    return true
  }

  #onPublishSent(packet: PublishPacket): void {
    const { packetId, qos } = packet
    const granted = this.#connack?.properties ?? {}
    const topic = this.#resolve(packet)
    const name = `PUBLISH ${packetId} (QoS ${qos})`
    if (qos > (granted.maximumQoS ?? 2)) this.#report('MQTT-3.2.2-11', `${name} above Maximum QoS`)
    if (packet.retain && granted.retainAvailable === false)
      this.#report('MQTT-3.2.2-14', `${name} is retained`)
    if (qos === 0) return
    const content = `${topic} ${Buffer.from(packet.payload.subarray(0, 64)).toString('latin1')} ${packet.payload.length}`
    const known = this.#known(packet, content)
    if (this.#requests.has(packetId))
      this.#report('MQTT-2.2.1-3', `${name}: the identifier is that of a request`)
    if (known === undefined) this.#isNew(packet, name)
    else this.#isResend(known, packet, content, name)
    const window = this.#connect?.protocolVersion === 5 ? (granted.receiveMaximum ?? 65_535) : 65_535
    if (this.#counted.size >= Math.min(window, this.#window)) {
      this.#report('MQTT-3.3.4-7', `${name} with ${this.#counted.size} in flight and a limit of ${window}`)
    }
    this.#counted.add(packetId)
    if (known !== undefined) return
    this.#exchanges.set(packetId, {
      packetId,
      order: this.#order++,
      content,
      qos,
      isReleased: false,
      releaseOrder: 0,
      isReleaseWritten: false,
      isDoubtful: false,
      connection: this.#number,
    })
  }

  /** The exchange under the packet's identifier. A doubtful one is over, unless it is just this that is sent again. */
  #known(packet: PublishPacket, content: string): Exchange | undefined {
    const known = this.#exchanges.get(packet.packetId)
    if (known?.isDoubtful !== true) return known
    if (packet.dup && known.content === content && known.qos === packet.qos) {
      known.isDoubtful = false
      known.isReleased = known.isReleaseWritten
      return known
    }
    this.#exchanges.delete(packet.packetId)
    return undefined
  }

  #isNew(packet: PublishPacket, name: string): void {
    // What was written to the session's output when the connection ended, and was discarded with it, counts as an
    // attempt for the client; such messages come right after those that are known here.
    if (packet.dup && !this.#maySendUnseen) this.#report('MQTT-3.3.1-1', `${name} has DUP although it is new`)
    if (!packet.dup) this.#maySendUnseen = false
    if (this.#resends.length > 0) {
      this.#report(
        'MQTT-4.6.0-1',
        `${name} is new, while ${this.#resends[0]?.packetId} waits to be sent again`,
      )
    }
  }

  #isResend(known: Exchange, packet: PublishPacket, content: string, name: string): void {
    if (known.connection === this.#number) {
      this.#report('MQTT-2.2.1-3', `${name}: the identifier is in use on this connection`)
      return
    }
    known.connection = this.#number
    if (known.isReleased) this.#report('MQTT-4.3.3-6', `${name} again after its PUBREC`)
    if (!packet.dup) this.#report('MQTT-3.3.1-1', `${name} again without DUP`)
    if (known.content !== content || known.qos !== packet.qos) {
      this.#report('MQTT-2.2.1-3', `${name}: the identifier belongs to another message, "${known.content}"`)
    }
    const at = this.#resends.indexOf(known)
    if (at > 0) this.#report('MQTT-4.6.0-1', `${name} sent again before ${this.#resends[0]?.packetId}`)
    if (at >= 0) this.#resends.splice(at, 1)
  }

  #resolve(packet: PublishPacket): string {
    const alias = packet.topicAlias
    if (alias === 0) return packet.topic
    const maximum = this.#connack?.properties?.topicAliasMaximum ?? 0
    if (alias > maximum) this.#report('MQTT-3.2.2-17', `Topic Alias ${alias} above the maximum of ${maximum}`)
    if (packet.topic !== '') this.#aliases.set(alias, packet.topic)
    const topic = this.#aliases.get(alias)
    if (topic === undefined)
      this.#report('MQTT-3.3.2-7', `Topic Alias ${alias} was never set on this connection`)
    return topic ?? ''
  }

  // ---------------------------------------------------------------------------------------- reaching the client

  #onReceived(packet: DecodedPacket): void {
    switch (packet.type) {
      case 'connack':
        if (packet.reasonCode < 0x80) this.#onConnack(packet)
        break
      case 'publish':
        if (packet.qos === 1) this.#pubacks.push(packet.packetId)
        else if (packet.qos === 2) this.#pubrecs.push(packet.packetId)
        break
      case 'pubrel':
        this.#pubcomps.push(packet.packetId)
        break
      case 'puback':
      case 'pubcomp':
        this.#finish(packet.packetId)
        break
      case 'pubrec':
        this.#onPubrec(packet)
        break
      case 'suback':
      case 'unsuback':
        this.#requests.delete(packet.packetId)
        break
      default:
    }
  }

  #onConnack(packet: ConnackPacket): void {
    this.#connack = packet
    const limit = packet.properties?.maximumPacketSize
    if (limit !== undefined) this.#out.maximumPacketSize = limit
    // CONNACK of MQTT 3.1 does not tell; with Clean Session 0, before and now, both sides go on.
    const isKept = this.#connect?.cleanStart === false
    const isUntold = this.#connect?.protocolVersion === 3 && isKept && this.#wasKept
    this.#wasKept = isKept
    if (packet.sessionPresent || isUntold) {
      this.#resends = [...this.#exchanges.values()]
        .filter((exchange) => !exchange.isReleased && !exchange.isDoubtful)
        .sort((a, b) => a.order - b.order)
      this.#pubrels = this.#released.map((exchange) => exchange.packetId)
      this.#maySendUnseen = true
    } else {
      this.#ended.push(...this.#exchanges.values())
      this.#exchanges.clear()
      this.#released = []
    }
  }

  #onPubrec({ packetId, reasonCode }: AckPacket): void {
    const exchange = this.#exchanges.get(packetId)
    if (reasonCode >= 0x80) {
      if (exchange !== undefined && !exchange.isReleased) this.#finish(packetId)
      return
    }
    this.#pubrels.push(packetId)
    if (exchange === undefined || exchange.isReleased) return
    exchange.isReleased = true
    exchange.releaseOrder = this.#order++
    this.#released.push(exchange)
  }

  #finish(packetId: number): void {
    const exchange = this.#exchanges.get(packetId)
    this.#counted.delete(packetId)
    if (exchange === undefined) return
    this.#exchanges.delete(packetId)
    this.#ended.push(exchange)
    this.#released = this.#released.filter((other) => other !== exchange)
    this.#resends = this.#resends.filter((other) => other !== exchange)
  }
}

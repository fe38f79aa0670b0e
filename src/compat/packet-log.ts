import type { ConnectPacket, Packet, SubscribePacket } from '../codec/packet.ts'
import type { PacketTrace } from '../session/sink.ts'
import type { CallbackRunner } from './callback-runner.ts'
import { LogLevel, MQTTProtocolVersion } from './enums.ts'
import { PacketTypes } from './packet-types.ts'
import type { Properties } from './properties.ts'
import { fromCore } from './property-mapping.ts'
import { pythonText } from './python-text.ts'
import { ReasonCode } from './reason-code.ts'

/** Return codes of CONNACK in MQTT 3 by the reason codes that stand for them. */
const CONNACK_RETURN_CODES: Readonly<Record<number, number>> = {
  0: 0,
  132: 1,
  133: 2,
  136: 3,
  134: 4,
  135: 5,
}

/** The return code of MQTT 3 that the codec has read as this reason code. */
export function connackReturnCode(reasonCode: number): number {
  return CONNACK_RETURN_CODES[reasonCode] ?? reasonCode
}

/** What the log needs to know beyond the packet. */
export interface PacketLogSource {
  readonly protocol: MQTTProtocolVersion
  /** Whether CONNECT has a password: the trace does not show it. */
  readonly sendsPassword: boolean
  /** The program's number for a packet that is being sent. */
  midOf(packet: Packet): number
  /** Takes a line to where it is told in its turn: whoever reads it may call the client. */
  tellLater(tell: () => void): void
  /** What the line of a CONNACK says in addition: that another way to connect is tried. */
  onReceived(packet: Packet): string
}

/** Writes the log lines that Paho writes for packets. */
export class PacketLog implements PacketTrace {
  readonly #callbacks: CallbackRunner
  readonly #source: PacketLogSource

  constructor(callbacks: CallbackRunner, source: PacketLogSource) {
    this.#callbacks = callbacks
    this.#source = source
  }

  onPacketSent(packet: Packet): void {
    if (this.#callbacks.isLogged) this.#tell(this.#sent(packet))
  }

  onPacketReceived(packet: Packet): void {
    const note = this.#source.onReceived(packet)
    if (this.#callbacks.isLogged) this.#tell(this.#received(packet) + note)
  }

  #tell(line: string): void {
    this.#source.tellLater(() => this.#callbacks.log(LogLevel.MQTT_LOG_DEBUG, line))
  }

  get #five(): boolean {
    return this.#source.protocol === MQTTProtocolVersion.MQTTv5
  }

  #sent(packet: Packet): string {
    switch (packet.type) {
      case 'connect':
        return connectLine(packet, this.#source.sendsPassword)
      case 'publish': {
        const flags = `d${+packet.dup}, q${packet.qos}, r${+packet.retain}, m${this.#source.midOf(packet)}`
        const properties = this.#five
          ? `, properties=${fromCore(PacketTypes.PUBLISH, packet.properties)}`
          : ''
        const size =
          packet.payload.length === 0 ? ' (NULL payload)' : `, ... (${packet.payload.length} bytes)`
        return `Sending PUBLISH (${flags}), '${packet.topic}'${properties}${size}`
      }
      case 'subscribe':
        return `Sending SUBSCRIBE (d0, m${this.#source.midOf(packet)}) [${subscriptions(packet)}]`
      case 'unsubscribe': {
        const properties = this.#five ? `${fromCore(PacketTypes.UNSUBSCRIBE, packet.properties)} ` : ''
        const filters = packet.filters.map((filter) => `'${filter}'`).join(', ')
        return `Sending UNSUBSCRIBE (d0, m${this.#source.midOf(packet)}) ${properties}[${filters}]`
      }
      case 'puback':
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        return `Sending ${packet.type.toUpperCase()} (Mid: ${packet.type === 'pubrel' ? this.#source.midOf(packet) : packet.packetId})`
      case 'disconnect': {
        if (!this.#five) return 'Sending DISCONNECT'
        const properties = fromCore(PacketTypes.DISCONNECT, packet.properties)
        return `Sending DISCONNECT reasonCode=${reason(PacketTypes.DISCONNECT, packet.reasonCode)} properties=${properties}`
      }
      default:
        return `Sending ${packet.type.toUpperCase()}`
    }
  }

  #received(packet: Packet): string {
    switch (packet.type) {
      case 'connack': {
        const present = +packet.sessionPresent
        if (!this.#five) return `Received CONNACK (${present}, ${connackReturnCode(packet.reasonCode)})`
        const properties = fromCore(PacketTypes.CONNACK, packet.properties)
        return `Received CONNACK (${present}, ${reason(PacketTypes.CONNACK, packet.reasonCode)}) properties=${properties}`
      }
      case 'publish': {
        const flags = `d${+packet.dup}, q${packet.qos}, r${+packet.retain}, m${packet.packetId}`
        const properties = this.#five
          ? `, properties=${fromCore(PacketTypes.PUBLISH, packet.properties)}`
          : ''
        return `Received PUBLISH (${flags}), '${packet.topic}'${properties}, ...  (${packet.payload.length} bytes)`
      }
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
      case 'unsuback':
        return `Received ${packet.type.toUpperCase()} (Mid: ${this.#source.midOf(packet)})`
      case 'pubrel':
        return `Received PUBREL (Mid: ${packet.packetId})`
      case 'disconnect': {
        const properties: Properties = fromCore(PacketTypes.DISCONNECT, packet.properties)
        return `Received DISCONNECT ${reason(PacketTypes.DISCONNECT, packet.reasonCode)} ${properties}`
      }
      default:
        return `Received ${packet.type.toUpperCase()}`
    }
  }
}

function connectLine(packet: ConnectPacket, password: boolean): string {
  const { will, username } = packet
  const flags = [
    `u${+(username !== undefined)}`,
    `p${+password}`,
    `wr${+(will?.retain ?? false)}`,
    `wq${will?.qos ?? 0}`,
    `wf${+(will !== undefined)}`,
    `c${+packet.cleanStart}`,
    `k${packet.keepAlive}`,
  ]
  const properties =
    packet.protocolVersion === 5 ? ` properties=${fromCore(PacketTypes.CONNECT, packet.properties)}` : ''
  return `Sending CONNECT (${flags.join(', ')}) client_id='${packet.clientId}'${properties}`
}

function subscriptions(packet: SubscribePacket): string {
  return packet.filters
    .map(({ filter, qos, noLocal, retainAsPublished, retainHandling }) => {
      const options =
        noLocal === undefined
          ? String(qos)
          : `{QoS=${qos}, noLocal=${pythonText(noLocal)}, retainAsPublished=${pythonText(retainAsPublished)}, retainHandling=${retainHandling ?? 0}}`
      return `('${filter}', ${options})`
    })
    .join(', ')
}

function reason(packetType: number, code: number): string {
  return new ReasonCode(packetType, { identifier: code }).getName()
}

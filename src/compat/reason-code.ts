import process from 'node:process'
import { bindArguments, type WithKeywords } from './call-arguments.ts'
import { KeyError, ValueError } from './errors.ts'
import { PacketTypes } from './packet-types.ts'

/** Code -> name -> packets that may carry it under that name. [MQTT 5.0 §2.4] */
const NAMES: Record<number, Record<string, number[]>> = {
  0: { Success: [2, 4, 5, 6, 7, 11, 15], 'Normal disconnection': [14], 'Granted QoS 0': [9] },
  1: { 'Granted QoS 1': [9] },
  2: { 'Granted QoS 2': [9] },
  4: { 'Disconnect with will message': [14] },
  16: { 'No matching subscribers': [4, 5] },
  17: { 'No subscription found': [11] },
  24: { 'Continue authentication': [15] },
  25: { 'Re-authenticate': [15] },
  128: { 'Unspecified error': [2, 4, 5, 9, 11, 14] },
  129: { 'Malformed packet': [2, 14] },
  130: { 'Protocol error': [2, 14] },
  131: { 'Implementation specific error': [2, 4, 5, 9, 11, 14] },
  132: { 'Unsupported protocol version': [2] },
  133: { 'Client identifier not valid': [2] },
  134: { 'Bad user name or password': [2] },
  135: { 'Not authorized': [2, 4, 5, 9, 11, 14] },
  136: { 'Server unavailable': [2] },
  137: { 'Server busy': [2, 14] },
  138: { Banned: [2] },
  139: { 'Server shutting down': [14] },
  140: { 'Bad authentication method': [2, 14] },
  141: { 'Keep alive timeout': [14] },
  142: { 'Session taken over': [14] },
  143: { 'Topic filter invalid': [9, 11, 14] },
  144: { 'Topic name invalid': [2, 4, 5, 14] },
  145: { 'Packet identifier in use': [4, 5, 9, 11] },
  146: { 'Packet identifier not found': [6, 7] },
  147: { 'Receive maximum exceeded': [14] },
  148: { 'Topic alias invalid': [14] },
  149: { 'Packet too large': [2, 14] },
  150: { 'Message rate too high': [14] },
  151: { 'Quota exceeded': [2, 4, 5, 9, 14] },
  152: { 'Administrative action': [14] },
  153: { 'Payload format invalid': [4, 5, 14] },
  154: { 'Retain not supported': [2, 14] },
  155: { 'QoS not supported': [2, 14] },
  156: { 'Use another server': [2, 14] },
  157: { 'Server moved': [2, 14] },
  158: { 'Shared subscription not supported': [9, 14] },
  159: { 'Connection rate exceeded': [2, 14] },
  160: { 'Maximum connect time': [14] },
  161: { 'Subscription identifiers not supported': [9, 14] },
  162: { 'Wildcard subscription not supported': [9, 14] },
}

const PARAMETERS = ['packetType', 'aName', 'identifier'] as const
type Parameters = [packetType: number, aName?: string, identifier?: number]

/**
 * A reason code of MQTT 5 for one kind of packet. Compare by number (`code == 0`, `code > 127`), with `equals`, or by name.
 */
export class ReasonCode {
  packetType: number
  readonly names: Record<number, Record<string, number[]>>
  value: number

  /**
   * @param aName - default "Success", which for DISCONNECT means "Normal disconnection" and SUBACK does not have
   * @param identifier - the code; wins over `aName` unless it is -1
   * @throws KeyError for a name or number that does not exist, or a name that this packet can not have
   * @throws ValueError for a number that this packet can not have
   */
  constructor(...args: Parameters)
  constructor(...args: WithKeywords<typeof PARAMETERS, Parameters>)
  constructor(...args: unknown[]) {
    const [packetType, aName = 'Success', identifier = -1] = bindArguments<Parameters>(PARAMETERS, 1, args)
    this.packetType = packetType
    this.names = NAMES
    Object.defineProperty(this, 'names', { enumerable: false })
    if (identifier !== -1) {
      nameOf(packetType, identifier)
      this.value = identifier
    } else {
      this.value = this.getId(aName)
    }
  }

  get is_failure(): boolean {
    return this.value >= 0x80
  }

  /** The name of the code for this packet. Throws as the constructor does. */
  getName(): string {
    return nameOf(this.packetType, this.value)
  }

  /** The code with this name. Throws `KeyError` when this packet has none. */
  getId(name: string): number {
    const wanted =
      this.packetType === PacketTypes.DISCONNECT && name === 'Success' ? 'Normal disconnection' : name
    for (const [code, names] of Object.entries(NAMES)) {
      if (names[wanted]?.includes(this.packetType)) return Number(code)
    }
    throw new KeyError(`Reason code name not found: ${name} (packet ${packetName(this.packetType)})`)
  }

  /** Takes the code with this name. */
  set(name: string): void {
    this.value = this.getId(name)
  }

  /** Takes the first byte. */
  unpack(buffer: Uint8Array): 1 {
    const code = buffer[0] ?? -1
    nameOf(this.packetType, code)
    this.value = code
    return 1
  }

  pack(): Uint8Array {
    return Uint8Array.of(this.value)
  }

  /** The name. */
  json(): string {
    return this.getName()
  }

  toString(): string {
    return this.getName()
  }

  valueOf(): number {
    return this.value
  }

  /** A number is compared with the code, a string with the name, a `ReasonCode` by its code whatever its packet. */
  equals(other: unknown): boolean {
    if (typeof other === 'number') return this.value === other
    if (typeof other === 'string') return this.getName() === other
    return other instanceof ReasonCode && this.value === other.value
  }
}

/** The old name of `ReasonCode`. */
export class ReasonCodes extends ReasonCode {
  /** Warns with a `DeprecationWarning`. */
  constructor(...args: Parameters)
  constructor(...args: WithKeywords<typeof PARAMETERS, Parameters>)
  constructor(...args: unknown[]) {
    process.emitWarning('ReasonCodes is deprecated, use ReasonCode (singular) instead', 'DeprecationWarning')
    super(...(args as Parameters))
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof ReasonCode
  }
}

function nameOf(packetType: number, code: number): string {
  const names = NAMES[code]
  if (names === undefined) throw new KeyError(`Unknown reason code: ${code}`)
  for (const [name, packets] of Object.entries(names)) {
    if (packets.includes(packetType)) return name
  }
  throw new ValueError(`Reason code ${code} is not one of ${packetName(packetType)}`)
}

function packetName(packetType: number): string {
  return PacketTypes.Names[packetType] ?? String(packetType)
}

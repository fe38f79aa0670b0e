import { AttributeGuard } from './attribute-guard.ts'
import { KeyError, MalformedPacket, MQTTException, ValueError } from './errors.ts'
import { pythonText } from './python-text.ts'
import {
  readBytes,
  readInt16,
  readInt32,
  readUTF,
  VariableByteIntegers,
  writeBytes,
  writeInt16,
  writeInt32,
  writeUTF,
} from './wire-values.ts'

const TYPES = [
  'Byte',
  'Two Byte Integer',
  'Four Byte Integer',
  'Variable Byte Integer',
  'Binary Data',
  'UTF-8 Encoded String',
  'UTF-8 String Pair',
]

/** Name, identifier, index into TYPES, packets that may carry it. [MQTT 5.0 §2.2.2.2] */
const TABLE: readonly (readonly [
  name: string,
  identifier: number,
  type: number,
  packets: readonly number[],
])[] = [
  ['Payload Format Indicator', 1, 0, [3, 99]],
  ['Message Expiry Interval', 2, 2, [3, 99]],
  ['Content Type', 3, 5, [3, 99]],
  ['Response Topic', 8, 5, [3, 99]],
  ['Correlation Data', 9, 4, [3, 99]],
  ['Subscription Identifier', 11, 3, [3, 8]],
  ['Session Expiry Interval', 17, 2, [1, 2, 14]],
  ['Assigned Client Identifier', 18, 5, [2]],
  ['Server Keep Alive', 19, 1, [2]],
  ['Authentication Method', 21, 5, [1, 2, 15]],
  ['Authentication Data', 22, 4, [1, 2, 15]],
  ['Request Problem Information', 23, 0, [1]],
  ['Will Delay Interval', 24, 2, [99]],
  ['Request Response Information', 25, 0, [1]],
  ['Response Information', 26, 5, [2]],
  ['Server Reference', 28, 5, [2, 14]],
  ['Reason String', 31, 5, [2, 4, 5, 6, 7, 9, 11, 14, 15]],
  ['Receive Maximum', 33, 1, [1, 2]],
  ['Topic Alias Maximum', 34, 1, [1, 2]],
  ['Topic Alias', 35, 1, [3]],
  ['Maximum QoS', 36, 0, [2]],
  ['Retain Available', 37, 0, [2]],
  ['User Property', 38, 6, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 99]],
  ['Maximum Packet Size', 39, 2, [1, 2]],
  ['Wildcard Subscription Available', 40, 0, [2]],
  ['Subscription Identifier Available', 41, 0, [2]],
  ['Shared Subscription Available', 42, 0, [2]],
]

/** Identifiers whose values are checked when they are assigned. */
const RANGES: Record<number, readonly [minimum: number, maximum: number]> = {
  1: [0, 1],
  11: [1, 268_435_455],
  23: [0, 1],
  25: [0, 1],
  33: [1, 65_535],
  34: [0, 65_535],
  35: [1, 65_535],
  39: [1, 268_435_455],
}

const SUBSCRIPTION_IDENTIFIER = 11
const USER_PROPERTY = 38

const IDENTIFIERS = new Map(TABLE.map(([name, identifier]) => [compress(name), identifier]))
const ROWS = new Map(TABLE.map((row) => [row[1], row]))

type Pair = [name: string, value: string]

/**
 * The properties of one packet, each an attribute with its name in MQTT 5 without spaces; `undefined` until set.
 * User Property and Subscription Identifier accumulate: assigning adds. Assigning what the packet can not have,
 * or a value out of range, throws `MQTTException`.
 */
export class Properties extends AttributeGuard {
  packetType: number
  readonly #values = new Map<number, unknown>()

  declare PayloadFormatIndicator: number | undefined
  declare MessageExpiryInterval: number | undefined
  declare ContentType: string | undefined
  declare ResponseTopic: string | undefined
  declare CorrelationData: Uint8Array | undefined
  declare SessionExpiryInterval: number | undefined
  declare AssignedClientIdentifier: string | undefined
  declare ServerKeepAlive: number | undefined
  declare AuthenticationMethod: string | undefined
  declare AuthenticationData: Uint8Array | undefined
  declare RequestProblemInformation: number | undefined
  declare WillDelayInterval: number | undefined
  declare RequestResponseInformation: number | undefined
  declare ResponseInformation: string | undefined
  declare ServerReference: string | undefined
  declare ReasonString: string | undefined
  declare ReceiveMaximum: number | undefined
  declare TopicAliasMaximum: number | undefined
  declare TopicAlias: number | undefined
  declare MaximumQoS: number | undefined
  declare RetainAvailable: number | undefined
  declare MaximumPacketSize: number | undefined
  declare WildcardSubscriptionAvailable: number | undefined
  declare SubscriptionIdentifierAvailable: number | undefined
  declare SharedSubscriptionAvailable: number | undefined

  /** @param packetType - one of `PacketTypes` */
  constructor(packetType: number) {
    super(
      ['packetType'],
      (name) =>
        new MQTTException(`Property name must be one of ${[...IDENTIFIERS.keys()].join(', ')}, not ${name}`),
    )
    this.packetType = packetType
  }

  /** One or several numbers are added to what is there. */
  get SubscriptionIdentifier(): number[] | undefined {
    return this.#values.get(SUBSCRIPTION_IDENTIFIER) as number[] | undefined
  }

  set SubscriptionIdentifier(value: number | number[] | undefined) {
    this.#assign(SUBSCRIPTION_IDENTIFIER, value)
  }

  /** One pair or several are added to what is there. */
  get UserProperty(): Pair[] | undefined {
    return this.#values.get(USER_PROPERTY) as Pair[] | undefined
  }

  set UserProperty(value: Pair | Pair[] | undefined) {
    this.#assign(USER_PROPERTY, value)
  }

  /** The names of the seven types, by their numbers. */
  get types(): string[] {
    return [...TYPES]
  }

  /** Name with spaces -> identifier. */
  get names(): Record<string, number> {
    return Object.fromEntries(TABLE.map(([name, identifier]) => [name, identifier]))
  }

  /** Identifier -> type and packets. */
  get properties(): Record<number, [type: number, packets: number[]]> {
    return Object.fromEntries(
      TABLE.map(([, identifier, type, packets]) => [identifier, [type, [...packets]]]),
    )
  }

  allowsMultiple(compressedName: string): boolean {
    return isMultiple(this.getIdentFromName(compressedName))
  }

  /** -1 for an unknown name. */
  getIdentFromName(compressedName: string): number {
    return IDENTIFIERS.get(compressedName) ?? -1
  }

  /** With spaces; `null` for an unknown identifier. */
  getNameFromIdent(identifier: number): string | null {
    return ROWS.get(identifier)?.[0] ?? null
  }

  isEmpty(): boolean {
    return this.#values.size === 0
  }

  clear(): void {
    this.#values.clear()
  }

  /** What is set, by names without spaces; Correlation Data in hexadecimal. */
  json(): Record<string, unknown> {
    const entries = this.#inOrder().map(([name, identifier, , value]) => [
      name,
      identifier === 9 && value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ])
    return Object.fromEntries(entries)
  }

  override toString(): string {
    return `[${this.#inOrder()
      .map(([name, , , value]) => `${name} : ${pythonText(value)}`)
      .join(', ')}]`
  }

  /**
   * The length as a variable byte integer, then the properties in the order of MQTT's table. Throws `ValueError` for
   * numbers out of the range of their type, `TypeError` for values of another type.
   */
  pack(): Uint8Array {
    const parts: Uint8Array[] = []
    for (const [, identifier, type, value] of this.#inOrder()) {
      const values: unknown[] = isMultiple(identifier) && Array.isArray(value) ? value : [value]
      for (const one of values) parts.push(this.writeProperty(identifier, type, one))
    }
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    return concat([VariableByteIntegers.encode(length), ...parts])
  }

  /**
   * Reads one set from the beginning of the buffer, in place of what is there.
   *
   * @returns the object itself and the number of bytes taken, length included
   * @throws MQTTException for a repeated property or one of another packet; KeyError for an unknown identifier;
   *   MalformedPacket for bad lengths or characters
   */
  unpack(buffer: Uint8Array): [this, number] {
    this.clear()
    const [length, lengthBytes] = VariableByteIntegers.decode(buffer)
    const end = lengthBytes + length
    if (end > buffer.length) throw new MalformedPacket('properties are longer than the buffer')
    let at = lengthBytes
    while (at < end) {
      const [identifier, used] = VariableByteIntegers.decode(buffer.subarray(at, end))
      const row = ROWS.get(identifier)
      if (row === undefined) throw new KeyError(`Unknown property identifier: ${identifier}`)
      at += used
      const [value, valueBytes] = this.readProperty(buffer.subarray(at, end), row[2], end - at)
      if (!isMultiple(identifier) && this.#values.has(identifier)) {
        throw new MQTTException(`Property ${row[0]} must not exist more than once`)
      }
      this.#assign(identifier, value)
      at += valueBytes
    }
    return [this, end]
  }

  /** One property with its identifier. Throws as `pack` does. */
  writeProperty(identifier: number, type: number, value: unknown): Uint8Array {
    return concat([VariableByteIntegers.encode(identifier), writeValue(type, value)])
  }

  /** @returns the value and the number of bytes it took */
  readProperty(buffer: Uint8Array, type: number, propslen: number): [unknown, number] {
    const within = buffer.subarray(0, propslen)
    switch (type) {
      case 0:
        if (within.length < 1) throw new MalformedPacket('no byte to read')
        return [within[0], 1]
      case 1:
        return [readInt16(within), 2]
      case 2:
        return [readInt32(within), 4]
      case 3:
        return VariableByteIntegers.decode(within)
      case 4:
        return readBytes(within)
      case 5:
        return readUTF(within, within.length)
      case 6: {
        const [name, nameBytes] = readUTF(within, within.length)
        const [value, valueBytes] = readUTF(within.subarray(nameBytes), within.length - nameBytes)
        return [[name, value], nameBytes + valueBytes]
      }
      default:
        throw new KeyError(`Unknown property type: ${type}`)
    }
  }

  #inOrder(): (readonly [name: string, identifier: number, type: number, value: unknown])[] {
    return TABLE.filter(([, identifier]) => this.#values.has(identifier)).map(
      ([name, identifier, type]) => [compress(name), identifier, type, this.#values.get(identifier)] as const,
    )
  }

  #assign(identifier: number, value: unknown): void {
    if (value === undefined) return
    const [name, , , packets] = ROWS.get(identifier)!
    if (!packets.includes(this.packetType)) {
      throw new MQTTException(`Property ${compress(name)} does not apply to packet type ${this.packetType}`)
    }
    if (!isMultiple(identifier)) {
      checkRange(name, identifier, value)
      this.#values.set(identifier, value)
      return
    }
    // A pair is an array too: only an array that starts with an array is a list of pairs.
    const isList = Array.isArray(value) && (identifier !== USER_PROPERTY || Array.isArray(value[0]))
    const added: unknown[] = isList ? value : [value]
    for (const one of added) checkRange(name, identifier, one)
    this.#values.set(identifier, [
      ...((this.#values.get(identifier) as unknown[] | undefined) ?? []),
      ...added,
    ])
  }

  static {
    // Every property is an accessor, under its name without spaces and the one with.
    for (const [name, identifier] of TABLE) {
      const accessor: PropertyDescriptor & ThisType<Properties> = {
        configurable: true,
        get() {
          return this.#values.get(identifier)
        },
        set(value: unknown) {
          this.#assign(identifier, value)
        },
      }
      Object.defineProperty(Properties.prototype, name, accessor)
      Object.defineProperty(Properties.prototype, compress(name), accessor)
    }
  }
}

function writeValue(type: number, value: unknown): Uint8Array {
  switch (type) {
    case 0:
      if (!isInteger(value) || value < 0 || value > 255) throw new ValueError(`not a byte: ${value}`)
      return Uint8Array.of(value)
    case 1:
      return writeInt16(value as number)
    case 2:
      return writeInt32(value as number)
    case 3:
      return VariableByteIntegers.encode(value as number)
    case 4:
      return writeBytes(value as Uint8Array)
    case 5:
      return writeUTF(value as string)
    case 6:
      if (!Array.isArray(value) || value.length !== 2) throw new TypeError('a user property is [name, value]')
      return concat([writeUTF(value[0] as string), writeUTF(value[1] as string)])
    default:
      throw new KeyError(`Unknown property type: ${type}`)
  }
}

function checkRange(name: string, identifier: number, value: unknown): void {
  const range = RANGES[identifier]
  if (range === undefined) return
  if (!isInteger(value) || value < range[0] || value > range[1]) {
    throw new MQTTException(`${name} must be in the range ${range[0]} to ${range[1]}, not ${value}`)
  }
}

function isMultiple(identifier: number): boolean {
  return identifier === SUBSCRIPTION_IDENTIFIER || identifier === USER_PROPERTY
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value)
}

function compress(name: string): string {
  return name.replaceAll(' ', '')
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

import { AttributeGuard } from './attribute-guard.ts'
import { KeyError, MalformedPacket, MQTTException } from './errors.ts'
import { PROPERTIES, type PropertyRow, TYPES } from './property-table.ts'
import { readValue, writeValue } from './property-values.ts'
import { pythonText } from './python-text.ts'
import { concat, VariableByteIntegers } from './wire-values.ts'

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

const IDENTIFIERS = new Map(PROPERTIES.map(({ name, identifier }) => [name, identifier]))
const ROWS = new Map(PROPERTIES.map((row) => [row.identifier, row]))

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
    return Object.fromEntries(PROPERTIES.map(({ spaced, identifier }) => [spaced, identifier]))
  }

  /** Identifier -> type and packets. */
  get properties(): Record<number, [type: number, packets: number[]]> {
    return Object.fromEntries(
      PROPERTIES.map(({ identifier, type, packets }) => [identifier, [type, [...packets]]]),
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
    return ROWS.get(identifier)?.spaced ?? null
  }

  isEmpty(): boolean {
    return this.#values.size === 0
  }

  clear(): void {
    this.#values.clear()
  }

  /** What is set, by names without spaces; Correlation Data in hexadecimal. */
  json(): Record<string, unknown> {
    const entries = this.#inOrder().map(([{ name, identifier }, value]) => [
      name,
      identifier === 9 && value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ])
    return Object.fromEntries(entries)
  }

  override toString(): string {
    return `[${this.#inOrder()
      .map(([{ name }, value]) => `${name} : ${pythonText(value)}`)
      .join(', ')}]`
  }

  /**
   * The length as a variable byte integer, then the properties in the order of MQTT's table. Throws `ValueError` for
   * numbers out of the range of their type, `TypeError` for values of another type.
   */
  pack(): Uint8Array {
    const parts: Uint8Array[] = []
    for (const [{ identifier, type }, value] of this.#inOrder()) {
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
      const [value, valueBytes] = this.readProperty(buffer.subarray(at, end), row.type, end - at)
      if (!isMultiple(identifier) && this.#values.has(identifier)) {
        throw new MQTTException(`Property ${row.spaced} must not exist more than once`)
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
    return readValue(buffer.subarray(0, propslen), type)
  }

  #inOrder(): (readonly [row: PropertyRow, value: unknown])[] {
    return PROPERTIES.filter(({ identifier }) => this.#values.has(identifier)).map(
      (row) => [row, this.#values.get(row.identifier)] as const,
    )
  }

  #assign(identifier: number, value: unknown): void {
    if (value === undefined) return
    const { name, packets } = ROWS.get(identifier)!
    if (!packets.includes(this.packetType)) {
      throw new MQTTException(`Property ${name} does not apply to packet type ${this.packetType}`)
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
    for (const { name, spaced, identifier } of PROPERTIES) {
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
      Object.defineProperty(Properties.prototype, spaced, accessor)
    }
  }
}

function checkRange(name: string, identifier: number, value: unknown): void {
  const range = RANGES[identifier]
  if (range === undefined) return
  if (!Number.isInteger(value) || (value as number) < range[0] || (value as number) > range[1]) {
    throw new MQTTException(`${name} must be in the range ${range[0]} to ${range[1]}, not ${value}`)
  }
}

function isMultiple(identifier: number): boolean {
  return identifier === SUBSCRIPTION_IDENTIFIER || identifier === USER_PROPERTY
}

import fc from 'fast-check'
import type {
  AckPacket,
  Packet,
  ProtocolVersion,
  QoS,
  SubscriptionRequest,
  UserProperties,
  Will,
} from 'mqtt-await/codec'

/** Packets of every type as anybody may send them, for one protocol version. */

const text = (maxLength = 24) =>
  fc.string({ unit: 'grapheme', maxLength }).filter((value) => !value.includes('\0'))
const topic = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((value) => !/[\0+#]/.test(value))
const level = fc.oneof(
  fc.constant('+'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 8 }).map((value) => value.replace(/[/+#\0]/g, '')),
)
const filter = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 5 }), fc.boolean(), fc.boolean())
  .map(
    ([levels, all, shared]) =>
      `${shared ? '$share/group/' : ''}${[...levels, ...(all ? ['#'] : [])].join('/')}`,
  )
  .filter((value) => value !== '' && !value.endsWith('group/'))
const bytes = (maxLength = 40) => fc.uint8Array({ maxLength })
const u16 = fc.integer({ min: 0, max: 65_535 })
const id = fc.integer({ min: 1, max: 65_535 })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const qos: fc.Arbitrary<QoS> = fc.constantFrom(0, 1, 2)
const bit = fc.constantFrom<0 | 1>(0, 1)
const userProperties: fc.Arbitrary<UserProperties> = fc.array(
  fc.tuple(text(), text()).map(([name, value]): [string, string] => [name, value]),
  { minLength: 1, maxLength: 4 },
)

/** With the prototype of ordinary objects, deeply: fast-check makes records without one. */
function ordinary<T>(value: T): T {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(ordinary) as T
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, ordinary(part)])) as T
}

/** Some of the properties, undefined when there are none. */
function some<T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T | undefined> {
  return fc
    .record(model, { requiredKeys: [] })
    .map((value) => (Object.keys(value).length === 0 ? undefined : (value as T)))
}

function withProperties<T extends object>(
  version: ProtocolVersion,
  packet: fc.Arbitrary<T>,
  properties: fc.Arbitrary<object | undefined>,
): fc.Arbitrary<T> {
  if (version !== 5) return packet
  return fc
    .tuple(packet, properties)
    .map(([base, given]) => (given === undefined ? base : { ...base, properties: given }))
}

const ackProperties = some({ reasonString: text(), userProperties })
const messageProperties = {
  payloadFormatIndicator: bit,
  messageExpiryInterval: u32,
  contentType: text(),
  responseTopic: topic,
  correlationData: bytes(),
  userProperties,
}
/** A method whenever there is data for it. */
function authentication<T extends object>(
  properties: fc.Arbitrary<T | undefined>,
): fc.Arbitrary<T | undefined> {
  return properties.map((value) =>
    value !== undefined && 'authenticationData' in value
      ? { authenticationMethod: 'SCRAM', ...value }
      : value,
  )
}

function connect(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const will: fc.Arbitrary<Will> = withProperties(
    version,
    fc.record({ topic, payload: bytes(), qos, retain: fc.boolean() }),
    some({ ...messageProperties, willDelayInterval: u32 }),
  )
  const clientId =
    version === 3
      ? fc.string({ minLength: 1, maxLength: 23 }).filter((value) => !value.includes('\0'))
      : text()
  const packet = fc
    .record(
      { cleanStart: fc.boolean(), keepAlive: u16, clientId, will, username: text(), password: bytes() },
      { requiredKeys: ['cleanStart', 'keepAlive', 'clientId'] },
    )
    .filter((value) => version === 5 || value.password === undefined || value.username !== undefined)
    .map((value) => ({
      type: 'connect' as const,
      protocolVersion: version,
      ...value,
      cleanStart: value.cleanStart || (version === 4 && value.clientId === ''),
    }))
  return withProperties(
    version,
    packet,
    authentication(
      some({
        sessionExpiryInterval: u32,
        receiveMaximum: id,
        maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
        topicAliasMaximum: u16,
        requestResponseInformation: fc.boolean(),
        requestProblemInformation: fc.boolean(),
        userProperties,
        authenticationMethod: text(),
        authenticationData: bytes(),
      }),
    ),
  )
}

function connack(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const codes = version === 5 ? [0, 0x80, 0x87, 0x9f] : [0, 0x84, 0x85, 0x86, 0x87, 0x88]
  const packet = fc
    .record({
      type: fc.constant('connack' as const),
      sessionPresent: fc.boolean(),
      reasonCode: fc.constantFrom(...codes),
    })
    .map((value) => ({
      ...value,
      sessionPresent: value.sessionPresent && value.reasonCode === 0 && version !== 3,
    }))
  return withProperties(
    version,
    packet,
    authentication(
      some({
        sessionExpiryInterval: u32,
        receiveMaximum: id,
        maximumQoS: bit,
        retainAvailable: fc.boolean(),
        maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
        assignedClientIdentifier: text(),
        topicAliasMaximum: u16,
        reasonString: text(),
        userProperties,
        wildcardSubscriptionAvailable: fc.boolean(),
        subscriptionIdentifiersAvailable: fc.boolean(),
        sharedSubscriptionAvailable: fc.boolean(),
        serverKeepAlive: u16,
        responseInformation: text(),
        serverReference: text(),
        authenticationMethod: text(),
        authenticationData: bytes(),
      }),
    ),
  )
}

function publish(version: ProtocolVersion, from: 'client' | 'server'): fc.Arbitrary<Packet> {
  const payload = fc.oneof(
    bytes(),
    fc.integer({ min: 0, max: 5000 }).map((size) => new Uint8Array(size).fill(size)),
  )
  const packet = fc
    .record({
      type: fc.constant('publish' as const),
      topic,
      payload,
      qos,
      retain: fc.boolean(),
      dup: fc.boolean(),
      packetId: id,
    })
    .map((value) => (value.qos === 0 ? { ...value, dup: false, packetId: 0 } : value))
  const subscriptionIdentifiers = fc.array(fc.integer({ min: 1, max: 268_435_455 }), {
    minLength: 1,
    maxLength: 4,
  })
  return withProperties(
    version,
    packet,
    some({ ...messageProperties, topicAlias: id, ...(from === 'server' && { subscriptionIdentifiers }) }),
  )
}

function ack(version: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc.constantFrom<AckPacket['type']>('puback', 'pubrec', 'pubrel', 'pubcomp').chain((type) => {
    const codes =
      version !== 5 ? [0] : type === 'puback' || type === 'pubrec' ? [0, 0x10, 0x80, 0x97] : [0, 0x92]
    const packet = fc.record({ type: fc.constant(type), packetId: id, reasonCode: fc.constantFrom(...codes) })
    return withProperties(version, packet, ackProperties)
  })
}

function subscribe(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const request: fc.Arbitrary<SubscriptionRequest> =
    version === 5
      ? fc
          .record({
            filter,
            qos,
            noLocal: fc.boolean(),
            retainAsPublished: fc.boolean(),
            retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
          })
          .map((value) => ({ ...value, noLocal: value.noLocal && !value.filter.startsWith('$share/') }))
      : fc.record({ filter, qos })
  const filters = fc.array(request, { minLength: 1, maxLength: 5 })
  return withProperties(
    version,
    fc.record({ type: fc.constant('subscribe' as const), packetId: id, filters }),
    some({ subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }), userProperties }),
  )
}

function unsubscribe(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const filters = fc.array(filter, { minLength: 1, maxLength: 5 })
  return withProperties(
    version,
    fc.record({ type: fc.constant('unsubscribe' as const), packetId: id, filters }),
    some({ userProperties }),
  )
}

function suback(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const code = fc.constantFrom(...(version === 5 ? [0, 1, 2, 0x80, 0x87, 0xa2] : [0, 1, 2, 0x80]))
  const reasonCodes = fc.array(code, { minLength: 1, maxLength: 5 })
  return withProperties(
    version,
    fc.record({ type: fc.constant('suback' as const), packetId: id, reasonCodes }),
    ackProperties,
  )
}

function unsuback(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const reasonCodes =
    version === 5 ? fc.array(fc.constantFrom(0, 0x11, 0x8f), { minLength: 1, maxLength: 5 }) : fc.constant([])
  return withProperties(
    version,
    fc.record({ type: fc.constant('unsuback' as const), packetId: id, reasonCodes }),
    ackProperties,
  )
}

function disconnect(version: ProtocolVersion, from: 'client' | 'server'): fc.Arbitrary<Packet> {
  const codes = version !== 5 ? [0] : from === 'client' ? [0, 4, 0x80, 0x93] : [0, 0x80, 0x8e, 0x9d]
  const properties =
    from === 'client'
      ? some({ sessionExpiryInterval: u32, reasonString: text(), userProperties })
      : some({ serverReference: text(), reasonString: text(), userProperties })
  return withProperties(
    version,
    fc.record({ type: fc.constant('disconnect' as const), reasonCode: fc.constantFrom(...codes) }),
    properties,
  )
}

function auth(from: 'client' | 'server'): fc.Arbitrary<Packet> {
  return fc
    .record(
      { authenticationMethod: text(), authenticationData: bytes(), reasonString: text(), userProperties },
      { requiredKeys: ['authenticationMethod'] },
    )
    .chain((properties) =>
      fc
        .constantFrom(from === 'client' ? 0x19 : 0, 0x18)
        .map((reasonCode) => ({ type: 'auth' as const, reasonCode, properties })),
    )
}

/** Any packet that this side may send in this version. */
export function anyPacket(version: ProtocolVersion, from: 'client' | 'server'): fc.Arbitrary<Packet> {
  return anyShape(version, from).map(ordinary)
}

function anyShape(version: ProtocolVersion, from: 'client' | 'server'): fc.Arbitrary<Packet> {
  const both = [
    publish(version, from),
    ack(version),
    ...(version === 5 ? [auth(from), disconnect(version, from)] : []),
  ]
  return from === 'client'
    ? fc.oneof(
        ...both,
        connect(version),
        subscribe(version),
        unsubscribe(version),
        fc.constant<Packet>({ type: 'pingreq' }),
        disconnect(version, from),
      )
    : fc.oneof(
        ...both,
        connack(version),
        suback(version),
        unsuback(version),
        fc.constant<Packet>({ type: 'pingresp' }),
      )
}

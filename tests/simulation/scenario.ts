import type { ConnectPacket, ProtocolVersion, QoS } from '../../src/codec/packet.ts'
import type { ModelBrokerOptions } from '../../src/testing/model-broker.ts'
import type { NetworkFaults } from '../support/faulty-network.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

/** What one seed stands for: the two sides and the network between them. */
export interface Scenario {
  readonly version: ProtocolVersion
  readonly connect: ConnectPacket
  readonly maxInflight: number | undefined
  readonly onSessionLost: 'reject' | 'republish'
  readonly autoTopicAlias: boolean
  readonly broker: ModelBrokerOptions
  readonly network: NetworkFaults
  /** How many things happen before everything is left to calm down. */
  readonly actions: number
  /** Whether the client writes at the end of the turn or at once. */
  readonly writesAtOnce: boolean
}

export const CLIENT_ID = 'simulated'
export const AUTH_METHOD = 'STEPS'

export function drawScenario(random: SeededRandom): Scenario {
  const version = random.pick<ProtocolVersion>([5, 5, 5, 5, 4, 4, 3])
  const five = version === 5
  const authenticates = five && random.chance(0.15)
  const connect = drawConnect(random, version, authenticates)
  const broker = drawBroker(random, version, authenticates)
  return {
    version,
    connect: withAcceptableWill(connect, broker),
    maxInflight: random.chance(0.3) ? random.pick([1, 2, 5]) : undefined,
    onSessionLost: random.pick(['reject', 'reject', 'republish']),
    autoTopicAlias: random.chance(0.8),
    broker,
    network: drawNetwork(random),
    actions: random.integer(20, 120),
    writesAtOnce: random.chance(0.5),
  }
}

/** A will that the broker refuses would keep the client out for ever. */
function withAcceptableWill(connect: ConnectPacket, broker: ModelBrokerOptions): ConnectPacket {
  const { will, ...rest } = connect
  if (will === undefined) return connect
  const acceptable =
    will.qos <= (broker.maximumQoS ?? 2) && (!will.retain || broker.retainAvailable !== false)
  return acceptable ? connect : rest
}

function drawConnect(random: SeededRandom, version: ProtocolVersion, authenticates: boolean): ConnectPacket {
  const maybe = <T>(probability: number, value: () => T): T | undefined =>
    random.chance(probability) ? value() : undefined
  const sessionExpiryInterval = random.pick([undefined, 0, 3, 60, 3600, 3600, 0xffff_ffff, 0xffff_ffff])
  const receiveMaximum = maybe(0.5, () => random.pick([1, 2, 3, 10]))
  const topicAliasMaximum = maybe(0.6, () => random.pick([1, 2, 5]))
  const maximumPacketSize = maybe(0.2, () => random.integer(100, 400))
  const requestProblemInformation = maybe(0.3, () => random.chance(0.5))
  const assigned = version === 5 && random.chance(0.1)
  const willQoS = random.pick<QoS>([0, 1, 2])
  return {
    type: 'connect',
    protocolVersion: version,
    cleanStart: random.chance(0.3),
    keepAlive: random.pick([0, 0, 1, 5, 30, 60]),
    clientId: assigned ? '' : CLIENT_ID,
    ...(random.chance(0.3)
      ? { will: { topic: 'will', payload: new Uint8Array(3), qos: willQoS, retain: random.chance(0.2) } }
      : {}),
    ...(version === 5
      ? {
          properties: {
            ...(sessionExpiryInterval === undefined ? {} : { sessionExpiryInterval }),
            ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
            ...(topicAliasMaximum === undefined ? {} : { topicAliasMaximum }),
            ...(maximumPacketSize === undefined ? {} : { maximumPacketSize }),
            ...(requestProblemInformation === undefined ? {} : { requestProblemInformation }),
            ...(authenticates ? { authenticationMethod: AUTH_METHOD } : {}),
          },
        }
      : {}),
  }
}

function drawBroker(
  random: SeededRandom,
  version: ProtocolVersion,
  authenticates: boolean,
): ModelBrokerOptions {
  const five = version === 5
  const own = random.fork()
  const receiveMaximum = random.pick([undefined, undefined, 1, 1, 2, 3, 10])
  const maximumPacketSize = five && random.chance(0.2) ? random.integer(80, 300) : undefined
  const topicAliasMaximum = random.pick([undefined, undefined, 1, 2, 5, 100])
  const serverKeepAlive = random.pick([undefined, undefined, undefined, 0, 1, 20])
  const replyDelay = random.pick([0, 0, 5, 100, 2000])
  // MQTT 3.1 has no way to tell that a session has gone.
  const maximumSessionExpiry = version !== 3 && random.chance(0.1) ? 2 : undefined
  return {
    ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
    ...(maximumPacketSize === undefined ? {} : { maximumPacketSize }),
    ...(topicAliasMaximum === undefined ? {} : { topicAliasMaximum }),
    ...(serverKeepAlive === undefined ? {} : { serverKeepAlive }),
    ...(maximumSessionExpiry === undefined ? {} : { maximumSessionExpiry }),
    window: random.pick([1, 2, 20]),
    maximumQoS: five ? random.pick<QoS>([2, 2, 2, 2, 2, 1, 0]) : 2,
    retainAvailable: !five || random.chance(0.9),
    wildcardSubscriptionAvailable: !five || random.chance(0.95),
    subscriptionIdentifiersAvailable: !five || random.chance(0.8),
    sharedSubscriptionAvailable: !five || random.chance(0.8),
    overlapping: random.pick(['one', 'each']),
    replyDelayMs: () => (replyDelay === 0 ? 0 : own.integer(0, replyDelay)),
    useTopicAlias: () => own.chance(0.8),
    authorizePublish: (message) => (message.topic.startsWith('refused/') ? 0x87 : 0),
    authorizeSubscribe: (filter, qos) => (filter.startsWith('refused/') ? 0x87 : qos),
    ...(authenticates
      ? {
          authenticationMethod: AUTH_METHOD,
          authenticationStep: (step) =>
            step < 2 ? { reasonCode: 0x18, data: Uint8Array.of(step) } : { reasonCode: 0 },
        }
      : {}),
  }
}

function drawNetwork(random: SeededRandom): NetworkFaults {
  return {
    delayMs: random.pick([
      [1, 1],
      [1, 20],
      [0, 500],
    ] as const),
    split: random.pick([0, 0.3, 1]),
    singleByte: random.pick([0, 0.2, 1]),
    closeDelayMs: random.pick([0, 50, 5000]),
  }
}
